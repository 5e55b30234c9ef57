"""`python3 -m dev bench [name ...] [--full]`: what Darkroom costs, beside what a user would build instead.

designs     against polling and against the official replicate SDK: wall time, slots, CPU, memory, requests
road        CPU of the whole road, beside the same road built the usual way
coldstart   a fresh worker: until indexed, until its first answer, until its first generation
steps       calls to each neighbour in each flow, with CPU and latency
webhook     the webhook's door under load: valid, wrong and oversized bodies
growth      cost per generation as they grow more; the timer; one account for all
memory      peak memory of many outputs at once; the CPU of moving one

    host.py        feeds one worker as the Functions host does      worker.py      the measured process
    neighbours.py  what they talk to, on the other core             stubs.py       neighbours that answer at once
    load.py        so many generations, and what each cost          peers/         what is measured beside Darkroom
    report.py      the table, and the JSON in .local/bench/         usage.py       CPU and memory of a process

Rules: whatever is compared runs in turns, in one session on one machine, and the smallest of the turns counts, for
others may have had the machine in between. CPU, counts and memory say more than wall time here: loopback has no delay.
"""

import argparse
import importlib

NAMES = ("designs", "road", "coldstart", "steps", "webhook", "growth", "memory")


def main(argv: list[str]) -> int:
    """Run the benchmarks that are named, all of them if none is; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python3 -m dev bench", description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="name", help=f"one or more of: {', '.join(NAMES)}; all if none")
    parser.add_argument("--full", action="store_true", help="the sizes of docs/performance.md: takes about an hour")
    parser.add_argument("--turns", type=int, default=3, help="how often each is measured (default: 3)")
    options = parser.parse_args(argv)
    unknown = sorted(set(options.names) - set(NAMES))
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(NAMES)}")
    from dev.bench import report  # noqa: PLC0415 - the worker imports this package and must stay small

    for name in options.names or NAMES:
        module = importlib.import_module(f"dev.bench.{name}")
        report.show(name, report.run(module.measured, full=options.full, turns=options.turns))
    return 0
