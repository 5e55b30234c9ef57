"""Streaming a prediction: what the model writes, as it writes it.

Rules of this file:
1. The stream is for the eyes, the prediction is the truth: the last event is the prediction as a GET tells it, and what
   the stream missed of its output comes as one more piece before that.
2. A stream that ends without ``done`` (Replicate hangs up after 30 s of silence, with the comment ``:408:``) says
   nothing about the prediction: ask, and if it still runs, connect again. A new stream begins at the beginning, so
   pieces are told apart by their ids.
3. A stream's address is a secret of its own. The token is sent along to Replicate's API hosts only, never beyond.
"""

import asyncio
import json
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, field

import httpx

from shared.adapters.replicate.reading import fields, text
from shared.adapters.replicate.sdk.calling import Caller, origin
from shared.adapters.replicate.sdk.errors import ReplicateError, TimedOutError, TransientError
from shared.adapters.replicate.sdk.http import REQUEST_ERRORS
from shared.adapters.replicate.sdk.retrying import TRIED_AGAIN, Kind
from shared.adapters.replicate.sdk.sse import SseDecoder, SseEvent, TooLargeError
from shared.adapters.replicate.sdk.types import FullPrediction

#: How long Replicate lets a run last by default.
LONGEST_S = 1800.0
#: Replicate hangs up after 30 s without an event; whoever is silent for longer is not there any more.
_SILENCE_S = 35.0
#: Between two looks at a prediction whose stream has ended, in seconds; times 0.5 to 1, growing to the second.
_PAUSES_S = (0.5, 5.0)
#: One look at the prediction is made at the end, however little time is left.
_ONE_LOOK_S = 0.25


@dataclass(frozen=True, slots=True)
class StreamedText:
    """A piece of the output: text, or the address of a file."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class StreamedLog:
    """A piece of the logs."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class StreamedError:
    """The model failed. What became of the prediction stands at the end."""

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
    """The pieces of a prediction's output, then its end. One without a stream comes as one piece when it has ended.

    Raises:
        TimedOutError: it has not ended after ``timeout_s``. It still runs: cancel it if it is not wanted any more.
        ReplicateError: it cannot be asked for.
    """
    reader, pause_s, deadline = _Reader(), _PAUSES_S[0], time.monotonic() + timeout_s
    while True:
        if prediction.stream_url and not reader.over():
            async with aclosing(_connected(caller, prediction.stream_url, deadline)) as events:
                async for event in events:
                    if (told := reader.told(event)) is not None:
                        yield told
                    if reader.over():
                        break
        with suppress(TimeoutError, *TRIED_AGAIN[Kind.READ]):  # passing trouble is waited out
            async with asyncio.timeout(max(_left_s(deadline), _ONE_LOOK_S)):
                prediction = await ask(prediction.id)
        if prediction.status.finished:
            break
        if time.monotonic() >= deadline:
            raise TimedOutError("predictions.stream", f"prediction {prediction.id} still runs after {timeout_s:g} s")
        await asyncio.sleep(min(pause_s * random.uniform(0.5, 1), _left_s(deadline)))
        pause_s = min(pause_s * 2, _PAUSES_S[1])
    if missed := reader.missed(prediction.text):
        yield StreamedText(missed)
    yield StreamEnd(prediction)


class _Reader:
    """Knows what was read already, over all connections."""

    def __init__(self) -> None:
        self._over = False
        self._seen: set[str] = set()
        self._text: list[str] = []

    def over(self) -> bool:
        """Whether the stream said that nothing comes any more."""
        return self._over

    def told(self, event: SseEvent) -> StreamEvent | None:
        """What an event says that was not said before."""
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
        """What is at the end of the whole output and was not in the stream."""
        read = "".join(self._text)
        return whole[len(read) :] if whole.startswith(read) else ""


async def _connected(caller: Caller, url: str, deadline: float) -> AsyncGenerator[SseEvent, None]:
    """The events of one connection, until it ends, however it ends: what that means, the prediction says."""
    headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
    if _may_see_the_token(caller, _checked(caller, url)):
        headers["Authorization"] = f"Bearer {await caller.bearer()}"
    timeout = httpx.Timeout(_SILENCE_S, connect=caller.timeouts.connect_s, pool=caller.timeouts.connect_s)
    # No token there by default: this client never has one.
    client = caller.connections.outputs()
    try:
        async with asyncio.timeout(_left_s(deadline)):
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
    """The events of an answer; each read is bounded, so that whoever reads may take his time between them."""
    decoder, pieces = SseDecoder(), response.aiter_bytes()
    while True:
        try:
            async with asyncio.timeout(_left_s(deadline)):
                piece = await anext(pieces, b"")
            events = decoder.feed(piece)
        except TooLargeError:
            raise TransientError("predictions.stream", "an event of its stream is too large") from None
        except REQUEST_ERRORS:
            return
        if not piece:
            return
        for event in events:
            yield event


def _left_s(deadline: float) -> float:
    return max(0.0, deadline - time.monotonic())


def _checked(caller: Caller, address: str) -> httpx.URL:
    """The address, if it is one of Replicate's: it comes in an answer, but is asked from inside our network."""
    try:
        url = httpx.URL(address)
    except httpx.InvalidURL:
        url = httpx.URL("")
    theirs = url.scheme == "https" and url.host.endswith((".replicate.com", ".replicate.net", ".replicate.delivery"))
    if url.userinfo or not (theirs or origin(url) == origin(caller.api_url)):
        raise ReplicateError("predictions.stream", "its stream is not at Replicate's own hosts")
    return url


def _may_see_the_token(caller: Caller, url: httpx.URL) -> bool:
    return origin(url) == origin(caller.api_url) or url.host.endswith(".replicate.com")


def _detail(data: str) -> str:
    try:
        detail = text(fields(json.loads(data)).get("detail"))
    except (ValueError, RecursionError):
        detail = ""
    return detail or data
