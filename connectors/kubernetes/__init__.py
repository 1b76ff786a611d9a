"""Kubernetes: what we read of a cluster, and the few things we change in it."""
