"""A request that cannot be decided yet: it has a row and is in the open index, and nothing of it is lost."""

import json
import logging
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from dev.fakes.messenger import EVENTS, REQUESTS
from dev.fakes.world import KEY, START, World, facts, read
from shared import worker
from shared.core.dependency import Dependency
from shared.core.events.generation_event import GenerationEvent
from shared.core.keys import Key
from shared.core.lifecycle.generation import Received
from shared.core.lifecycle.state import State
from shared.core.provider.prediction import DeferReason, NotCreated, Prediction, Status
from shared.core.reasons import Reason
from shared.core.requests.messages import CancelRequest, PredictionEvent
from shared.ports import Deferrable, Envelope, Loaded, Unavailable

TWO = Key("ada", "two")


async def waiting(**fields: Any) -> World:
    """A request that came while content safety was down."""
    world = World()
    await world.open_account()
    world.screener.down = True
    await world.ask(**fields)
    return world


async def test_a_request_that_waits_has_a_row_and_is_in_the_open_index() -> None:
    """Nothing is held and there is no attempt; the row says what it waits for, and the timer has a date."""
    world = await waiting(widht=7)
    taken = world.saved()
    assert isinstance(taken, Received)
    assert not world.store.entries_of(KEY)
    assert (taken.request.prompt, taken.reason) == ("A lighthouse at night", Reason.SAFETY_UNAVAILABLE)
    (copy,) = world.messenger.scheduled
    assert copy.at is not None
    assert START < copy.at < world.index.rows[KEY].due_at
    assert world.balances() == (10, 0, 0)
    assert not world.events
    world.books_balance()


async def test_its_copy_opens_it() -> None:
    """As if it had come only now; the event still names its unknown fields."""
    world = await waiting(widht=7)
    world.screener.down = False
    world.pass_time(5)
    await world.pump()
    assert world.generation().state is State.RUNNING
    world.replicate.succeed(world.replicate.only_id)
    await world.webhook(world.replicate.only_id)
    (event,) = world.events
    assert (event.outcome, event.ignored_fields) == ("succeeded", ("widht",))
    assert world.balances() == (9, 0, 1)
    world.at_rest()


async def test_two_requests_with_one_message_id_both_wait() -> None:
    """The broker knows a duplicate by its id; the copies owe nothing to the sender's."""
    world = await waiting()
    await world.ask(TWO)
    assert len({sent.envelope.message_id for sent in world.messenger.scheduled}) == 2
    assert not world.messenger.dropped
    world.screener.down = False
    world.pass_time(5)
    await world.pump()
    assert {key: each.state for key, each in world.store.saved_generations.items()} == {
        KEY: State.RUNNING,
        TWO: State.RUNNING,
    }


async def test_a_cancel_and_a_request_and_two_events_never_share_a_copys_id() -> None:
    """All of one generation, deferred at the same moment with the same message id."""
    world = await waiting()
    trouble, envelope = Unavailable(Dependency.TABLES, "down"), Envelope("app", enqueued_at=START)
    prediction = replace(await _prediction(), webhook="")
    messages: list[Deferrable] = [
        CancelRequest(KEY),
        PredictionEvent(KEY, 1, prediction),
        PredictionEvent(KEY, 2, prediction),
        PredictionEvent(KEY, 1, replace(prediction, status=Status.SUCCEEDED)),
        PredictionEvent(KEY, 1, replace(prediction, prediction_id="q" * 26)),
    ]
    for message in messages:
        await worker.defer(world.messenger, message, envelope, trouble, now=START, chance=0.5)
    assert len({sent.envelope.message_id for sent in world.messenger.scheduled}) == len(messages) + 1
    assert not world.messenger.dropped
    await worker.defer(world.messenger, messages[1], envelope, trouble, now=START, chance=0.1)
    assert len(world.messenger.dropped) == 1  # the same delivery again, after a crash: one copy


async def _prediction() -> Prediction:
    other = World()
    await other.open_account()
    await other.ask()
    return other.prediction()


async def test_a_lost_copy_is_sent_again_by_the_timer() -> None:
    """The row is all there is; it is not sent twice for one look, and at the pace that it had."""
    world = await waiting()
    world.messenger.scheduled.clear()
    await world.tick(60)
    (copy,) = world.messenger.scheduled
    assert copy.at is not None
    assert (copy.at - world.time).total_seconds() >= 30
    world.messenger.scheduled.clear()
    world.screener.down = False
    await world.settle(hours=1)
    assert world.generation().state is State.RUNNING or world.events
    world.books_balance()


async def test_what_waits_for_too_long_ends_by_the_timer_alone() -> None:
    """Every copy is lost: after its patience it is rejected, with what it waited for."""
    world = await waiting()
    while not world.events:
        world.messenger.scheduled.clear()
        assert world.time < START + timedelta(hours=7)
        await world.tick(120)
    (event,) = world.events
    assert (event.outcome, event.reason) == ("rejected", Reason.SAFETY_UNAVAILABLE)
    assert world.time - START > timedelta(hours=6)
    assert world.balances() == (10, 0, 0)
    world.messenger.scheduled.clear()
    world.at_rest()


async def test_a_cancel_ends_it() -> None:
    """At once; the copy that is still delivered opens nothing and publishes nothing."""
    world = await waiting()
    await world.cancel()
    assert [event.outcome for event in world.events] == ["canceled"]
    world.screener.down = False
    await world.settle()
    assert (len(world.events), world.replicate.creates) == (1, [])
    assert world.balances() == (10, 0, 0)
    world.at_rest()


async def test_a_dead_letter_of_it_ends_it_with_reason_and_event() -> None:
    """FAILED, as any whose message died."""
    world = await waiting()
    raw = json.dumps(world.messenger.scheduled[0].message.to_json()).encode()
    world.messenger.scheduled.clear()
    await worker.dead_letter(world.deps, read(raw, REQUESTS), raw, REQUESTS)
    (event,) = world.events
    assert (event.outcome, event.reason) == ("failed", Reason.DEAD_LETTERED)
    assert world.saved().state is State.FAILED
    world.at_rest()


async def test_the_first_request_of_an_id_is_the_one() -> None:
    """Another prompt under the same id, while the first waits, changes nothing of it.

    With a digest it is refused (test_clashes.py). A row without one takes it as the same, and opens with its own.
    """
    world = await waiting()
    saved = world.saved()
    assert isinstance(saved, Received)
    world.store.put_generation(replace(saved, request=replace(saved.request, digest="")))
    world.pass_time(1)
    await world.ask(prompt="Another lighthouse")
    del world.messenger.scheduled[0]  # the second is there first
    world.screener.down = False
    world.pass_time(5)
    await world.pump()
    generation = world.generation()
    assert generation.request.prompt == "A lighthouse at night"
    assert len(world.replicate.creates) == 1


async def test_garbage_under_its_id_does_not_end_it() -> None:
    """It is no reason to lose what waits. With a digest it clashes (test_clashes.py); here the row has none."""
    world = await waiting()
    saved = world.saved()
    assert isinstance(saved, Received)
    world.store.put_generation(replace(saved, request=replace(saved.request, digest="")))
    await world.deliver(b'{"user_id": "ada", "generation_id": "one", "prompt": 7}', REQUESTS)
    assert world.saved().state is State.RECEIVED
    assert not world.events


async def test_while_the_tables_are_down_the_copy_alone_brings_it_on() -> None:
    """Nothing can be saved, and the request is not lost."""
    world = World()
    await world.open_account()
    load = world.store.load

    async def down(key: Key, version: str = "") -> Loaded:
        raise Unavailable(Dependency.TABLES, "down")

    world.store.load = down  # type: ignore[method-assign]
    await world.ask()
    assert not world.store.saved_generations
    assert len(world.messenger.scheduled) == 1
    world.store.load = load  # type: ignore[method-assign]
    world.pass_time(5)
    await world.pump()
    assert world.generation().state is State.RUNNING


async def test_a_request_of_an_ended_generation_publishes_its_end_again() -> None:
    """The same event, whatever the broker remembers; a late copy of our own asks nothing."""
    world = World()
    await world.open_account()
    await world.ask(prompt="a gory battle")
    first = facts(world.events[0])
    world.pass_time(60)
    before = (world.saved(), world.account())
    await world.ask(prompt="a gory battle")
    assert [event.event_id for event in world.events] == ["ada/ada/one/rejected"] * 2
    assert facts(world.events[1]) == first
    world.pass_time(60)
    copy = b'{"user_id": "ada", "generation_id": "one", "prompt": "a gory battle", "model": "flux-schnell"}'
    await world.deliver(copy, REQUESTS, Envelope("c", deferrals=1, since=START))
    assert (len(world.events), world.messenger.clashed) == (2, [])
    assert (world.saved(), world.account()) == before
    world.at_rest()


@pytest.mark.parametrize(("user", "generation"), [("ada", 17), (7, "one"), ("ada", "a/b"), ("ada", "x" * 129), (7, 8)])
async def test_invalid_ids_are_refused_to_their_sender_without_a_row(user: object, generation: object) -> None:
    """By an event with the ids as they were given, and with a sentence; the message is kept."""
    world = World()
    await world.open_account()
    body = {"user_id": user, "generation_id": generation, "prompt": "A lighthouse"}
    await world.deliver(json.dumps(body).encode(), REQUESTS)
    (event,) = world.messenger.refused
    sent = event.to_json()
    assert (sent["data"]["user_id"], sent["data"]["generation_id"]) == (user, generation)
    assert (sent["type"], sent["data"]["reason"]["code"]) == ("darkroom.generation.rejected", "INVALID_REQUEST")
    assert "_id must be a text" in sent["data"]["reason"]["text"]
    assert set(sent["data"]) == set(facts(_any_event()))
    assert sent["id"] == event.event_id
    assert (world.store.saved_generations, world.index.rows) == ({}, {})
    assert len(world.blobs.dead_letters) == 1


def _any_event() -> GenerationEvent:
    from tests.core.test_messages_modalities import EVENT  # noqa: PLC0415  # an event with all there is

    return EVENT


async def test_ids_that_cannot_even_be_repeated_are_archived_without_an_event() -> None:
    """And for the prediction queue no event is published: its messages are our own."""
    world = World()
    for ids in ({"user_id": None, "generation_id": 17}, {"user_id": {"a": 1}, "generation_id": "x"}):
        await world.deliver(json.dumps(ids).encode(), REQUESTS)
    await world.deliver(b'{"user_id": 7, "generation_id": "one"}', EVENTS)
    assert not world.messenger.refused
    assert len(world.blobs.dead_letters) == 3


async def test_what_is_no_message_leaves_a_line_with_the_name_of_its_archive(caplog: pytest.LogCaptureFixture) -> None:
    """At WARNING, without any of its content."""
    world = World()
    with caplog.at_level(logging.WARNING):
        await world.deliver(b'{"user_id": "ada", "prompt": "a secret"}', REQUESTS)
    (name,) = world.blobs.dead_letters
    (line,) = caplog.records
    assert line.levelname == "WARNING"
    assert f"archived as {name}" in line.getMessage()
    assert "generation_id is needed" in line.getMessage()
    assert "secret" not in caplog.text


async def test_the_copy_of_a_waiting_one_that_is_deferred_twice_is_never_dropped() -> None:
    """Two copies of one generation, deferred the same number of times, within the broker's detection window."""
    world = World()
    await world.open_account()
    world.replicate.answer_next_create_with(NotCreated(DeferReason.THROTTLED, 5))
    await world.ask()
    load = world.store.load

    async def down(key: Key, version: str = "") -> Loaded:
        raise Unavailable(Dependency.TABLES, "down")

    for _ in range(2):
        world.store.load = down  # type: ignore[method-assign]
        world.pass_time(30)
        await world.pump()
        world.store.load = load  # type: ignore[method-assign]
        world.replicate.answer_next_create_with(NotCreated(DeferReason.THROTTLED, 5))
        world.pass_time(30)
        await world.pump()
    assert not world.messenger.dropped
