"""`python3 -m dev crash_points`: every crash schedule of every flow, on every processor. It takes minutes.

`dev test` plays the flows that end in few ways, and at a second provider those in which its guarantees matter; CI runs
both. ``--flow WORDS`` plays the flows whose name has these words. ``--second-provider`` plays them at a provider with
an idempotency key and no list (dev/fakes/second_provider.py).
"""

import argparse
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor

from dev.simulation.effects import modes_of
from dev.simulation.flows import FLOWS
from dev.simulation.second_provider import SECOND_FLOWS
from dev.simulation.tallies import Tally, play

#: How many schedules there are. A change of the message handler changes it, and so does a flow skipped by mistake.
AT_LEAST = 85_000

#: The effects of the message handler on its dependencies; each must have gone wrong in every way.
EFFECTS = {
    *("store.load", "store.commit", "switches.read"),
    *("index.put", "index.move", "index.get", "index.remove", "index.due"),
    *("index.turns", "index.give", "index.release"),
    *("waiting.wait", "waiting.places", "waiting.place", "waiting.next_waiting"),
    *("waiting.save_place", "waiting.remove_place", "waiting.remove_waiting"),
    *("provider.create", "provider.get", "provider.cancel", "provider.recent"),
    *("provider.upload", "provider.fetch", "provider.fetch chunk"),
    *("images.clean", "images.inspect", "images.is_black", "images.for_screening"),
    *("screener.text", "screener.image", "outputs.put_output", "outputs.discard_outputs", "dead_letters.archive"),
    *("inputs.get", "input_files.put_input", "input_files.input_address", "input_files.discard_inputs"),
    *("uploads.upload_size", "uploads.read_upload", "uploads.upload_address"),
    *("messenger.send", "messenger.publish"),
}


def main(argv: list[str]) -> int:
    """Play them and print the figures; returns 1 when a schedule broke a promise, or too few were played."""
    parser = argparse.ArgumentParser(prog="python3 -m dev crash_points", description=__doc__)
    parser.add_argument("--flow", default="", help="only the flows whose name has these words")
    parser.add_argument("--second-provider", action="store_true", help="at a provider with other guarantees")
    options = parser.parse_args(argv)
    flows = SECOND_FLOWS if options.second_provider else FLOWS
    names = [flow.name for flow in flows if options.flow in flow.name]
    started, tallies = time.monotonic(), list[Tally]()
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for name, tally in zip(names, pool.map(play, names), strict=True):
            print(f"{tally.schedules:>8,}  {name}{f'  BROKEN: {tally.broken}' if tally.broken else ''}", flush=True)
            tallies.append(tally)
    print(summary(tallies, time.monotonic() - started))
    lacking = [] if options.flow or options.second_provider else list(missing(tallies))
    for line in lacking:
        print(line)
    return 1 if lacking or not names or any(tally.broken for tally in tallies) else 0


def summary(tallies: list[Tally], seconds: float) -> str:
    """What they came to, in two lines."""
    count, struck = sum(each.schedules for each in tallies), sum(each.struck.total() for each in tallies)
    broken, walked = sum(bool(each.broken) for each in tallies), sum(each.walked for each in tallies)
    return (
        f"{count:>8,}  schedules of {len(tallies)} flows, {struck:,} of them with a fault, {broken} flows broken, "
        f"{seconds:.0f} s\n{walked:>8,}  were walked to rest; each other is equal to one"
    )


def missing(tallies: Iterable[Tally]) -> Iterator[str]:
    """What all flows together must have, and have not: so many schedules, and each effect gone wrong in every way."""
    tallies = list(tallies)
    if sum(each.schedules for each in tallies) < AT_LEAST:
        yield f"MISSING: there are {AT_LEAST:,} schedules at least; was a flow skipped?"
    struck: Counter[str] = sum((each.struck for each in tallies), Counter())
    for wanted in sorted({f"{mode} {effect}" for effect in EFFECTS for mode in modes_of(effect)} - set(struck)):
        yield f"MISSING: {wanted}"
