"""What goes out: the event of a generation that has ended."""
