"""The suites; each folder mirrors a package or names what it proves."""
