"""A client library for the whole of Replicate's HTTP API. Nothing in it knows the app."""
