"""Tests of the whole Replicate client, over real sockets against the simulator."""
