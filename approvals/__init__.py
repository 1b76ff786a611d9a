"""Who must agree: policy over typed facts, rounds and votes."""
