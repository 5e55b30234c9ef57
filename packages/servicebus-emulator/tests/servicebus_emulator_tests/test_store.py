"""A fresh broker gets everything that the journal holds."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from servicebus_emulator import codec, entities
from servicebus_emulator.broker import Broker
from servicebus_emulator.errors import LOCK_LOST, ServiceError
from servicebus_emulator.memory import Message, State
from servicebus_emulator.message import Content, Pairs, parse
from servicebus_emulator.queues import Queue
from servicebus_emulator.store import Store

ENTITIES = entities.from_json(
    {"queues": [{"name": "q", "max_delivery_count": 2, "duplicate_detection_window_s": 60, "default_ttl_s": 600}]}
)

Work = Callable[[Queue], object]


def _content(name: str, scheduled_ms: int | None = None) -> Content:
    body = codec.described(0x75, codec.binary(name.encode()))
    annotations: Pairs = ()
    if scheduled_ms is not None:
        key = codec.symbol("x-opt-scheduled-enqueue-time")
        annotations = ((key, codec.timestamp(scheduled_ms)),)
    plain = Content(message_id=b"", properties=_properties(name), body=body, annotations=annotations)
    return parse(plain.encoded())


def _properties(name: str) -> bytes:
    return codec.described(0x73, codec.list_of([codec.string(name)]))


def _run(db: Path, now_ms: int, work: Work) -> Queue:
    """Open the store, load a broker, work on its queue, commit; the store is closed as by the end of a process."""
    store = Store(db)
    broker = Broker(ENTITIES, store)
    store.load(broker, now_ms)
    broker.advance(now_ms)
    queue = broker.entity("q")
    work(queue)
    store.close()
    return queue


def _token(message: Message | None) -> UUID:
    assert message is not None
    assert message.lock is not None
    return message.lock.token


def test_messages_are_read_as_they_were_written(tmp_path: Path) -> None:
    """Active, abandoned, deferred and dead messages are there, and completed ones are not."""

    def work(queue: Queue) -> None:
        for name in ("completed", "abandoned", "deferred", "dead", "untouched"):
            queue.submit(_content(name), 1000)
        tokens = [_token(queue.acquire(1000)) for _ in range(4)]
        queue.complete(tokens[0], 1000)
        queue.abandon(tokens[1], 1000)
        queue.defer(tokens[2], 1000)
        queue.dead_letter(tokens[3], "reason", None, 1000)

    before = _run(tmp_path / "bus.db", 1000, work)
    after = _run(tmp_path / "bus.db", 2000, lambda _queue: None)
    assert after.messages == before.messages
    assert after.dead_letter_queue is not None
    assert before.dead_letter_queue is not None
    assert after.dead_letter_queue.messages == before.dead_letter_queue.messages
    assert [message.delivery_count for message in after.messages.values()] == [1, 0, 0]
    assert after.messages[3].state is State.DEFERRED


def test_locks_do_not_survive_but_their_messages_do(tmp_path: Path) -> None:
    """After a restart a locked message is free, and the old token no good."""
    tokens: list[UUID] = []

    def lock(queue: Queue) -> None:
        queue.submit(_content("locked"), 1000)
        tokens.append(_token(queue.acquire(1000)))

    def settle(queue: Queue) -> None:
        with pytest.raises(ServiceError, match=LOCK_LOST):
            queue.complete(tokens[0], 2000)
        queue.complete(_token(queue.acquire(2000)), 2000)

    _run(tmp_path / "bus.db", 1000, lock)
    _run(tmp_path / "bus.db", 2000, settle)
    assert not _run(tmp_path / "bus.db", 3000, lambda _queue: None).messages


def test_sequence_numbers_keep_growing(tmp_path: Path) -> None:
    """This holds even if all messages were removed in between."""
    numbers: list[int] = []

    def pass_through(queue: Queue) -> None:
        numbers.append(queue.submit(_content(f"m{len(numbers)}"), 1000))
        queue.take(1000)

    for _ in range(3):
        _run(tmp_path / "bus.db", 1000, pass_through)
    assert numbers == sorted(set(numbers))


def test_duplicates_are_known_after_a_restart(tmp_path: Path) -> None:
    """They are known within the window; afterwards the id is free and its row is gone."""

    def pass_through(queue: Queue) -> None:
        queue.submit(_content("same"), 1000)
        queue.take(1000)

    _run(tmp_path / "bus.db", 1000, pass_through)
    assert not _run(tmp_path / "bus.db", 2000, lambda queue: queue.submit(_content("same"), 2000)).messages
    assert _run(tmp_path / "bus.db", 61_000, lambda queue: queue.submit(_content("same"), 61_000)).messages


def test_what_fell_due_while_nobody_ran_happens_at_the_start(tmp_path: Path) -> None:
    """A scheduled message becomes active, an expired one goes."""

    def send(queue: Queue) -> None:
        queue.submit(_content("scheduled", 400_000), 1000)
        queue.submit(_content("expires"), 1000)

    _run(tmp_path / "bus.db", 1000, send)
    queue = _run(tmp_path / "bus.db", 700_000, lambda _queue: None)
    [message] = queue.messages.values()
    assert (message.state, message.enqueued_ms) == (State.ACTIVE, 700_000)
    assert message.content.body == _content("scheduled").body


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    """Two writers would deliver the same messages twice."""
    first = Store(tmp_path / "bus.db")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        Store(tmp_path / "bus.db")
    first.close()
