"""Darkroom beside the polling design of the FLUX guide and the official replicate SDK.

All do the same on the same simulator: create a prediction of 3 s, fetch its picture of 1.5 MB, store it. ``darkroom``
runs its whole flow. ``bare`` is Darkroom with no-ops for state, credits and safety, so it does what the peers do.
The SDK is installed for this alone, into .local/bench/packages, and is no part of Darkroom.
"""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace

from dev.bench import dependencies, load
from dev.bench.dependencies import RunningDependencies
from dev.bench.host import ADDED_PATH
from dev.bench.load import Cost, Run
from dev.bench.report import FOLDER, Cell, Report

PACKAGES = FOLDER / "packages"
SDK = "replicate==1.0.7"

PEERS = ("polling", "sdk_run", "sdk_wait")
ALL = (*PEERS, "bare", "darkroom")

#: The most that 16 slots of the polling design can handle. At a higher rate a queue would grow, and slots could not be
#: compared.
PACE_PER_S = 4.0


async def measured(report: Report, *, full: bool, turns: int) -> None:
    """Run the benchmark."""
    _install()
    async with dependencies.started() as around:
        for number in (200, 1000) if full else (200,):
            at_once = await _in_turns(around, ALL, Run(generations=number, timeout_s=400), turns=1)
            rows = [_row(cost, uncounted=True) for cost in at_once]
            report.add(f"{number} generations of 3 s at once, 16 slots", rows)
        paced = Run(generations=60, per_s=PACE_PER_S)
        calm = await _in_turns(around, ALL, paced, turns)
        report.add(f"{paced.generations} generations of 3 s, {PACE_PER_S:g} a second", [_row(cost) for cost in calm])
        long = await _in_turns(around, ("darkroom",), replace(paced, run_s=20), turns=1)
        report.add("the same of 20 s", [_row(cost) for cost in long])
        crowd = Run(generations=1000 if full else 300, slots=1000 if full else 300, timeout_s=200)
        crowded = await _in_turns(around, ("sdk_run", "darkroom"), crowd, turns=1)
        rows = [_row(cost, uncounted=True) for cost in crowded]
        report.add(f"{crowd.generations} at once, no limit of slots", rows)
    _targets(report, at_once, calm, [*long, *crowded])


async def _in_turns(around: RunningDependencies, designs: Sequence[str], run: Run, turns: int) -> list[Cost]:
    """Run each design in turn, ``turns`` times; returns each design's turn with the least CPU."""
    best: dict[str, Cost] = {}
    for _ in range(turns):
        for design in designs:
            settings = dict(around.uncounted) if run.per_s is None else {}
            settings |= {ADDED_PATH: str(PACKAGES)} if design.startswith("sdk") else {}
            cost = await load.measure(around, design, run, settings)
            known = best.get(design)
            best[design] = cost if known is None else min(cost, known, key=lambda each: each.cpu_ms)
    return list(best.values())


def _row(cost: Cost, *, uncounted: bool = False) -> dict[str, Cell]:
    return {
        "design": cost.design,
        "succeeded": f"{cost.succeeded} of {cost.generations}",
        "wall s": cost.wall_s,
        "per s": cost.per_s,
        "CPU ms": cost.cpu_ms,
        "slot s": cost.slot_s,
        "peak MiB": cost.peak_mib,
        "Replicate calls": cost.replicate_calls,
        "requests": None if uncounted else cost.requests,
        "log records": cost.records,
        "failures": "; ".join(cost.failures)[:60],
    }


def _targets(report: Report, at_once: Sequence[Cost], calm: Sequence[Cost], others: Sequence[Cost]) -> None:
    burst, paced = ({cost.design: cost for cost in costs} for costs in (at_once, calm))
    long, _, crowd = others
    darkroom, polling, number = paced["darkroom"], paced["polling"], burst["darkroom"].generations
    report.at_most("slot-seconds, of polling's", 1 / 30, darkroom.slot_s / polling.slot_s)
    report.at_most("slot-seconds at 20 s, of those at 3 s", 1.2, long.slot_s / darkroom.slot_s)
    wall = burst["darkroom"].wall_s / burst["polling"].wall_s
    report.at_most(f"wall time of {number} at once, of polling's (aim 0.063)", 1 / 8, wall)
    report.at_most("calls to Replicate", 1.1, max(cost.replicate_calls for cost in (darkroom, long, crowd)))
    report.at_most(f"failures of {number} at once", 0, number - burst["darkroom"].succeeded)
    report.at_most(f"peak memory of {number} at once, 16 slots", 150, burst["darkroom"].peak_mib, "MiB")
    report.at_most(f"peak memory of {crowd.generations} at once, no limit of slots", 150, crowd.peak_mib, "MiB")
    report.at_most(
        f"failures of {crowd.generations} at once, no limit of slots", 0, crowd.generations - crowd.succeeded
    )


def _install() -> None:
    if (PACKAGES / "replicate").exists():
        return
    print(f"Installing {SDK} into {PACKAGES.relative_to(FOLDER.parents[1])}, for the peers of this benchmark alone.")
    PACKAGES.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(PACKAGES), SDK]
    subprocess.run(command, check=True)
