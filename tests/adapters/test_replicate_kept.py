"""A create on a connection that the server has just closed: over real sockets, and never a second prediction.

The server is in a thread of its own, so that it closes while the loop of the client is busy, as it is in a worker.
"""

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from hypothesis import settings

from shared.adapters.replicate import port as replicate_client
from shared.adapters.replicate.creating import CLOSED_S
from shared.adapters.replicate.port import Replicate
from shared.adapters.replicate.sdk import http as replicate_http
from shared.core.provider.prediction import Created, CreateOutcome, DeferReason, NotCreated, OutcomeUnknown
from tests.adapters.examples import attempt
from tests.adapters.replicate_clients import CREATED, KEY, replicate
from tests.adapters.simulators import read_request

#: Tries of what must hold each time: 30, and 6 in the quick run. ``MANY`` is for what need not happen each time.
TRIES, MANY = settings().max_examples * 3 // 10, 30

Hangup = Callable[[asyncio.StreamWriter], None]


@dataclass
class Creator:
    """Creates a prediction for each whole POST, and hangs up as ``hang_up`` does after the answer."""

    hang_up: Hangup
    answers: int = 1_000_000
    reads_bytes: int = 0
    predictions: int = 0
    connections: int = 0
    url: str = ""
    #: One more for each connection that was hung up and is really closed.
    closed: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    _ready: threading.Event = field(default_factory=threading.Event)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                if self.answers <= 0 and self.reads_bytes:
                    await reader.readexactly(self.reads_bytes)
                    writer.transport.abort()
                    return
                await read_request(reader)
                self.predictions += 1
                self.answers -= 1
                if self.answers < 0:
                    writer.close()
                    return
                body = json.dumps(CREATED).encode()
                writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
                self.hang_up(writer)
                if self.hang_up is not _never:
                    await writer.wait_closed()
                    asyncio.get_running_loop().call_later(0.002, self.closed.release)
                    return
        except (ConnectionError, asyncio.IncompleteReadError):
            return

    async def _run(self, over: threading.Event) -> None:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._ready.set()
        await asyncio.to_thread(over.wait)
        server.close()

    @contextmanager
    def running(self) -> Iterator["Creator"]:
        """In a thread, until the end."""
        over = threading.Event()
        thread = threading.Thread(target=lambda: asyncio.run(self._run(over)))
        thread.start()
        try:
            assert self._ready.wait(10)
            yield self
        finally:
            over.set()
            thread.join()


def _at_once(writer: asyncio.StreamWriter) -> None:
    writer.close()


def _by_reset(writer: asyncio.StreamWriter) -> None:
    asyncio.get_running_loop().call_later(0.005, writer.transport.abort)


def _soon(writer: asyncio.StreamWriter) -> None:
    asyncio.get_running_loop().call_later(0.02, writer.close)


def _never(writer: asyncio.StreamWriter) -> None:
    del writer


HANGUPS = [_at_once, _by_reset, _soon]


async def twice(server: Creator, adapter: Replicate) -> tuple[CreateOutcome, CreateOutcome]:
    """Two creates; between them the loop is busy until the server has closed, and sees nothing of that."""
    hangs_up = server.hang_up is not _never
    first = await adapter.create(KEY, attempt())
    assert not hangs_up or server.closed.acquire(timeout=10)  # it blocks the loop: that is the point
    second = await adapter.create(KEY, attempt())
    assert not hangs_up or not isinstance(second, Created) or server.closed.acquire(timeout=10)
    return first, second


@pytest.mark.parametrize("hang_up", HANGUPS)
async def test_what_the_server_has_closed_is_not_used(hang_up: Hangup) -> None:
    """Each create is made once, on a new connection: none is unknown, in any of the tries."""
    with Creator(hang_up).running() as server:
        for _ in range(TRIES):
            async with replicate(server.url) as adapter:
                outcomes = await twice(server, adapter)
                assert [type(outcome) for outcome in outcomes] == [Created, Created]
        assert server.predictions == server.connections == 2 * TRIES


@pytest.mark.parametrize("hang_up", HANGUPS)
async def test_what_was_not_written_was_surely_not_created(hang_up: Hangup, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without that look the first write may be refused: then nothing was sent, and the server confirms it."""

    async def no_look() -> None:
        """One turn, in which the loop reads the close and does not act on it yet."""

    monkeypatch.setattr(replicate_client, "closings_seen", no_look)
    seen: Counter[str] = Counter()
    with Creator(hang_up).running() as server:
        for number in range(MANY):
            async with replicate(server.url) as adapter:
                before = server.predictions
                _, outcome = await twice(server, adapter)
                match outcome:
                    case NotCreated(why, wait_s):
                        assert (why, wait_s) == (DeferReason.CONNECTION_CLOSED, CLOSED_S), number
                        assert server.predictions == before + 1
                    case Created():
                        assert server.predictions == before + 2
                    case _:
                        assert isinstance(outcome, OutcomeUnknown)
                        assert server.predictions <= before + 2
                seen[type(outcome).__name__] += 1
    assert seen.total() == MANY
    assert seen["NotCreated"] or hang_up is not _at_once, seen


async def test_a_create_that_was_read_is_unknown_and_made_once() -> None:
    """The server takes it on a kept connection, and hangs up without an answer: nobody POSTs it again."""
    for _ in range(TRIES):
        with Creator(_never, answers=1).running() as server:
            async with replicate(server.url) as adapter:
                first, second = await twice(server, adapter)
            assert isinstance(first, Created)
            assert isinstance(second, OutcomeUnknown)
            assert (server.predictions, server.connections) == (2, 1)


@pytest.mark.parametrize("reads_bytes", [1, 10, 150])
async def test_a_create_of_which_a_byte_was_read_is_unknown(reads_bytes: int) -> None:
    """The server resets in the middle: what it had read nobody knows, and nobody POSTs it again."""
    for _ in range(TRIES // 3):
        with Creator(_never, answers=1, reads_bytes=reads_bytes).running() as server:
            async with replicate(server.url) as adapter:
                _, second = await twice(server, adapter)
            assert isinstance(second, OutcomeUnknown)
            assert (server.predictions, server.connections) == (1, 1)


async def test_an_idle_connection_is_not_kept_for_the_next_create(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new one costs a handshake, one that is closed meanwhile the user's minutes."""
    monkeypatch.setattr(replicate_http, "_CREATE_IDLE_S", 0.2)
    with Creator(_never).running() as server:
        async with replicate(server.url) as adapter:
            for _ in range(3):
                await adapter.create(KEY, attempt())
            assert server.connections == 1
            await asyncio.sleep(0.5)
            await adapter.create(KEY, attempt())
        assert (server.predictions, server.connections) == (4, 2)
