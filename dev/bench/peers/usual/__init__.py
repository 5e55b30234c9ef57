"""Darkroom's flow, built the usual way."""
