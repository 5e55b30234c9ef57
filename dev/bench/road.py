"""The CPU of a whole generation, in the real worker library, beside the same flow built the usual way (peers/usual)."""

from dev.bench import dependencies, load
from dev.bench.load import Cost, Run
from dev.bench.report import Cell, Report

DESIGNS = ("usual", "darkroom")


async def measured(report: Report, *, full: bool, turns: int) -> None:
    """Run the benchmark: 16 generations in flight, the two designs in turns."""
    run = Run(generations=300 if full else 200, run_s=1.0)
    best: dict[str, Cost] = {}
    rows: list[dict[str, Cell]] = []
    async with dependencies.started() as around:
        for turn in range(turns):
            for design in DESIGNS:
                cost = await load.measure(around, design, run)
                rows.append(_row(turn + 1, cost))
                best[design] = min(cost, best.get(design, cost), key=lambda each: each.cpu_ms)
    report.add(f"{run.generations} generations, 16 in flight, state, credits, safety and storage included", rows)
    report.at_most(
        "CPU of the whole road, of the usual way's (aim 0.25)", 0.5, best["darkroom"].cpu_ms / best["usual"].cpu_ms
    )
    report.at_most("log records a generation", 4, best["darkroom"].records)
    report.at_most("records with a signature", 0, best["darkroom"].leaks)


def _row(turn: int, cost: Cost) -> dict[str, Cell]:
    return {
        "turn": turn,
        "design": cost.design,
        "succeeded": f"{cost.succeeded} of {cost.generations}",
        "CPU ms": cost.cpu_ms,
        "CPU-bound per s": 1000 / cost.cpu_ms,
        "wall s": cost.wall_s,
        "requests": cost.requests,
        "log records": cost.records,
        "peak MiB": cost.peak_mib,
        "failures": "; ".join(cost.failures)[:60],
    }
