"""One file per action. Dropping a file here is all it takes to add one."""
