"""What the benchmarks can hold without a clock: calls to neighbours, log records, modules."""
