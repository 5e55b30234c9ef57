"""The official replicate SDK, create and wait."""
