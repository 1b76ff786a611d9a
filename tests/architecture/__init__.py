"""The walls of the house: what may import what, how long a module may be, and which names it may not have."""
