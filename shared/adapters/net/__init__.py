"""Networking that adapters share: TLS, and downloads from user-supplied URLs."""
