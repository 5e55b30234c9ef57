"""One module or folder for each dependency. Each implements ports; none imports another, but for `net`."""
