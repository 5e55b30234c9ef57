"""Tests of the doors, through real azure.functions objects."""
