"""The official replicate SDK, run."""
