"""The limits of the benchmarks that need no clock: calls to dependencies, log records, modules."""
