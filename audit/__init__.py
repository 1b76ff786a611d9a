"""What happened: the append-only record, its one writer, and its exports."""
