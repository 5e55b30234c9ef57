"""A cold start: a fresh worker process until its functions are indexed, until its first answer, its first generation.

Darkroom is measured beside the same flow with every SDK imported at the start (peers/usual). Each design starts once
before it is measured, so its files are compiled and in the page cache. A first start on a new machine is slower for
both, and more so for the design that imports more. Only the packages of requirements.txt can be imported, as in Azure.
"""

import json
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence

from dev.bench import dependencies, deployed, load
from dev.bench import host as hosts
from dev.bench.dependencies import RunningDependencies
from dev.bench.load import APPS, ROOT
from dev.bench.report import Cell, Report
from shared.core.catalog.file import parse_catalog
from shared.core.safety.blocklist import Blocklist
from shared.core.safety.policy_file import parse_policy

DESIGNS = ("usual", "darkroom")

#: Modules that indexing the app must not load.
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
    """Run the benchmark."""
    samples: dict[str, list[Sample]] = {design: [] for design in DESIGNS}
    loaded: dict[str, list[str]] = {}
    needed: list[str] = []
    async with dependencies.started() as around:
        for design in DESIGNS:
            await _started(around, design)
        for _ in range(max(turns, 7 if full else 3)):
            for design in DESIGNS:
                sample, loaded[design], needed = await _started(around, design)
                samples[design].append(sample)
    least = {design: _least_of(each) for design, each in samples.items()}
    report.add("the least of fresh workers", [{"design": design, **each} for design, each in least.items()])
    report.add("the ten heaviest imports of function_app (own time)", _import_times(["function_app"]))
    report.add("the ten heaviest imports until the first generation (own time)", _import_times(needed))
    report.add("bare imports, ms", [_bare(name) for name in ("azure.functions", "function_app")])
    report.add("the data files, read and checked", list(_data_files()))
    eager, lazy = least["usual"], least["darkroom"]
    report.at_most("loading the app, of eager's (aim 0.02)", 0.1, lazy["load CPU ms"] / eager["load CPU ms"])
    report.at_most("CPU to the first generation, of eager's", 0.6, lazy["CPU s"] / eager["CPU s"])
    late = sorted(name for name in LATE if name in loaded["darkroom"])
    report.at_most(f"late modules after loading{': ' if late else ''}{', '.join(late)}", 0, len(late))


async def _started(around: RunningDependencies, design: str) -> tuple[Sample, list[str], list[str]]:
    """Run one fresh worker up to its first generation; returns its times, and the modules at its start and end."""
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
        used, needed = await host.used(), (await host.ask("usage"))["modules"]
    sample = {
        "load ms": host.readiness["index"]["wall_s"] * 1000,
        "load CPU ms": host.readiness["index"]["cpu_s"] * 1000,
        "start to indexed ms": indexed_s * 1000,
        "first answer ms": answered_s * 1000,
        "start to first generation ms": done_s * 1000,
        "CPU s": used.cpu_s,
        "MiB": used.resident_bytes / 2**20,
        "modules at start": len(loaded),
    }
    return sample, loaded, needed


def _least_of(samples: list[Sample]) -> dict[str, float]:
    return {name: min(sample[name] for sample in samples) for name in samples[0]}


#: Imports each of its arguments that exists. The first argument is the list of packages that Azure does not have.
_IMPORTING = """
import contextlib, importlib, json, sys
from dev.bench.hiding import hide
hide(json.loads(sys.argv[1]))
for name in sys.argv[2:]:
    with contextlib.suppress(ImportError):
        importlib.import_module(name)
"""


def _import_times(modules: Sequence[str]) -> list[dict[str, Cell]]:
    """The modules among these and their imports with the largest own time, as `-X importtime` reports it."""
    command = [sys.executable, "-X", "importtime", "-c", _IMPORTING, json.dumps(sorted(deployed.absent()))]
    named = [name for name in modules if not name.startswith(("__", "dev."))]
    run = subprocess.run([*command, *named], cwd=ROOT, capture_output=True, text=True, check=True)
    found = [(int(own), int(all_), name) for own, all_, _, name in _TIMES.findall(run.stderr)]
    heaviest = sorted(found, reverse=True)[:10]
    return [
        {"module": name, "own ms": own / 1000, "with what it imports ms": all_ / 1000} for own, all_, name in heaviest
    ]


def _data_files() -> Iterator[dict[str, Cell]]:
    readers: dict[str, Callable[[str], object]] = {
        "catalog/catalog.toml": parse_catalog,
        "safety/moderation.toml": lambda text: parse_policy(text, "moderation.toml"),
        "safety/blocklist.toml": lambda text: Blocklist.parse(text).look(""),  # rich builds its tree for the first text
    }
    for name, read in readers.items():
        text = (ROOT / "shared" / "core" / name).read_text(encoding="utf-8")

        def once(text: str = text, read: Callable[[str], object] = read) -> float:
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
