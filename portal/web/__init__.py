"""The pages: what a person sees, and the forms through which they ask."""
