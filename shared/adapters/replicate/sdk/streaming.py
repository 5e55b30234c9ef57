"""Streams a prediction's output while the model writes it.

Rules of this file:
1. The prediction decides, not the stream. The last event is the prediction as a GET returns it. If the stream missed a
   part of the output, that part is one more event before it.
2. A stream that ends without ``done`` says nothing about the prediction: Replicate hangs up after 30 s of silence, with
   the comment ``:408:``. Then the prediction is read, and if it still runs, the stream is opened again. A new stream
   starts at the beginning, so events that were seen before are dropped by their ids.
3. A stream's address is a secret. The token goes to Replicate's API hosts only.
"""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field

import httpx

from shared.adapters.replicate.reading import fields, text
from shared.adapters.replicate.sdk.calling import Caller, origin
from shared.adapters.replicate.sdk.errors import ReplicateError, TransientError
from shared.adapters.replicate.sdk.http import REQUEST_ERRORS
from shared.adapters.replicate.sdk.sse import SseDecoder, SseEvent, TooLargeError
from shared.adapters.replicate.sdk.types import FullPrediction
from shared.adapters.replicate.sdk.waiting import Wait, left_s, pauses_s

#: The most seconds of a run, by Replicate's default.
LONGEST_S = 1800.0
#: The read time-out: Replicate hangs up after 30 s without an event, so a longer silence is a lost connection.
_SILENCE_S = 35.0
#: The first and the longest pause between two reads of a prediction whose stream has ended, in seconds. Each is twice
#: the one before, and is multiplied by a random 0.5 to 1.
_PAUSES_S = (0.5, 5.0)


@dataclass(frozen=True, slots=True)
class StreamedText:
    """A part of the output: text, or the address of a file."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class StreamedLog:
    """A part of the logs."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class StreamedError:
    """The model failed. The StreamEnd says how the prediction ended."""

    detail: str


@dataclass(frozen=True, slots=True)
class StreamEnd:
    """The prediction as it ended; nothing comes after it."""

    prediction: FullPrediction


StreamEvent = StreamedText | StreamedLog | StreamedError | StreamEnd

Ask = Callable[[str], Awaitable[FullPrediction]]


async def stream(
    caller: Caller, ask: Ask, prediction: FullPrediction, timeout_s: float
) -> AsyncGenerator[StreamEvent, None]:
    """The parts of a prediction's output, then its end. Without a stream the output is one part, after its end.

    Raises:
        TimedOutError: it has not ended after ``timeout_s``. It still runs: cancel it if you no longer want it.
        ReplicateError: it cannot be read.
    """
    reader, deadline = _Reader(), time.monotonic() + timeout_s
    wait = Wait(
        "predictions.stream",
        ask,
        prediction.id,
        bound_s=timeout_s,
        deadline=deadline,
        pauses=pauses_s(*_PAUSES_S, 2),
        known=prediction,
    )
    async with aclosing(wait.turns()) as turns:
        async for known in turns:
            if known is None or not known.stream_url or reader.over():
                continue
            async with aclosing(_connect(caller, known.stream_url, deadline)) as events:
                async for event in events:
                    if (news := reader.take(event)) is not None:
                        yield news
                    if reader.over():
                        break
    prediction = wait.known or prediction
    if missed := reader.missed(prediction.text):
        yield StreamedText(missed)
    yield StreamEnd(prediction)


class _Reader:
    """Remembers what was read, over all connections."""

    def __init__(self) -> None:
        self._over = False
        self._seen: set[str] = set()
        self._text: list[str] = []

    def over(self) -> bool:
        """Whether the stream has said that it is complete."""
        return self._over

    def take(self, event: SseEvent) -> StreamEvent | None:
        """The event to yield. None if it was read before, or has nothing to yield."""
        if event.type == "done":
            self._over = True
            return None
        if event.id:
            if event.id in self._seen:
                return None
            self._seen.add(event.id)
        match event.type:
            case "output":
                self._text.append(event.data)
                return StreamedText(event.data)
            case "logs":
                return StreamedLog(event.data)
            case "error":
                return StreamedError(_detail(event.data))
            case _:
                return None

    def missed(self, whole: str) -> str:
        """The end of the whole output that was not in the stream."""
        read = "".join(self._text)
        return whole[len(read) :] if whole.startswith(read) else ""


async def _connect(caller: Caller, url: str, deadline: float) -> AsyncGenerator[SseEvent, None]:
    """The events of one connection. Its end, of any kind, raises nothing: the prediction says what it means."""
    headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
    if _may_get_token(caller, _checked(caller, url)):
        headers["Authorization"] = f"Bearer {await caller.bearer()}"
    timeout = httpx.Timeout(_SILENCE_S, connect=caller.timeouts.connect_s, pool=caller.timeouts.connect_s)
    # This client adds no token by itself.
    client = caller.connections.outputs()
    try:
        async with asyncio.timeout(left_s(deadline)):
            response = await client.send(
                client.build_request("GET", url, headers=headers, timeout=timeout), stream=True
            )
    except REQUEST_ERRORS:
        return
    try:
        if response.is_success:
            async for event in _decoded(response, deadline):
                yield event
    finally:
        await response.aclose()


async def _decoded(response: httpx.Response, deadline: float) -> AsyncGenerator[SseEvent, None]:
    """The events of an answer. The deadline bounds each read, and not the time that the caller takes between two."""
    decoder, chunks = SseDecoder(), response.aiter_bytes()
    while True:
        try:
            async with asyncio.timeout(left_s(deadline)):
                chunk = await anext(chunks, b"")
            events = decoder.feed(chunk)
        except TooLargeError:
            raise TransientError("predictions.stream", "an event of its stream is too large") from None
        except REQUEST_ERRORS:
            return
        if not chunk:
            return
        for event in events:
            yield event


def _checked(caller: Caller, address: str) -> httpx.URL:
    """The address, if it is one of Replicate's. It comes from outside and is fetched from inside our network (SSRF)."""
    try:
        url = httpx.URL(address)
    except httpx.InvalidURL:
        url = httpx.URL("")
    theirs = url.scheme == "https" and url.host.endswith((".replicate.com", ".replicate.net", ".replicate.delivery"))
    if url.userinfo or not (theirs or origin(url) == origin(caller.api_url)):
        raise ReplicateError("predictions.stream", "its stream is not at Replicate's own hosts")
    return url


def _may_get_token(caller: Caller, url: httpx.URL) -> bool:
    return origin(url) == origin(caller.api_url) or url.host.endswith(".replicate.com")


def _detail(data: str) -> str:
    try:
        detail = text(fields(json.loads(data)).get("detail"))
    except (ValueError, RecursionError):
        detail = ""
    return detail or data
