"""`python3 -m dev fuzz KIND [--count N] [--seed N]`: mutated bytes of strangers by the thousand; finds what is loose.

pictures    mutated pictures through the real reader, decoder and screener copy
messages    mutated messages of both queues, and webhooks, through parsers, message handler (on fakes) and rows

A kind is a module of this package with ``made(number, seed)``, ``look(content)`` and ``fuzzed(count, seed, say)``.
A result that is not one of the kind's expected ends is loose: an exception that is not our own refusal, or an exceeded
bound. Each finding has a number. The same seed makes the same bytes, so `--only NUMBER` makes one input again and keeps
it in `.local/fuzz/`.
"""

import argparse
import importlib
import logging
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from dev.log_level import log_level

KINDS = ("pictures", "messages")

#: How many loose inputs are printed.
SHOWN = 20


@dataclass(slots=True)
class Findings:
    """How often each expected end occurred, and the loose inputs by number."""

    ends: Counter[str] = field(default_factory=Counter)
    loose: dict[int, str] = field(default_factory=dict)
    slowest_s: float = 0.0


def main(argv: list[str]) -> int:
    """Run one kind; 0 if no input was loose."""
    parser = argparse.ArgumentParser(prog="python3 -m dev fuzz", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--count", type=int, default=10_000, help="how many (default 10,000)")
    parser.add_argument("--seed", type=int, default=None, help="makes the same bytes again")
    parser.add_argument("--only", type=int, default=None, metavar="NUMBER", help="this one alone, kept in .local/fuzz/")
    arguments = parser.parse_args(argv)
    if arguments.count < 1:
        parser.error("--count must be 1 or more")
    seed = random.SystemRandom().randrange(10**6) if arguments.seed is None else arguments.seed
    module = importlib.import_module(f"dev.fuzz.{arguments.kind}")
    if arguments.only is not None:
        return _one(module.made(arguments.only, seed), arguments.kind, arguments.only, module.look)
    print(f"fuzz of {arguments.count:,} {arguments.kind} with seed {seed}", flush=True)
    started = time.monotonic()
    with log_level(logging.ERROR):  # warnings of a decoder that gives up are expected here
        findings: Findings = module.fuzzed(arguments.count, seed, lambda done: print(f"  {done:,}", flush=True))
    _report(findings, arguments.count, time.monotonic() - started)
    return 1 if findings.loose else 0


def _one(content: bytes, kind: str, number: int, look: Callable[[bytes], str]) -> int:
    folder = Path(".local") / "fuzz"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{kind}-{number}.bin"
    file.write_bytes(content)
    print(f"{file}: {len(content):,} bytes", file=sys.stderr)
    print(look(content))
    return 0


def _report(findings: Findings, count: int, took_s: float) -> None:
    for end, often in findings.ends.most_common():
        print(f"  {often:>9,}  {end}")
    for number, what in list(findings.loose.items())[:SHOWN]:
        print(f"  LOOSE {number}: {what}")
    print(f"{len(findings.loose):,} of {count:,} loose; {took_s:.0f} s, the slowest {findings.slowest_s:.2f} s.")
