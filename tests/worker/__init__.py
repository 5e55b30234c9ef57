"""Tests of the message handler on in-memory fakes."""
