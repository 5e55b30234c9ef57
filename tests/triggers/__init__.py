"""Tests of the triggers, with real azure.functions objects."""
