"""Every way in, and what is served there."""
