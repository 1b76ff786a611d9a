"""The sandbox itself: that it starts, keeps, dies and grants as it says, and that its machines behave like machines."""
