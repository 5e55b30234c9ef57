"""Memory of many outputs at once, and the CPU of moving one.

``moved`` measures only the move, from Replicate's delivery into a container. The whole flow also screens each output,
and decodes it if it is beyond the screener's limits.
"""

import json
import sys
from asyncio import create_subprocess_exec, subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from dev.bench import dependencies, load, usage
from dev.bench.dependencies import RunningDependencies
from dev.bench.load import ROOT, Run
from dev.bench.report import Cell, Report

MOVERS = ("sdk and httpx", "darkroom")
SIZES = (1_500_000, 20_000_000, 50_000_000)
AT_ONCE = 64

#: The largest size that SDK and httpx move too, 64 at once: of 50 MB each they need 5 GB.
PEER_BYTES = 20_000_000


@dataclass(frozen=True, slots=True)
class Moved:
    """The cost of a move: CPU per output, and memory beyond what the process had before."""

    cpu_ms: float
    more_mib: float


async def measured(report: Report, *, full: bool, turns: int) -> None:
    """Run the benchmark."""
    sizes = SIZES if full else SIZES[:2]
    async with dependencies.started() as around:
        few = await _in_turns(around, SIZES[:1], turns, count=100, tasks=4)
        report.add("moved, 4 at a time", _rows(few))
        many = await _in_turns(around, sizes, 1, count=AT_ONCE, tasks=AT_ONCE)
        report.add(f"moved, {AT_ONCE} at once", _rows(many))
        small, middle = SIZES[:2]
        cpu = few["darkroom", small].cpu_ms / few["sdk and httpx", small].cpu_ms
        report.at_most("CPU of moving 1.5 MB, of SDK and httpx (aim 0.25)", 1 / 2.5, cpu)
        report.at_most("memory per 20 MB output being moved", 4, many["darkroom", middle].more_mib / AT_ONCE, "MiB")
        roads: list[dict[str, Cell]] = []
        report.add(f"the whole road, {AT_ONCE} at once", roads)
        for size in sizes:
            roads.append(await _road(around, size))  # noqa: PERF401 - what is measured by then is in the report
    more_mib = float(roads[1]["more MiB per output"] or 0)
    report.at_most("memory per 20 MB output on the whole road", 4, more_mib, "MiB")


async def _in_turns(
    around: RunningDependencies, sizes: Sequence[int], turns: int, *, count: int, tasks: int
) -> dict[tuple[str, int], Moved]:
    best: dict[tuple[str, int], Moved] = {}
    for size in sizes:
        for _ in range(turns):
            for mover in MOVERS if size <= PEER_BYTES else MOVERS[1:]:
                moved = await _moved(around, mover, size, count, tasks)
                known = best.get((mover, size), moved)
                best[mover, size] = min(moved, known, key=lambda each: each.cpu_ms)
    return best


async def _moved(around: RunningDependencies, mover: str, size: int, count: int, tasks: int) -> Moved:
    """Run one fresh process that moves ``count`` outputs."""
    await around.runs_for(0, size)
    pinned = usage.cores()
    asked = {"mover": mover, "count": count, "tasks": tasks, "core": pinned[0] if pinned else None}
    command = [sys.executable, "-m", "dev.bench.mover", json.dumps({**asked, "values": dict(around.values)})]
    process = await create_subprocess_exec(*command, cwd=ROOT, stdout=subprocess.PIPE)
    out, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"the mover {mover!r} ended with {process.returncode}")
    return Moved(**json.loads(out))


def _rows(moved: dict[tuple[str, int], Moved]) -> list[dict[str, Cell]]:
    return [
        {"mover": mover, "MB": size / 1e6, "CPU ms": each.cpu_ms, "more MiB": each.more_mib}
        for (mover, size), each in moved.items()
    ]


async def _road(around: RunningDependencies, size: int) -> dict[str, Cell]:
    run = Run(generations=AT_ONCE, slots=AT_ONCE, run_s=1, picture_bytes=size, timeout_s=600)
    cost = await load.measure(around, "darkroom", run)
    return {
        "MB": size / 1e6,
        "succeeded": f"{cost.succeeded} of {AT_ONCE}",
        "peak MiB": cost.peak_mib,
        "more MiB per output": (cost.peak_mib - cost.before_mib) / AT_ONCE,
        "CPU ms": cost.cpu_ms,
        "failures": "; ".join(cost.failures)[:60],
    }
