"""What turns settings into a running app: the adapters, made lazily, and the calls of the triggers with them."""
