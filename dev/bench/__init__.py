"""`python3 -m dev bench [name ...] [--full]`: what Darkroom costs, beside what a user would build instead.

`--full` measures with the sizes of docs/performance.md, and so checks every target. `targets` alone prints the last
measured result of each target.

designs     against polling and against the official replicate SDK: wall time, slots, CPU, memory, requests
road        CPU of a whole generation, beside the same flow built the usual way
coldstart   a fresh worker: until indexed, until its first answer, until its first generation
steps       calls to each dependency in each flow, with CPU and latency
webhook     the webhook trigger under load: valid, wrong and oversized bodies
growth      cost per generation as their number grows; the timer; one account for all
pictures    CPU of inspecting one picture, beside an older commit
memory      peak memory of many outputs at once; the CPU of moving one

    host.py        feeds one worker as the Functions host does      worker.py      the measured process
    dependencies.py  the worker's dependencies, on the other core   stubs.py       dependencies that answer at once
    load.py        runs N generations and measures their cost       peers/         what is measured beside Darkroom
    report.py      the table, and the JSON in .local/bench/         usage.py       CPU and memory of a process
    deployed.py    which packages a measured worker may see

Rules of this file:
1. Whatever is compared runs in turns, in one session on one machine. The smallest result of the turns counts, because
   other programs may have used the machine in between.
2. CPU, counts and memory say more than wall time here, because loopback has no delay.
"""

import argparse
import importlib

from dev.arguments import at_least

NAMES = ("designs", "road", "coldstart", "steps", "webhook", "growth", "pictures", "memory")

#: Seconds after which a benchmark is stopped, in its usual and its full size: about three times what each takes.
LIMITS_S = {
    "designs": (1800, 5400),
    "road": (900, 1800),
    "coldstart": (300, 600),
    "steps": (300, 600),
    "webhook": (300, 600),
    "growth": (900, 5400),
    "pictures": (300, 900),
    "memory": (900, 3600),
}


def main(argv: list[str]) -> int:
    """Run the benchmarks that are named, or all of them if none is named; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python3 -m dev bench", description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="name", help=f"one or more of: {', '.join(NAMES)}; all if none")
    parser.add_argument("--full", action="store_true", help="the sizes of docs/performance.md: more than an hour")
    parser.add_argument("--turns", type=at_least(1), default=3, help="how often each is measured (default: 3)")
    options = parser.parse_args(argv)
    unknown = sorted(set(options.names) - {*NAMES, "targets"})
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(NAMES)}, targets")
    from dev.bench import report  # noqa: PLC0415 - the worker imports this package and must stay small

    whole = True
    for name in [name for name in options.names or NAMES if name != "targets"]:
        module = importlib.import_module(f"dev.bench.{name}")
        limit_s = LIMITS_S[name][options.full]
        measured = report.run(module.measured, full=options.full, turns=options.turns, limit_s=limit_s)
        report.show(name, measured, full=options.full)
        whole = whole and not measured.trouble
    if not options.names or "targets" in options.names:
        report.summary(NAMES)
    return 0 if whole else 1
