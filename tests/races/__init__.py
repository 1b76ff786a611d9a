"""Two at once, on a real Postgres."""
