"""What can be done, and doing it: catalog, plan, lifecycle, execution."""
