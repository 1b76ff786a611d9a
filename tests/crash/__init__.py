"""Whatever is killed, whenever: the run ends, each step has had one effect, and the record is whole."""
