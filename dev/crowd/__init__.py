"""`python3 -m dev crowd`: one account opens and ends many generations a second, from several processes.

The real table adapter writes to an Azurite that keeps all in memory. Each table request takes 15 ms more, as over a
network, and a partition serves at most 2,000 entities a second, as Azure's (wire.py). Nothing is created and no output
is moved. It returns 1 if a bound is exceeded, a credit is off, or the chain is not whole.
"""

import argparse
import asyncio
import time

from dev.arguments import at_least
from dev.crowd.figures import Load, kept, table
from dev.crowd.running import run
from dev.crowd.virtual import simulated


def main(argv: list[str]) -> int:
    """Run the crowd and print its figures; returns 1 if a bound is exceeded."""
    parser = argparse.ArgumentParser(prog="python3 -m dev crowd", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--seconds", type=at_least(1, most=3600), default=60, help="how long (default 60)")
    parser.add_argument("--processes", type=at_least(1, most=64), default=8, help="at once (default 8)")
    parser.add_argument(
        "--rate", type=at_least(1, most=1000), default=50, help="generations a second in all (default 50)"
    )
    parser.add_argument(
        "--users", type=at_least(0, most=1000), default=0, help="of the account (default 0: its namesake)"
    )
    parser.add_argument("--at-once", type=at_least(0, most=1000), default=0, help="instead: so many, all at once")
    parser.add_argument("--simulated", action="store_true", help="on virtual time, without Azurite")
    options = parser.parse_args(argv)
    load = Load(options.seconds, options.processes, options.rate, options.users, options.at_once)
    began_s = time.monotonic()
    figures = simulated(load) if options.simulated else asyncio.run(run(load))
    print(table(figures))
    good = kept(figures)
    said = "every bound is kept" if good else "a bound is EXCEEDED"
    print(f"\n{said}; {time.monotonic() - began_s:.0f} s")
    return 0 if good else 1
