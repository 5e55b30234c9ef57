"""One module or folder per dependency. Each implements ports. None imports another; all may import `net`."""
