"""What the benchmarks can hold without a clock: calls to dependencies, log records, modules."""
