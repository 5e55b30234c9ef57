"""Cancels and dead letters: they end what is open, release what is held, and change nothing that has ended."""

from datetime import timedelta
from typing import Any

import pytest

from dev.fakes.blobs import Blob
from dev.fakes.messenger import EVENTS, REQUESTS
from dev.fakes.world import World, read
from shared import worker
from shared.core.dependency import Dependency
from shared.core.lifecycle.state import State
from shared.core.provider.prediction import DeferReason, NotCreated, OutcomeUnknown
from shared.core.reasons import Reason
from shared.core.requests.messages import Malformed
from shared.ports import Envelope, Picture, Unavailable
from shared.worker.finishing import TIDY_AGAIN_S

REQUEST = b'{"user_id": "ada", "generation_id": "one", "prompt": "A lighthouse at night", "model": "flux-schnell"}'


async def test_a_running_generation_is_canceled_at_replicate(world: World) -> None:
    """The prediction is canceled, the hold is released, and the event is published."""
    await world.ask()
    await world.cancel()
    assert world.replicate.canceled == [world.replicate.only_id]
    assert (world.events[0].outcome, world.events[0].reason) == ("canceled", Reason.CANCELED_BY_USER)
    assert world.balances() == (10, 0, 0)
    world.at_rest()


async def test_a_waiting_generation_is_canceled_at_once(world: World) -> None:
    """Nothing runs, so nothing is asked of Replicate, and the copy that still comes creates nothing."""
    world.replicate.answer_next_create_with(NotCreated(DeferReason.THROTTLED, 30))
    await world.ask()
    await world.cancel()
    assert world.events[0].outcome == "canceled"
    world.pass_time(60)
    await world.pump()
    assert not world.replicate.ids()
    assert world.balances() == (10, 0, 0)
    world.at_rest()


async def test_a_cancel_that_loses_the_race_changes_nothing(world: World) -> None:
    """Replicate had finished: the picture is delivered and paid."""
    await world.ask()
    world.replicate.succeed(world.replicate.only_id)
    await world.cancel()
    assert world.events[0].outcome == "succeeded"
    assert world.balances() == (9, 0, 1)
    world.at_rest()


async def test_a_cancel_after_the_end_changes_nothing(world: World) -> None:
    """An ended generation keeps its end, its outputs and its charge."""
    await world.ask()
    world.replicate.succeed(world.replicate.only_id)
    await world.webhook(world.replicate.only_id)
    before = (world.generation(), world.account(), list(world.events))
    await world.cancel()
    assert (world.generation(), world.account(), list(world.events)) == before


async def test_a_cancel_before_its_request_closes_it_unopened(world: World) -> None:
    """The queue keeps no order: the later request publishes the same end once more, and costs nothing."""
    await world.cancel()
    await world.ask()
    assert [event.outcome for event in world.events] == ["canceled"] * 2
    assert len({event.event_id for event in world.events}) == 1
    assert not world.replicate.creates
    assert world.balances() == (10, 0, 0)
    world.at_rest()


@pytest.mark.parametrize("created", [True, False])
async def test_a_cancel_while_the_outcome_is_unknown_ends_when_it_is_known(world: World, created: bool) -> None:
    """The requested end is saved: a prediction is canceled once found; without one the hold is released."""
    world.replicate.answer_next_create_with(OutcomeUnknown("timed out"), really_created=created)
    await world.ask()
    await world.cancel()
    assert world.generation().requested_end is Reason.CANCELED_BY_USER
    await world.settle()
    assert world.events[0].outcome == "canceled"
    assert len(world.replicate.creates) == 1
    assert world.balances() == (10, 0, 0)
    world.at_rest()


async def test_cancel_twice_is_cancel_once(world: World) -> None:
    """The second one finds the end."""
    await world.ask()
    await world.cancel()
    await world.cancel()
    assert len(world.events) == 1
    assert world.balances() == (10, 0, 0)
    world.at_rest()


async def test_a_cancel_while_replicate_is_down_is_carried_out_later(world: World) -> None:
    """The requested end is saved before the cancel is sent."""
    await world.ask()
    world.replicate.down = True
    await world.cancel()
    assert world.generation().requested_end is Reason.CANCELED_BY_USER
    world.replicate.down = False
    await world.settle()
    assert world.events[0].outcome == "canceled"
    world.at_rest()


async def dead_letter(world: World, raw: bytes = REQUEST, queue: str = REQUESTS) -> None:
    """One delivery from the dead-letter queue."""
    await worker.dead_letter(world.deps, read(raw, queue), raw, queue)


async def test_a_dead_request_that_never_opened_ends_as_failed(world: World) -> None:
    """It is archived whole with its reason, the event is published, and nothing is charged."""
    await dead_letter(world)
    (blob,) = world.blobs.dead_letters.values()
    assert blob.content == REQUEST
    assert blob.metadata["reason"] == "dead-lettered"
    assert (world.events[0].outcome, world.events[0].reason) == ("failed", Reason.DEAD_LETTERED)
    assert world.balances() == (10, 0, 0)
    world.at_rest()


@pytest.mark.parametrize("queue", [REQUESTS, EVENTS])
async def test_a_dead_letter_of_a_running_generation_releases_its_hold(world: World, queue: str) -> None:
    """The prediction is canceled, the hold is released, the event is published."""
    await world.ask()
    raw = REQUEST if queue == REQUESTS else b'{"type": "check", "user_id": "ada", "generation_id": "one"}'
    await dead_letter(world, raw, queue)
    assert world.replicate.canceled == [world.replicate.only_id]
    assert world.events[0].reason is Reason.DEAD_LETTERED
    assert world.balances() == (10, 0, 0)
    world.at_rest()


async def test_a_dead_letter_of_a_waiting_generation_releases_its_hold(world: World) -> None:
    """Nothing was created; what was held is given back."""
    world.replicate.answer_next_create_with(NotCreated(DeferReason.THROTTLED, 30))
    await world.ask()
    await dead_letter(world)
    world.messenger.scheduled.clear()
    assert world.balances() == (10, 0, 0)
    world.at_rest()


async def test_a_dead_copy_of_a_request_does_not_lose_a_paid_picture(world: World) -> None:
    """Replicate has finished meanwhile: the picture is delivered, not thrown away."""
    await world.ask()
    world.replicate.succeed(world.replicate.only_id)
    await dead_letter(world)
    assert world.generation().state is State.RUNNING
    await world.settle()
    assert world.events[0].outcome == "succeeded"
    assert world.balances() == (9, 0, 1)
    world.at_rest()


async def test_a_dead_letter_of_what_has_ended_changes_nothing(world: World) -> None:
    """The message is archived, and nothing else changes."""
    await world.ask()
    world.replicate.succeed(world.replicate.only_id)
    await world.webhook(world.replicate.only_id)
    before = (world.generation(), world.account(), list(world.events))
    await dead_letter(world)
    assert (world.generation(), world.account(), list(world.events)) == before
    assert len(world.blobs.dead_letters) == 1


async def test_dead_garbage_is_kept(world: World) -> None:
    """It names no generation, so nothing else happens."""
    await dead_letter(world, b"garbage")
    assert [blob.content for blob in world.blobs.dead_letters.values()] == [b"garbage"]
    assert not world.events


async def test_a_malformed_dead_letter_does_not_end_what_runs(world: World) -> None:
    """Garbage under a known id is no reason to throw a picture away."""
    await world.ask()
    raw = b'{"user_id": "ada", "generation_id": "one", "prompt": 7}'
    assert isinstance(read(raw, REQUESTS), Malformed)
    await dead_letter(world, raw)
    assert world.generation().state is State.RUNNING


async def test_dead_lettering_that_fails_is_tried_again(world: World) -> None:
    """The dead letter stays in its queue until all of it is done."""
    await world.ask()
    world.messenger.down = True
    with pytest.raises(Unavailable):
        await dead_letter(world)
    world.messenger.down = False
    await dead_letter(world)
    assert world.balances() == (10, 0, 0)
    assert len(world.events) == 1
    world.at_rest()


@pytest.mark.parametrize("dead", [False, True])
async def test_an_outage_of_the_blobs_holds_back_no_event(world: World, dead: bool) -> None:
    """The end is published and settled at once, by a message or a dead letter; the timer deletes the blobs later."""
    await world.ask()
    discard = world.blobs.discard_outputs

    async def down(*args: Any) -> int:
        raise Unavailable(Dependency.BLOBS, "the answer was lost")

    world.blobs.discard_outputs = down  # type: ignore[method-assign, assignment]
    world.blobs.outputs["ada/ada/one/1-0.png"] = Blob(b"left by a try that died", "image/png", {})
    before = world.time
    await (dead_letter(world) if dead else world.cancel())
    assert [event.outcome for event in world.events] == ["failed" if dead else "canceled"]
    assert world.balances() == (10, 0, 0)
    assert (world.dead, world.messenger.scheduled) == ([], [])
    await world.tick(60)
    assert len(world.events) == 1
    assert world.time - before < timedelta(seconds=TIDY_AGAIN_S)
    world.blobs.discard_outputs = discard  # type: ignore[method-assign]
    await world.tick(TIDY_AGAIN_S)
    assert not world.blobs.outputs
    world.at_rest()


async def test_a_blob_that_may_not_be_deleted_stays_and_is_counted(world: World) -> None:
    """A lease or a policy: the event is published, the index row is removed, the deletion is not repeated."""
    await world.ask()
    world.blobs.outputs["ada/ada/one/1-0.png"] = Blob(b"left by a try that died", "image/png", {})
    world.blobs.kept.add("ada/ada/one/1-0.png")
    await world.cancel()
    assert [event.outcome for event in world.events] == ["canceled"]
    assert world.telemetry.total("darkroom.blobs_kept") == 1
    assert not world.index.rows
    assert list(world.blobs.outputs) == ["ada/ada/one/1-0.png"]
    del world.blobs.outputs["ada/ada/one/1-0.png"]
    world.at_rest()


async def test_dead_lettering_does_not_wait_for_replicate(world: World) -> None:
    """The user's credits are released although the prediction cannot be canceled now; Cancel-After bounds it."""
    await world.ask()
    world.replicate.down = True
    await dead_letter(world)
    assert world.balances() == (10, 0, 0)
    world.replicate.down = False
    # When it is heard of again it is canceled: nobody waits for it.
    world.replicate.start(world.replicate.only_id)
    await world.webhook(world.replicate.only_id)
    world.at_rest()


async def test_an_unexpected_error_is_delivered_again_and_then_dead_lettered(world: World) -> None:
    """A bug in handling an event: after all deliveries the generation ends, released and published."""
    await world.ask()

    async def broken(*args: Any) -> Picture | None:
        raise RuntimeError("a bug")

    world.images.inspect = broken  # type: ignore[method-assign, assignment]
    world.replicate.succeed(world.replicate.only_id)
    await world.messenger.send(world.replicate.event(world.replicate.only_id), Envelope("event"))
    await world.pump()
    assert [str(error) for _, error in world.dead] == ["a bug"]
    assert world.events[0].reason is Reason.DEAD_LETTERED
    assert world.balances() == (10, 0, 0)
    world.at_rest()
