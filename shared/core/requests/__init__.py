"""What an app asks for: the messages that come in, and how bytes become one."""
