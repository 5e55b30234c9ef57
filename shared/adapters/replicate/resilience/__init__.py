"""Limits in front of Replicate: a pace for creates, circuit breakers, one shared read of the list of predictions."""
