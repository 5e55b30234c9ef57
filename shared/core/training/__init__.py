"""Trainings: what their archives may have, and how one is packed."""
