"""Drafting an entry of the catalogue from a model's published schema."""
