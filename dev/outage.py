"""`python3 -m dev outage`: Replicate is down for an hour under load, on virtual time; prints the consequences.

The real message handler runs, on instances that each have a pace and breakers of their own. Replicate's simulated
double fails in one of four ways. The whole hour at 50 requests a second takes ten to twenty minutes for each way,
`--rate 5 --minutes 5 --limit 600` takes seconds.
"""

import argparse
import logging
import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

from dev.arguments import at_least, more_than_nothing
from dev.log_level import log_level
from dev.simulation.outage import Case, Figures, Outage
from dev.simulation.outage_dependencies import Trouble

#: Each kind of failure, in words.
WORDS = {
    Trouble.ERRORS: "5xx to everything",
    Trouble.REFUSED: "no connection",
    Trouble.SILENT: "no answer to anything",
    Trouble.NO_CREDIT: "402 to creates",
}

#: The figures printed for each case, with their labels.
LINES: tuple[tuple[str, Callable[[Figures], str]], ...] = (
    ("requests in all", lambda found: f"{found.requests:,}"),
    ("requests during the outage", lambda found: f"{found.asked_in_outage:,}"),
    ("creates tried during the outage", lambda found: f"{found.creates_in_outage:,}"),
    ("of these probes", lambda found: f"{found.probes_in_outage:,}"),
    ("reads tried during the outage", lambda found: f"{found.questions_in_outage:,}"),
    ("deferrals per request, mean", lambda found: f"{found.deferrals_mean:.2f}"),
    ("deferrals per request, most", lambda found: f"{found.deferrals_most:,}"),
    ("messages handled in a second, most", lambda found: f"{found.handled_peak_per_s:,}"),
    ("creates in a second after it, most", lambda found: f"{found.peak_per_s:,}"),
    ("creates in a minute after it, most", lambda found: f"{found.peak_per_minute:,}"),
    ("answered 429", lambda found: f"{found.throttled:,}"),
    ("backlog worked off after, minutes", lambda found: f"{found.worked_off_s / 60:.0f}"),
    ("succeeded", lambda found: f"{found.outcomes['succeeded']:,}"),
    ("lost", lambda found: f"{found.lost:,}"),
    ("dead letters", lambda found: f"{found.dead:,}"),
    ("invocations that ran out of time", lambda found: f"{found.timed_out:,}"),
    ("users charged twice", lambda found: f"{found.charged_twice:,}"),
    ("predictions beyond one each", lambda found: f"{found.extra_predictions:,}"),
)


def main(argv: list[str]) -> int:
    """Run the cases and print their figures; returns 1 when something was lost."""
    options = _options(argv)
    troubles = list(Trouble) if options.trouble == "all" else [Trouble(options.trouble)]
    cases = [
        Case(
            trouble=trouble,
            rate_per_s=options.rate,
            outage_s=options.minutes * 60,
            instances=options.instances,
            creates_per_minute=options.limit,
            seed=options.seed,
        )
        for trouble in troubles
    ]
    limit = f"{options.limit:,} creates a minute on {options.instances} instances"
    print(f"{options.rate:g} requests a second, {options.minutes} minutes of outage, {limit}", flush=True)
    broken = 0
    if len(cases) == 1 or options.processes == 1:
        for case in cases:
            broken += _shown(case, *played(case))
        return 1 if broken else 0
    # "spawn" is the same on every system, and does not fork a process that has threads.
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.processes, mp_context=spawn) as pool:
        for case, found in zip(cases, pool.map(played, cases), strict=True):
            broken += _shown(case, *found)
    return 1 if broken else 0


def played(case: Case) -> tuple[Figures, float]:
    """Run one case; returns it and its seconds. The breakers' log is for operators, so it is switched off here."""
    started = time.monotonic()
    with log_level(logging.CRITICAL):
        return Outage(case).run(), time.monotonic() - started


def _shown(case: Case, found: Figures, took_s: float) -> bool:
    """Print a case; returns whether it broke a promise."""
    print(f"\n{WORDS[case.trouble]} ({took_s:.0f} s)")
    for name, figure in LINES:
        print(f"  {name:<36}{figure(found):>10}")
    print(f"  deferred because: {', '.join(f'{why} {number:,}' for why, number in sorted(found.why.items()))}")
    sys.stdout.flush()
    return bool(found.lost or found.dead or found.charged_twice)


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 -m dev outage", description=(__doc__ or "").partition("\n")[0])
    names = [trouble.value for trouble in Trouble]
    parser.add_argument("--trouble", choices=[*names, "all"], default="all", help="what is wrong (all, each in turn)")
    parser.add_argument("--rate", type=more_than_nothing, default=50, help="requests a second (50)")
    parser.add_argument("--minutes", type=at_least(1), default=60, help="how long the outage is (60)")
    parser.add_argument("--instances", type=at_least(1), default=10, help="instances that create (10)")
    parser.add_argument(
        "--limit", type=at_least(1), default=6000, help="creates a minute that the account may make (6000)"
    )
    parser.add_argument("--seed", type=at_least(0), default=1, help="seed of the order of everything (1)")
    parser.add_argument("--processes", type=at_least(1), default=os.cpu_count() or 1, help="how many cases at once")
    return parser.parse_args(argv)
