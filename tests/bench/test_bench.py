"""The benchmark's own parts: the frames, the count of requests, the report."""

import asyncio
import importlib
import importlib.util
import io
import json
import os
import subprocess
import sys
from collections import Counter
from importlib import metadata
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from PIL import Image

from dev import bench
from dev.bench import deployed, report, stubs, usage, wire
from dev.bench.hiding import hide
from dev.bench.host import Host
from dev.bench.report import Report
from replicate_simulator.models import PictureFormat
from replicate_simulator.pictures import Scene, render
from tests.adapters.simulators import running, scripted


async def test_frames_come_as_they_went() -> None:
    """Head and body are read as written, even an empty body; the end gives None."""
    reader = asyncio.StreamReader()
    reader.feed_data(wire.packed({"do": "call"}, b"\x00body") + wire.packed({"do": "mark"}))
    reader.feed_eof()

    assert await wire.read(reader) == ({"do": "call"}, b"\x00body")
    assert await wire.read(reader) == ({"do": "mark"}, b"")
    assert await wire.read(reader) is None


async def test_requests_on_their_way_are_counted() -> None:
    """They count by verb and table, also on a kept connection and after a body."""
    counts: Counter[str] = Counter()
    async with scripted(web.Response(status=204)) as service:
        port = int(service.url.rpartition(":")[2])
        server = await stubs.forward("127.0.0.1", port, counts)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/account"
        async with aiohttp.ClientSession() as session:
            for _ in range(2):
                await (await session.put(f"{url}/state(PartitionKey='a',RowKey='b')", data=b'{"a":1}')).read()
            await (await session.post(f"{url}/$batch", data=b"x" * 1000)).read()
        server.close()
        await asyncio.sleep(0.05)  # the connections in between end a few turns later

    assert counts == {"tables PUT state": 2, "tables POST $batch": 1}


def test_a_report_is_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is a table and JSON, and names a missed target."""
    monkeypatch.setattr(report, "FOLDER", tmp_path / "a" / "bench")
    made = Report()
    made.add("a part", [{"design": "darkroom", "CPU ms": 1.25}])
    made.at_most("CPU", 1, 1.25, "ms")
    made.at_least("speed", 1, 1.25)

    report.show("road", made)

    written = json.loads((tmp_path / "a" / "bench" / "road.json").read_text())
    assert written["parts"][0]["rows"] == [{"design": "darkroom", "CPU ms": 1.25}]
    assert [target["met"] for target in written["targets"]] == [False, True]
    assert "NO" in capsys.readouterr().out


async def where_it_runs(made: Report, *, full: bool, turns: int) -> None:
    """A benchmark that prints the cores of what is measured, of the rest, and of itself."""
    made.add("cores", [{"measured": str(usage.cores()), "own": str(sorted(os.sched_getaffinity(0)))}])


@pytest.mark.skipif(usage.cores() is None, reason="processes cannot be pinned here, or there is one core")
def test_what_is_measured_has_a_core_of_its_own() -> None:
    """This holds even after the benchmark has pinned itself, when the system reports one core only."""
    before = sorted(os.sched_getaffinity(0))
    usage.cores.cache_clear()
    (row,) = report.run(where_it_runs, full=False, turns=1, limit_s=5).parts[0].rows
    assert row == {"measured": str((before[0], before[1])), "own": str([before[1]])}
    assert sorted(os.sched_getaffinity(0)) == before


async def test_a_host_is_idle_when_its_last_call_is_over() -> None:
    """Its end may be published long before; what a call does after that is still its own cost, and no other run's."""
    host = Host(slots=1)
    listener = await asyncio.start_server(host.accept, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*listener.sockets[0].getsockname()[:2])
    writer.write(wire.packed({"ready": {}, "functions": ["observe"]}))
    await host.ready()
    call = asyncio.create_task(host.call("observe", b""))
    frame = await wire.read(reader)
    assert frame is not None
    idle = asyncio.create_task(host.idle())
    done, _ = await asyncio.wait([idle], timeout=0.05)
    assert not done
    writer.write(wire.packed({"answer": frame[0]["id"], "ok": True, "status": None}))
    await idle
    assert host.tally.took_s["observe"] >= 0.05
    await call
    writer.close()
    listener.close()


async def half_done(made: Report, *, full: bool, turns: int) -> None:
    """A benchmark that hangs after its first table."""
    made.add("a part", [{"full": full, "turns": turns}])
    made.at_most("CPU", 1, 0.5)
    await asyncio.sleep(60)


async def broken(made: Report, *, full: bool, turns: int) -> None:
    """A benchmark without its dependencies."""
    made.at_most("CPU", 1, 2)
    raise OSError("no dependencies")


def test_a_benchmark_ends_in_time_with_what_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that hangs or breaks costs neither the others nor its own earlier results."""
    monkeypatch.setattr(report, "FOLDER", tmp_path / "a" / "bench")
    for name, measure in (("road", half_done), ("steps", broken)):
        report.show(name, report.run(measure, full=True, turns=2, limit_s=0.2), full=True)

    hung, broke = (json.loads((tmp_path / "a" / "bench" / f"{name}.json").read_text()) for name in ("road", "steps"))
    assert (hung["trouble"], hung["full"]) == ("not done within 0 s", True)
    assert hung["parts"][0]["rows"] == [{"full": True, "turns": 2}]
    assert (broke["trouble"], broke["targets"][0]["met"]) == ("OSError: no dependencies", False)

    capsys.readouterr()
    assert report.summary(["road", "steps", "memory"]) is False
    printed = capsys.readouterr().out
    assert all(each in printed for each in ("not done within", "no dependencies", "not measured yet", "NO"))


def test_all_targets_are_reported_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The check reads the saved results without measuring, and is true if all targets are met."""
    monkeypatch.setattr(report, "FOLDER", tmp_path / "a" / "bench")
    made = Report()
    made.at_most("CPU of moving", 0.4, 0.26)
    report.show("memory", made)
    monkeypatch.setattr(bench, "NAMES", ("memory",))
    capsys.readouterr()

    assert bench.main(["targets"]) == 0
    assert report.summary(["memory"]) is True
    assert "CPU of moving" in capsys.readouterr().out


def test_every_benchmark_is_bounded() -> None:
    """This holds for the usual run and for the full one."""
    assert set(bench.LIMITS_S) == set(bench.NAMES)
    assert all(usual <= full <= 2 * 3600 for usual, full in bench.LIMITS_S.values())


def test_a_worker_sees_what_is_installed_in_azure() -> None:
    """It has the packages of requirements.txt with their dependencies, and none of development."""
    absent = deployed.absent()
    assert {"pytest", "_pytest", "rich", "click", "mypy"} <= absent
    there = {
        "azure",
        "httpx",
        "httpx_aiohttp",
        "aiohttp",
        "PIL",
        "certifi",
        "requests",
        "msal",
        "yarl",
        "opentelemetry",
    }
    assert not there & absent


@pytest.mark.process
def test_every_design_loads_its_own_app() -> None:
    """This project is installed editable, and its finder would give its own app to each of the other designs."""
    hidden = "from dev.bench import deployed, hiding; hiding.hide(deployed.absent())"
    looked = f"import importlib.util; {hidden}; print(importlib.util.find_spec('function_app').origin)"
    for design in ("usual", "bare", "polling"):
        folder = Path(bench.__file__).parent / "peers" / design
        command = [sys.executable, "-c", looked]
        environment = os.environ | {"PYTHONPATH": str(report.FOLDER.parents[1])}
        run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
        assert run.stdout.strip() == str(folder / "function_app.py")


def test_what_is_hidden_is_not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """It can be neither imported nor looked up, as if not installed; all else can."""
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    for name in [name for name in sys.modules if name.partition(".")[0] in {"rich", "sched"}]:
        monkeypatch.delitem(sys.modules, name)
    hide(["rich"])

    assert importlib.util.find_spec("rich") is None
    for name in ("rich", "rich.console"):
        with pytest.raises(ModuleNotFoundError, match="rich"):
            importlib.import_module(name)
    assert importlib.import_module("sched").__name__ == "sched"
    assert metadata.version("aiohttp")


def test_an_unknown_benchmark_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """The error lists the benchmarks that exist."""
    with pytest.raises(SystemExit):
        bench.main(["raod"])

    assert "unknown: raod; there are designs, road" in capsys.readouterr().err


@pytest.mark.parametrize("size_bytes", [50_000, 1_500_000, 5_000_000])
def test_a_picture_is_about_as_large_as_was_asked(size_bytes: int) -> None:
    """It can be decoded, and has as many pixels as the size needs."""
    drawn = render(Scene("", 0, 0, plain=True, size_bytes=size_bytes), PictureFormat(512, 512, "png", 80))

    assert size_bytes * 0.9 < len(drawn) < size_bytes * 1.1
    Image.open(io.BytesIO(drawn)).load()


@pytest.mark.process
async def test_an_answer_waits_for_the_end_where_it_is_asked_to() -> None:
    """With `Prefer: wait`, as the official SDK sends it, the answer has the output, just before the end."""
    async with running("replicate_simulator") as ready, aiohttp.ClientSession() as session:
        await session.post(f"{ready['url']}/_sim/run_time", json={"start_s": 0, "run_s": 0.2})
        url = f"{ready['url']}/v1/models/black-forest-labs/flux-schnell/predictions"
        login = {"Authorization": f"Bearer {ready['token']}"}
        body = {"input": {"prompt": "a lighthouse"}}
        for prefer, there in (("wait=5", True), ("respond-async", False)):
            answer = await (await session.post(url, json=body, headers={**login, "Prefer": prefer})).json()
            assert answer["status"] in {"processing", "starting"}
            assert (answer["output"] is not None) is there
            assert "completed_at" not in answer
            assert "metrics" not in answer
