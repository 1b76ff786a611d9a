"""A whole world on one machine, for the demo and the tests: real Postgres, Valkey, OpenBao and Kubernetes, no containers.

Only the machines under the pods are simulated. Nothing imports this package.
"""
