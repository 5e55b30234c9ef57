"""The event that is published when a generation has ended."""
