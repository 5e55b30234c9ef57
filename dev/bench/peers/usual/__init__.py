"""Darkroom's road, built the usual way."""
