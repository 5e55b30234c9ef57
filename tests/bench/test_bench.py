"""The benchmark's own parts: the frames, the count of requests, the report."""

import asyncio
import io
import json
from collections import Counter
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from PIL import Image

from dev import bench
from dev.bench import report, stubs, wire
from dev.bench.report import Report
from dev.replicate.models import PictureFormat
from dev.replicate.pictures import Scene, render
from tests.adapters.simulators import running, scripted


async def test_frames_come_as_they_went() -> None:
    """Head and body, also an empty one; None at the end."""
    reader = asyncio.StreamReader()
    reader.feed_data(wire.packed({"do": "call"}, b"\x00body") + wire.packed({"do": "mark"}))
    reader.feed_eof()

    assert await wire.read(reader) == ({"do": "call"}, b"\x00body")
    assert await wire.read(reader) == ({"do": "mark"}, b"")
    assert await wire.read(reader) is None


async def test_requests_on_their_way_are_counted() -> None:
    """By verb and table, on a kept connection and with a body before."""
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
    """As a table and as JSON; a missed target says so."""
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


def test_an_unknown_benchmark_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """With those that there are."""
    with pytest.raises(SystemExit):
        bench.main(["raod"])

    assert "unknown: raod; there are designs, road" in capsys.readouterr().err


@pytest.mark.parametrize("size_bytes", [50_000, 1_500_000, 5_000_000])
def test_a_picture_is_about_as_large_as_was_asked(size_bytes: int) -> None:
    """And one that can be decoded, with as many pixels as it takes."""
    drawn = render(Scene("", 0, 0, plain=True, size_bytes=size_bytes), PictureFormat(512, 512, "png", 80))

    assert size_bytes * 0.9 < len(drawn) < size_bytes * 1.1
    Image.open(io.BytesIO(drawn)).load()


async def test_an_answer_waits_for_the_end_where_it_is_asked_to() -> None:
    """`Prefer: wait`, which the official SDK sends: the prediction has ended when the create is answered."""
    async with running("dev.replicate") as ready, aiohttp.ClientSession() as session:
        await session.post(f"{ready['url']}/_sim/run_time", json={"start_s": 0, "run_s": 0.2})
        url = f"{ready['url']}/v1/models/black-forest-labs/flux-schnell/predictions"
        login = {"Authorization": f"Bearer {ready['token']}"}
        body = {"input": {"prompt": "a lighthouse"}}
        for prefer, status in (("wait=5", "succeeded"), ("respond-async", "processing")):
            answer = await session.post(url, json=body, headers={**login, "Prefer": prefer})
            assert (await answer.json())["status"] in {status, "starting" if status == "processing" else status}
