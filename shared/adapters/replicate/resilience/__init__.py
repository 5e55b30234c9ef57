"""Replicate with limits in front of it: a pace for creates, circuit breakers, one list for all who look."""
