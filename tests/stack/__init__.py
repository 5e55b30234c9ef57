"""Tests of the whole road on the local stack."""
