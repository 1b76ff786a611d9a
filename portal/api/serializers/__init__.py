"""What callers get. Field by field on purpose: a column that is added to a table appears nowhere until somebody names it here."""
