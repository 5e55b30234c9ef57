"""Every flow of the message handler: how often it calls each dependency, and what each of these calls costs.

One call runs at a time, so that its CPU can be measured alone. Under load a call costs less.
"""

from dev.bench import dependencies, flows, usage
from dev.bench.flows import BUDGETS, Walk
from dev.bench.report import Cell, Report


async def measured(report: Report, *, full: bool, turns: int) -> None:
    """Run the benchmark."""
    async with dependencies.started() as around:
        pinned = usage.cores()
        usage.pin(pinned[0] if pinned else None)  # this process is the measured one
        async with flows.walking(around) as walk:
            await walk.all()
            report.add("requests of each flow (budget)", _requests(walk))
            await around.runs_for(0.3, 1_500_000)
            await walk.main()  # with the picture already in place
            walk.calls.clear()
            for _ in range((30 if full else 10) * turns):
                await walk.main()
            report.add("each call of the main flow", _calls(walk))
            over = sum(
                1 for flow, budget in BUDGETS.items() for name in budget if walk.found[flow][name] > budget[name]
            )
    report.at_most("flows over their budget", 0, over)


def _requests(walk: Walk) -> list[dict[str, Cell]]:
    rows: list[dict[str, Cell]] = []
    for flow, budget in BUDGETS.items():
        found = walk.found[flow]
        rows.append({"flow": flow, **{name: f"{found[name]} ({most})" for name, most in budget.items()}})
    return rows


def _calls(walk: Walk) -> list[dict[str, Cell]]:
    rows: list[dict[str, Cell]] = []
    for flow in ("request", "started", "completed", "completed again"):
        calls = walk.calls[flow]
        walked = calls.number["whole"]
        for name, number in sorted(calls.number.items(), key=lambda item: item[0] != "whole"):
            rows.append(
                {
                    "flow": flow,
                    "call": name,
                    "a flow": number / walked,
                    "CPU ms": calls.cpu_s[name] * 1000 / number,
                    "ms": calls.wall_s[name] * 1000 / number,
                }
            )
    return rows
