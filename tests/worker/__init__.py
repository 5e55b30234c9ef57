"""Tests of the corridor on in-memory fakes."""
