"""Media files: finds their type by their bytes, cleans them, and makes the copy that a screener sees."""
