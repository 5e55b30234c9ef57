"""Files of media: what they are by their bytes, and a copy that a screener takes."""
