"""The results: a table on the terminal, and the same as JSON in .local/bench/."""

import asyncio
import json
import os
import platform
import sys
import traceback
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from dev.bench import usage

FOLDER = Path(__file__).parents[2] / ".local" / "bench"

Cell = str | float | int | bool | None


@dataclass(frozen=True, slots=True)
class Target:
    """A target, the measured result, and whether the result meets the target."""

    name: str
    wanted: str
    reached: float
    met: bool


@dataclass(frozen=True, slots=True)
class Part:
    """One table: its columns are the keys of its rows, in the order of the first row."""

    title: str
    rows: Sequence[Mapping[str, Cell]]


@dataclass(slots=True)
class Report:
    """The results of a benchmark."""

    parts: list[Part] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    #: Why the benchmark is incomplete; empty if it is complete.
    trouble: str = ""

    def add(self, title: str, rows: Sequence[Mapping[str, Cell]]) -> None:
        """Add a table."""
        self.parts.append(Part(title, rows))

    def at_most(self, name: str, limit: float, reached: float, unit: str = "") -> None:
        """Add a target that is met by a result of ``limit`` or less."""
        self.targets.append(Target(name, f"at most {limit:.4g} {unit}".strip(), reached, reached <= limit))

    def at_least(self, name: str, limit: float, reached: float, unit: str = "") -> None:
        """Add a target that is met by a result of ``limit`` or more."""
        self.targets.append(Target(name, f"at least {limit:.4g} {unit}".strip(), reached, reached >= limit))


Measure = Callable[..., Coroutine[Any, Any, None]]


def run(measure: Measure, *, full: bool, turns: int, limit_s: float) -> Report:
    """Run a benchmark for ``limit_s`` at most; this process and the dependencies that it starts use the second core.

    A failure is written into the report, beside the results so far.
    """
    report = Report()
    pinned = usage.cores()
    before = os.sched_getaffinity(0) if pinned else set()
    usage.pin(pinned[1] if pinned else None)
    try:
        asyncio.run(_bounded(measure(report, full=full, turns=turns), limit_s))
    except TimeoutError:
        report.trouble = f"not done within {limit_s:.0f} s"
    except Exception as error:  # noqa: BLE001  # the other benchmarks still run
        report.trouble = f"{type(error).__name__}: {error}"
        traceback.print_exc()
    finally:
        if pinned:
            os.sched_setaffinity(0, before)
    return report


async def _bounded(measuring: Coroutine[Any, Any, None], limit_s: float) -> None:
    async with asyncio.timeout(limit_s):
        await measuring


def show(name: str, report: Report, *, full: bool = False) -> None:
    """Print a report and write it to its file."""
    console = _console()
    for part in report.parts:
        console.print(_table(f"{name}: {part.title}", part.rows))
    if report.targets:
        console.print(_table(f"{name}: targets", [_row(asdict(each)) for each in report.targets]))
    if report.trouble:
        console.print(f"{name}: NOT WHOLE, {report.trouble}", markup=False)
    FOLDER.mkdir(parents=True, exist_ok=True)
    content = {
        "benchmark": name,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "full": full,
        "trouble": report.trouble,
        "machine": machine(),
        "parts": [{"title": part.title, "rows": [dict(row) for row in part.rows]} for part in report.parts],
        "targets": [asdict(each) for each in report.targets],
    }
    file = FOLDER / f"{name}.json"
    file.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    console.print(f"Written to {file.relative_to(FOLDER.parents[1])}\n")


def summary(names: Sequence[str]) -> bool:
    """Print every target of these benchmarks with its last result; returns whether all are met."""
    rows: list[dict[str, Cell]] = []
    for name in names:
        file = FOLDER / f"{name}.json"
        if not file.exists():
            rows.append(_row_without_result(name, "not measured yet"))
            continue
        found = json.loads(file.read_text(encoding="utf-8"))
        sizes = "full" if found.get("full") else "small"
        rows += [{"benchmark": name, **_row(each), "sizes": sizes, "at": found["at"]} for each in found["targets"]]
        if found.get("trouble"):
            rows.append(_row_without_result(name, found["trouble"]))
    _console().print(_table("all targets", rows))
    return all(row["met"] == "yes" for row in rows)


def _row(target: Mapping[str, Any]) -> dict[str, Cell]:
    reached, met = target["reached"], "yes" if target["met"] else "NO"
    return {"target": target["name"], "wanted": target["wanted"], "reached": reached, "met": met}


def _row_without_result(name: str, why: str) -> dict[str, Cell]:
    return {"benchmark": name, "target": why, "wanted": None, "reached": None, "met": "?"}


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else 200)


def machine() -> Mapping[str, Cell]:
    """The machine of a measurement. The load is that of the last minute, other programs included."""
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "pinned": usage.cores() is not None,
        "load_1_min": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def _table(title: str, rows: Sequence[Mapping[str, Cell]]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    columns = list(dict.fromkeys(name for row in rows for name in row))
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right")
    for row in rows:
        table.add_row(*(_cell(row.get(column)) for column in columns))
    return table


def _cell(value: Cell) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return str(value)
