"""The adapters, each with its dependency: the real service where it runs on a laptop, else a stand-in."""
