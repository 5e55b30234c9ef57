"""Darkroom with no-ops for state, credits and safety."""
