"""Turns settings into a running app: makes the adapters lazily, and gives them to the triggers."""
