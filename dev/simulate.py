"""`python3 -m dev simulate`: seeded histories of many users with faults, on virtual time; prints their figures.

Each seed is one history, always the same one. A seed that breaks a promise is printed with the end of its history and
the command that repeats it.
"""

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

from dev.arguments import at_least
from dev.simulation.promise import Broken
from dev.simulation.simulation import Figures, Simulation

#: How much of a failed history is shown.
LAST_LINES = 40


@dataclass(frozen=True, slots=True)
class Failure:
    """A seed that broke a promise: which promise, and the end of its history."""

    seed: int
    what: str
    last: tuple[str, ...]


def play(seed: int, users: int, generations: int) -> Figures | Failure:
    """Run one seed's history. An unexpected exception is a failure of the seed, not of the command."""
    simulation = Simulation(seed, users, generations)
    try:
        return simulation.run()
    except (Broken, Exception) as error:  # noqa: BLE001  # the report names it, and the other seeds go on
        return Failure(seed, f"{type(error).__name__}: {error}", tuple(simulation.clock.trace.last))


def main(argv: list[str]) -> int:
    """Run the seeds and print the figures; returns 1 when a seed broke a promise."""
    options = _options(argv)
    seeds = range(options.seeds) if options.seed is None else [options.seed]
    started = time.monotonic()
    figures, failures = Figures(), 0
    for number, played in enumerate(_all(seeds, options), start=1):
        if isinstance(played, Failure):
            failures += 1
            _print_failure(played, options)
        else:
            figures.add(played)
            if options.seed is not None:
                print(f"trace {played.trace}")
        if sys.stderr.isatty():
            print(f"\r{number} of {len(seeds)} seeds", end="", file=sys.stderr, flush=True)
    _print_figures(figures, failures, time.monotonic() - started)
    return 1 if failures else 0


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 -m dev simulate", description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=at_least(1), default=100, help="how many seeds, from 0 (100)")
    parser.add_argument("--seed", type=at_least(0), help="this seed alone, to repeat it")
    parser.add_argument("--users", type=at_least(1), default=3, help="users in each history (3)")
    parser.add_argument("--generations", type=at_least(1), default=30, help="generations of each user (30)")
    parser.add_argument("--processes", type=at_least(1), default=os.cpu_count() or 1, help="how many seeds at once")
    return parser.parse_args(argv)


def _all(seeds: Sequence[int], options: argparse.Namespace) -> Iterator[Figures | Failure]:
    one = partial(play, users=options.users, generations=options.generations)
    if len(seeds) == 1 or options.processes == 1:
        yield from map(one, seeds)
        return
    # "spawn" is the same on every system, and does not fork a process that has threads.
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.processes, mp_context=spawn) as pool:
        yield from pool.map(one, seeds, chunksize=4)


def _print_failure(failure: Failure, options: argparse.Namespace) -> None:
    print(f"\nseed {failure.seed} broke a promise: {failure.what}")
    for line in failure.last[-LAST_LINES:]:
        print(f"  {line}")
    sizes = f"--users {options.users} --generations {options.generations}"
    print(f"again: python3 -m dev simulate --seed {failure.seed} {sizes}")


def _print_figures(figures: Figures, failures: int, wall_s: float) -> None:
    print(f"\n{figures.seeds + failures} seeds, {failures} broke a promise; {wall_s:.1f} s")
    for title, counted in (
        ("generations by outcome", figures.outcomes),
        ("faults by kind", figures.faults),
        ("totals", figures.totals),
    ):
        print(f"\n{title}: {counted.total()}" if title != "totals" else f"\n{title}")
        for name, number in sorted(counted.items(), key=lambda item: (-item[1], item[0])):
            print(f"  {number:>10,}  {name.replace('_', ' ')}")
    print(f"\nat rest at most {figures.settled_s:.0f} s (virtual) after the last fault")
