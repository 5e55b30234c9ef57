"""Tests of the Replicate simulator, over real sockets."""
