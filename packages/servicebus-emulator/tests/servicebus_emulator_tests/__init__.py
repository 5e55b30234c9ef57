"""Tests of the Service Bus emulator: its pure parts alone, the whole with the real azure-servicebus SDK."""
