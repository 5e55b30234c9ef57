"""The dependencies in memory: plain dictionaries that keep exactly the promises of shared/ports, and no more.

The tests in tests/adapters run the same cases against these and against the real adapters. Tests, the crash simulator
and the fuzzer share this one set.
"""
