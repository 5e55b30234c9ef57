"""`python3 -m dev second_provider`: every crash schedule of every flow, at a provider with other guarantees.

It has an idempotency key and no list (dev/fakes/second_provider.py). The tests run the flows in which that makes a
difference; this runs them all, on every processor. ``--flow WORDS`` runs those whose name has these words.
"""

import argparse
import os
import time
from concurrent.futures import ProcessPoolExecutor

from dev.simulation.second_provider import SECOND_FLOWS
from dev.simulation.tallies import play


def main(argv: list[str]) -> int:
    """Run them and print the figures; returns 1 when a schedule broke a promise."""
    parser = argparse.ArgumentParser(prog="python3 -m dev second_provider", description=__doc__)
    parser.add_argument("--flow", default="", help="only the flows whose name has these words")
    options = parser.parse_args(argv)
    names = [flow.name for flow in SECOND_FLOWS if options.flow in flow.name]
    started, count, broken = time.monotonic(), 0, 0
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for name, tally in zip(names, pool.map(play, names), strict=True):
            count += tally.schedules
            broken += bool(tally.broken)
            print(f"{tally.schedules:>8,}  {name}{f'  BROKEN: {tally.broken}' if tally.broken else ''}", flush=True)
    print(f"{count:>8,}  schedules of {len(names)} flows, {broken} flows broken, {time.monotonic() - started:.0f} s")
    return 1 if broken or not names else 0
