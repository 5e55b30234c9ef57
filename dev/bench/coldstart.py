"""A cold start: a fresh worker process until its functions are indexed, until its first answer, its first generation.

Darkroom beside the same road with every SDK imported at the start (peers/usual). Files are in the page cache and
compiled, for each design has started once before it is measured: a first start on a new machine is slower for both,
and more so for whoever imports more. Only what requirements.txt brings can be imported, as in Azure.
"""

import re
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping

from dev.bench import host as hosts
from dev.bench import load, neighbours
from dev.bench.load import APPS, ROOT
from dev.bench.neighbours import Neighbours
from dev.bench.report import Cell, Report
from shared.core.catalog_file import parse_catalog
from shared.core.policy import parse_policy
from shared.core.terms import TermList, _expression

DESIGNS = ("usual", "darkroom")

#: What must not be loaded by indexing the app.
LATE = (
    "azure.identity",
    "azure.storage.blob",
    "azure.servicebus",
    "azure.data.tables",
    "azure.keyvault",
    "httpx",
    "PIL",
    "tomllib",
)

_TIMES = re.compile(r"import time:\s+(\d+) \|\s+(\d+) \|(\s+)(\S+)")

Sample = Mapping[str, float]


async def measured(report: Report, *, full: bool, turns: int) -> None:
    """Run it."""
    samples: dict[str, list[Sample]] = {design: [] for design in DESIGNS}
    loaded: dict[str, list[str]] = {}
    async with neighbours.started() as around:
        for design in DESIGNS:
            await _started(around, design)
        for _ in range(max(turns, 7 if full else 3)):
            for design in DESIGNS:
                sample, loaded[design] = await _started(around, design)
                samples[design].append(sample)
    least = {design: _least_of(each) for design, each in samples.items()}
    report.add("the least of fresh workers", [{"design": design, **each} for design, each in least.items()])
    imports = _import_times("function_app")
    report.add("the ten heaviest imports of function_app (own time)", imports)
    report.add("bare imports, ms", [_bare(name) for name in ("azure.functions", "function_app")])
    report.add("the data files, read and checked", list(_data_files()))
    eager, lazy = least["usual"], least["darkroom"]
    report.at_most("loading the app, of eager's (aim 0.02)", 0.1, lazy["load CPU ms"] / eager["load CPU ms"])
    report.at_most("CPU to the first generation, of eager's", 0.6, lazy["CPU s"] / eager["CPU s"])
    late = sorted(name for name in LATE if name in loaded["darkroom"])
    report.at_most(f"late modules after loading{': ' if late else ''}{', '.join(late)}", 0, len(late))


async def _started(around: Neighbours, design: str) -> tuple[Sample, list[str]]:
    """One fresh worker, up to its first generation."""
    values = {"STATE_TABLE": f"state{uuid.uuid4().hex[:12]}", "OPEN_TABLE": f"open{uuid.uuid4().hex[:12]}"}
    await load.prepare(around, values, users=1)
    await around.runs_for(0.2, load.PICTURE_BYTES)
    began_s = time.perf_counter()
    async with hosts.running(around, APPS[design], settings=values) as (host, requests):
        indexed_s = time.perf_counter() - began_s
        loaded = (await host.ask("usage"))["modules"]
        called_s = time.perf_counter()
        await host.call("replicate_webhook", b"{}", method="POST", url="http://127.0.0.1", headers={}, query={})
        answered_s = time.perf_counter() - called_s
        requests.put_nowait(load.request(0))
        await host.ended_of(1, 60)
        done_s = time.perf_counter() - began_s
        await host.idle()
        used = await host.used()
    sample = {
        "load ms": host.told["index"]["wall_s"] * 1000,
        "load CPU ms": host.told["index"]["cpu_s"] * 1000,
        "start to indexed ms": indexed_s * 1000,
        "first answer ms": answered_s * 1000,
        "start to first generation ms": done_s * 1000,
        "CPU s": used.cpu_s,
        "MiB": used.resident_bytes / 2**20,
        "modules at start": len(loaded),
    }
    return sample, loaded


def _least_of(samples: list[Sample]) -> dict[str, float]:
    return {name: min(sample[name] for sample in samples) for name in samples[0]}


def _import_times(module: str) -> list[dict[str, Cell]]:
    """The modules that take longest by themselves, as `-X importtime` has it."""
    run = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", f"import {module}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    found = [(int(own), int(all_), name) for own, all_, _, name in _TIMES.findall(run.stderr)]
    heaviest = sorted(found, reverse=True)[:10]
    return [
        {"module": name, "own ms": own / 1000, "with what it imports ms": all_ / 1000} for own, all_, name in heaviest
    ]


def _data_files() -> Iterator[dict[str, Cell]]:
    readers: dict[str, Callable[[str], object]] = {
        "catalog.toml": parse_catalog,
        "moderation.toml": lambda text: parse_policy(text, "moderation.toml"),
        "terms.toml": TermList.parse,
    }
    for name, read in readers.items():
        text = (ROOT / "shared" / "core" / name).read_text(encoding="utf-8")

        def once(text: str = text, read: Callable[[str], object] = read) -> float:
            _expression.cache_clear()
            re.purge()
            before_s = time.process_time()
            read(text)
            return (time.process_time() - before_s) * 1000

        yield {"file": name, "lines": text.count("\n"), "CPU ms": _least(once)}


def _bare(module: str) -> dict[str, Cell]:
    timed = f"import time; t = time.perf_counter(); import {module}; print((time.perf_counter() - t) * 1000)"

    def once() -> float:
        run = subprocess.run([sys.executable, "-c", timed], cwd=ROOT, capture_output=True, text=True, check=True)
        return float(run.stdout)

    return {"import": module, "ms": _least(once)}


def _least(measure: Callable[[], float]) -> float:
    return min(measure() for _ in range(5))
