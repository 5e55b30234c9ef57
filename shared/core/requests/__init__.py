"""The messages that an app sends, and how bytes become a message."""
