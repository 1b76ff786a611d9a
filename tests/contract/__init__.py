"""What holds for every action and every connector that is registered."""
