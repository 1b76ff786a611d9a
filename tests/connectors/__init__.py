"""Connectors, part by part: without a server where that proves enough, else against the real one."""
