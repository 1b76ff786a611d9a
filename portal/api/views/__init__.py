"""Endpoints, by what they are about. Each reads its input, calls one service or query, and writes out what came back."""
