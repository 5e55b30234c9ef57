"""Streaming: the text as it comes, whatever becomes of the connection, and the prediction as the truth at the end."""

import asyncio
import json
from collections.abc import Sequence

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.replicate.sdk import errors
from shared.adapters.replicate.sdk.api import NewPrediction
from shared.adapters.replicate.sdk.sse import MOST_BYTES, SseDecoder, SseEvent, TooLargeError
from shared.adapters.replicate.sdk.streaming import StreamedError, StreamedLog, StreamedText, StreamEnd, StreamEvent
from shared.adapters.replicate.sdk.types import FullPrediction
from shared.core.provider.prediction import Status
from tests.adapters.replicate_api.world import LLAMA, SCHNELL, World, api_at
from tests.adapters.simulators import scripted

PROMPT = "the fox jumps over the lazy dog"
WHOLE = f"Here is what I know of it:\n{PROMPT}"


async def streamed(world: World, prediction: FullPrediction) -> list[StreamEvent]:
    """All events of a prediction."""
    return [event async for event in world.api.predictions.stream(prediction)]


async def asked(world: World, model: str = LLAMA) -> FullPrediction:
    """A prediction that has just begun."""
    return await world.api.predictions.create_by_model(model, NewPrediction(inputs={"prompt": PROMPT}))


def text_of(events: Sequence[StreamEvent]) -> str:
    """The streamed text."""
    return "".join(event.text for event in events if isinstance(event, StreamedText))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reads of a prediction, and repeats of a read, follow each other without a pause."""
    monkeypatch.setattr("shared.adapters.replicate.sdk.retrying.PAUSES_S", (0.01, 0.02))
    monkeypatch.setattr("shared.adapters.replicate.sdk.streaming._PAUSES_S", (0.01, 0.02))


async def test_a_text_comes_in_parts_and_ends_with_the_prediction(world: World) -> None:
    """Every word as a part, line ends and blanks as they are; the end is the prediction, succeeded."""
    world.takes(0.05, 0.3)
    *parts, end = await streamed(world, await asked(world))
    assert len(parts) == len(WHOLE.split())
    assert text_of(parts) == WHOLE
    assert isinstance(end, StreamEnd)
    assert (end.prediction.status, end.prediction.text) == (Status.SUCCEEDED, WHOLE)


async def test_parts_come_while_the_model_writes(world: World) -> None:
    """The first is there long before the end."""
    world.takes(0.02, 30)
    prediction = await asked(world)
    events = world.api.predictions.stream(prediction)
    async with asyncio.timeout(5):
        world.later(8)
        assert isinstance(await anext(events), StreamedText)
    assert not (await world.api.predictions.get(prediction.id)).status.finished
    await events.aclose()


@pytest.mark.parametrize("kind", ["stream_dropped", "stream_idle"])
@pytest.mark.usefixtures("quick")
async def test_a_stream_that_breaks_is_taken_up_again(world: World, kind: str) -> None:
    """The new one begins at the beginning: nothing is yielded twice, nothing is missing."""
    world.takes(0.02, 0.2)
    world.fault(kind=kind, after=3)
    world.fault(kind=kind, after=5)
    events = await streamed(world, await asked(world))
    assert text_of(events) == WHOLE


@pytest.mark.usefixtures("quick")
async def test_what_a_stream_missed_comes_at_the_end(world: World) -> None:
    """A prediction that ended while the stream was down: the rest of the text is one part."""
    world.takes(0.02, 20)
    world.fault(kind="stream_dropped", after=3)
    events = world.api.predictions.stream(await asked(world))
    world.later(8)
    first = await anext(events)
    world.later(60)
    assert text_of([first, *[event async for event in events]]) == WHOLE


@pytest.mark.usefixtures("quick")
async def test_a_silent_stream_is_closed_and_taken_up_again(world: World) -> None:
    """After 30 s without an event the server hangs up with a comment; the prediction still runs."""
    world.takes(100, 1)
    events = world.api.predictions.stream(await asked(world))
    first = asyncio.ensure_future(anext(events))
    for taken_up in range(3):
        async with asyncio.timeout(30):
            while world.simulator.requests["GET /stream/{id}"] <= taken_up:  # noqa: ASYNC110  # a counter
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)  # it was asked for, and is now waited at
        world.later(33)
    world.later(2)
    async with asyncio.timeout(30):
        seen = [await first, *[event async for event in events]]
    assert text_of(seen) == WHOLE
    assert world.simulator.requests["GET /stream/{id}"] >= 3


@pytest.mark.usefixtures("quick")
async def test_failures_and_cancels_are_yielded(world: World) -> None:
    """An error comes as an event, a cancel as the end alone; both stand in the prediction."""
    world.fault(kind="failed", error="CUDA out of memory", before_start=False)
    *before, end = await streamed(world, await asked(world))
    assert before == [StreamedError("CUDA out of memory")]
    assert isinstance(end, StreamEnd)
    assert end.prediction.status is Status.FAILED
    world.takes(0.02, 60)
    running = await asked(world)
    waiting = asyncio.ensure_future(streamed(world, running))
    await asyncio.sleep(0.1)
    await world.api.predictions.cancel(running.id)
    (*_, end) = await waiting
    assert isinstance(end, StreamEnd)
    assert end.prediction.status is Status.CANCELED


@pytest.mark.usefixtures("quick")
async def test_trouble_with_the_last_question_is_waited_out(world: World) -> None:
    """The end is the prediction, however often it has to be asked for."""
    prediction = await asked(world)
    world.fault(kind="get_5xx", times=5)
    *_, end = await streamed(world, prediction)
    assert isinstance(end, StreamEnd)
    assert end.prediction.status is Status.SUCCEEDED


@pytest.mark.usefixtures("quick")
async def test_a_picture_comes_as_its_address(world: World) -> None:
    """As one part, when the prediction has ended."""
    first, end = await streamed(world, await asked(world, SCHNELL))
    assert isinstance(end, StreamEnd)
    assert first == StreamedText(end.prediction.outputs[0])


async def test_a_model_that_cannot_stream_comes_as_one_part() -> None:
    """It has no stream's address: its output comes when it has ended."""
    done = {"id": "p" * 26, "status": "succeeded", "output": ["a ", "text"]}
    running = FullPrediction.read(done | {"status": "processing", "output": None})
    assert running is not None
    assert running.stream_url == ""
    async with scripted(web.Response(body=json.dumps(done).encode())) as server:
        api = api_at(server.url)
        first, end = [event async for event in api.predictions.stream(running)]
        await api.close()
    assert first == StreamedText("a text")
    assert isinstance(end, StreamEnd)


@pytest.mark.usefixtures("quick")
async def test_what_takes_too_long_is_given_up(world: World) -> None:
    """After its time the stream ends with an error; the prediction runs on."""
    world.takes(60, 60)
    prediction = await asked(world)
    with pytest.raises(errors.TimedOutError, match="still runs after"):
        async for _ in world.api.predictions.stream(prediction, timeout_s=0.1):
            pass
    assert not (await world.api.predictions.get(prediction.id)).status.finished


def running(stream_url: str) -> FullPrediction:
    """A prediction with a stream's address."""
    raw = {"id": "p" * 26, "status": "processing", "urls": {"stream": stream_url}}
    prediction = FullPrediction.read(raw)
    assert prediction is not None
    return prediction


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/stream",
        "http://stream.replicate.com/x",
        "https://stream.replicate.com.evil.example/",
        "https://user@stream.replicate.com/",
        "http://[",
    ],
)
async def test_a_stream_elsewhere_is_not_asked(address: str) -> None:
    """The address comes from outside and is fetched from inside our network."""
    api = api_at("http://127.0.0.1:9")
    with pytest.raises(errors.ReplicateError, match="own hosts"):
        async for _ in api.predictions.stream(running(address)):
            pass


@pytest.mark.usefixtures("quick")
async def test_real_events_are_read() -> None:
    """As they are documented: an output of two lines, logs, an error that is no JSON, done with a reason."""
    stream = (
        b": hello\n\nevent: output\nid: 1690212292:0\ndata: Once upon\ndata: a time\n\n"
        b"event: output\r\nid: 1690212292:1\r\ndata:  there\r\n\r\n"
        b"event: output\nid: 1690212292:1\ndata:  there\n\n"
        b"event: logs\ndata: 50%\n\nevent: error\ndata: broken\n\nevent: news\ndata: x\n\n"
        b'event: done\ndata: {"reason": "error"}\n\nevent: output\ndata: too late\n\n'
    )
    done = {"id": "p" * 26, "status": "failed", "error": "broken", "output": ["Once upon\na time", " there", "!"]}
    async with scripted(
        web.Response(body=stream, headers={"Content-Type": "text/event-stream"}),
        web.Response(body=json.dumps({**done, "status": "processing"}).encode()),
        web.Response(body=json.dumps(done).encode()),
    ) as server:
        api = api_at(server.url)
        events = [event async for event in api.predictions.stream(running(f"{server.url}/stream/x"))]
        await api.close()
    *parts, end = events
    assert parts == [
        StreamedText("Once upon\na time"),
        StreamedText(" there"),
        StreamedLog("50%"),
        StreamedError("broken"),
        StreamedText("!"),
    ]
    assert isinstance(end, StreamEnd)
    headers = server.requests[0][2]
    assert (headers["accept"], headers["cache-control"]) == ("text/event-stream", "no-store")
    assert headers["authorization"].startswith("Bearer r8_")


# The decoder.


def decoded(*chunks: bytes) -> list[SseEvent]:
    """The events in these bytes."""
    decoder = SseDecoder()
    return [event for chunk in chunks for event in decoder.feed(chunk)]


@given(
    texts=st.lists(st.text(st.characters(exclude_characters="\r", exclude_categories=["Cs"])), max_size=5),
    ending=st.sampled_from(["\n", "\r", "\r\n"]),
    data=st.data(),
)
def test_events_survive_any_cutting(texts: list[str], ending: str, data: st.DataObject) -> None:
    """However the bytes are cut, and whichever line ends they have, every text arrives whole, with its id."""
    raw = ""
    for number, text in enumerate(texts):
        lines = [f"id: {number}", "event: output", *(f"data: {line}" for line in text.split("\n")), "", ""]
        raw += ending.join(lines)
    content = (raw + ":\n").encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(content)), max_size=8)))
    chunks = [content[start:end] for start, end in zip([0, *cuts], [*cuts, len(content)], strict=True)]
    assert decoded(*chunks) == [SseEvent("output", text, str(number)) for number, text in enumerate(texts)]


def test_an_endless_event_is_refused() -> None:
    """Memory has a bound, in one line or over many."""
    with pytest.raises(TooLargeError):
        decoded(*[b"x" * 1024 * 1024] * (MOST_BYTES // 1024**2 + 1))
    with pytest.raises(TooLargeError):
        decoded(*[b"data: " + b"x" * 1024 * 1024 + b"\n"] * (MOST_BYTES // 1024**2 + 1))
