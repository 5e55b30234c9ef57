"""The adapters, each with its neighbour: the real service where it runs on a laptop, else a stand-in."""
