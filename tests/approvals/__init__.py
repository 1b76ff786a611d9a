"""Who must agree."""
