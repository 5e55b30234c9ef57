"""Tests of the pure rules, without any fake."""
