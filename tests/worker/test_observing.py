"""What Replicate reports: outputs are delivered once, and late, duplicate or foreign news change nothing."""

import asyncio
from typing import Any

import pytest

from dev.fakes.images import BROKEN, NO_IMAGE
from dev.fakes.screener import UNSAFE_IMAGE
from dev.fakes.world import KEY, World, facts
from shared import worker
from shared.core.dependency import Dependency
from shared.core.keys import Key
from shared.core.lifecycle.generation import AnyGeneration, Closed, Received, Transition
from shared.core.lifecycle.state import State
from shared.core.provider.prediction import Prediction, Status
from shared.core.reasons import Reason
from shared.core.requests.messages import Check, PredictionEvent
from shared.ports import OUTPUTS_AT_ONCE, Conflict, Envelope, Loaded, Unavailable


async def test_two_outputs_are_captured_as_two(world: World) -> None:
    """Each stored picture costs one credit."""
    await world.ask(num_outputs=2)
    world.replicate.succeed(world.replicate.only_id, [b"a", b"b"])
    await world.webhook(world.replicate.only_id)
    assert world.balances() == (8, 0, 2)
    assert set(world.blobs.outputs) == {"ada/ada/one/1-0.png", "ada/ada/one/1-1.png"}
    world.at_rest()


async def test_fewer_outputs_than_asked_are_captured_for_what_came(world: World) -> None:
    """Replicate may drop unsafe pictures and still succeed."""
    await world.ask(num_outputs=3)
    world.replicate.succeed(world.replicate.only_id, [b"a"])
    await world.webhook(world.replicate.only_id)
    assert world.balances() == (9, 0, 1)
    assert facts(world.events[0])["credits"] == {"held": 3, "captured": 1, "released": 2}
    world.at_rest()


async def test_more_outputs_than_asked_are_not_taken(world: World) -> None:
    """Only as much is held as was asked for."""
    await world.ask()
    world.replicate.succeed(world.replicate.only_id, [b"a", b"b", b"c"])
    await world.webhook(world.replicate.only_id)
    assert world.balances() == (9, 0, 1)
    assert len(world.replicate.fetched) == 1
    world.at_rest()


async def test_an_unsafe_output_is_not_stored_and_not_charged(world: World) -> None:
    """Of two pictures the safe one is delivered and paid, the other never reaches the container."""
    await world.ask(num_outputs=2)
    world.replicate.succeed(world.replicate.only_id, [UNSAFE_IMAGE, b"fine"])
    await world.webhook(world.replicate.only_id)
    assert world.balances() == (9, 0, 1)
    assert set(world.blobs.outputs) == {"ada/ada/one/1-1.png"}
    assert world.events[0].refused_outputs == 1
    world.at_rest()


async def test_only_unsafe_outputs_fail_and_release_everything(world: World) -> None:
    """The event says OUTPUT_REFUSED."""
    await world.ask()
    world.replicate.succeed(world.replicate.only_id, [UNSAFE_IMAGE])
    await world.webhook(world.replicate.only_id)
    assert (world.events[0].outcome, world.events[0].reason) == ("failed", Reason.OUTPUT_REFUSED)
    assert world.balances() == (10, 0, 0)
    assert not world.blobs.outputs
    world.at_rest()


async def test_an_output_that_is_refused_on_the_second_look_leaves_nothing(world: World) -> None:
    """A first try stored it and died; the second refuses it, and the stored file goes."""
    await world.ask(num_outputs=2)
    world.replicate.succeed(world.replicate.only_id, [b"fine", b"late"])
    put = world.blobs.put_output

    async def failing(name: str, *rest: Any) -> str:
        if name.endswith("1-1.png"):
            raise OSError("the process died here")
        return await put(name, *rest)

    world.blobs.put_output = failing  # type: ignore[method-assign, assignment]
    with pytest.raises(OSError, match="died"):
        await world.webhook(world.replicate.only_id)
    assert set(world.blobs.outputs) == {"ada/ada/one/1-0.png"}
    world.blobs.put_output = put  # type: ignore[method-assign]
    world.screener.marks[b"fine"] = world.screener.marks[UNSAFE_IMAGE]
    await world.webhook(world.replicate.only_id)
    assert set(world.blobs.outputs) == {"ada/ada/one/1-1.png"}
    world.at_rest()


@pytest.mark.parametrize("content", [NO_IMAGE, BROKEN])
async def test_what_is_no_picture_is_not_delivered(world: World, content: bytes) -> None:
    """An output that cannot be screened cannot be shown: the generation fails, the hold is released."""
    await world.ask()
    world.replicate.succeed(world.replicate.only_id, [content])
    await world.webhook(world.replicate.only_id)
    assert world.events[0].reason is Reason.OUTPUT_INVALID
    assert world.balances() == (10, 0, 0)
    world.at_rest()


async def test_success_without_outputs_is_a_failure(world: World) -> None:
    """Nothing was delivered, so nothing is paid."""
    await world.ask()
    world.replicate.succeed(world.replicate.only_id, [])
    await world.webhook(world.replicate.only_id)
    assert world.events[0].reason is Reason.OUTPUT_INVALID
    assert world.balances() == (10, 0, 0)
    world.at_rest()


async def test_outputs_that_were_deleted_release_everything(world: World) -> None:
    """The URL answers 404 when its hour is over: OUTPUT_EXPIRED."""
    await world.ask()
    world.replicate.succeed(world.replicate.only_id)
    event = world.replicate.event(world.replicate.only_id)
    world.pass_time(3600)
    world.replicate.delete_outputs(world.replicate.only_id)
    world.messenger.sent.clear()
    await world.messenger.send(event, Envelope("late"))
    await world.pump()
    assert world.events[0].reason is Reason.OUTPUT_EXPIRED
    assert world.balances() == (10, 0, 0)
    world.at_rest()


async def test_data_that_was_removed_is_known_to_be_expired(world: World) -> None:
    """The prediction itself says that its outputs are gone."""
    await world.ask()
    world.replicate.succeed(world.replicate.only_id)
    world.replicate.delete_outputs(world.replicate.only_id)
    await world.webhook(world.replicate.only_id)
    assert world.events[0].reason is Reason.OUTPUT_EXPIRED
    world.at_rest()


async def test_outputs_left_out_of_a_message_are_asked_for(world: World) -> None:
    """A webhook too large for the queue comes without its outputs: Replicate is asked."""
    await world.ask()
    full = world.replicate.succeed(world.replicate.only_id)
    short = Prediction(prediction_id=full.prediction_id, status=Status.SUCCEEDED, complete=False)
    await world.messenger.send(PredictionEvent(KEY, 1, short), Envelope("short"))
    await world.pump()
    assert world.generation().state is State.SUCCEEDED
    world.at_rest()


@pytest.mark.parametrize("status", [Status.STARTING, Status.PROCESSING, Status.UNKNOWN])
async def test_an_unfinished_status_ends_nothing(world: World, status: Status) -> None:
    """Outputs that are there before the end mean nothing."""
    await world.ask()
    before = world.generation()
    news = Prediction(prediction_id=world.replicate.only_id, status=status, outputs=("https://replicate.delivery/x",))
    await world.messenger.send(PredictionEvent(KEY, 1, news), Envelope("news"))
    await world.pump()
    assert world.generation() == before
    assert not world.replicate.fetched


async def test_the_same_webhook_twice_is_one_charge(world: World) -> None:
    """After the end nothing is fetched, stored, moved or published again."""
    await world.ask()
    world.replicate.succeed(world.replicate.only_id)
    await world.webhook(world.replicate.only_id)
    before = (world.generation(), world.account(), dict(world.blobs.outputs), list(world.store.entries))
    world.messenger.forget_ids()
    await world.webhook(world.replicate.only_id)
    assert (world.generation(), world.account(), dict(world.blobs.outputs), list(world.store.entries)) == before
    assert len(world.replicate.fetched) == 1
    assert len(world.events) == 1
    world.at_rest()


async def test_start_after_completed_changes_nothing(world: World) -> None:
    """Webhooks come out of order."""
    await world.ask()
    world.replicate.start(world.replicate.only_id)
    late = world.replicate.event(world.replicate.only_id)
    world.replicate.succeed(world.replicate.only_id)
    await world.webhook(world.replicate.only_id)
    before = world.generation()
    await world.messenger.send(late, Envelope("late"))
    await world.pump()
    assert world.generation() == before
    assert world.balances() == (9, 0, 1)


async def test_news_of_a_foreign_prediction_change_nothing(world: World) -> None:
    """Another prediction's id under this attempt is not this attempt's: it is canceled, not delivered."""
    await world.ask()
    await world.ask(Key("ada", "two"))
    ours, other = world.replicate.ids()
    before = world.generation()
    news = Prediction(prediction_id=other, status=Status.PROCESSING)
    await world.messenger.send(PredictionEvent(KEY, 1, news), Envelope("foreign"))
    await world.pump()
    assert world.generation() == before
    assert world.replicate.canceled == [other]
    finished = Prediction(prediction_id=other, status=Status.SUCCEEDED, outputs=("https://replicate.delivery/y",))
    await world.messenger.send(PredictionEvent(KEY, 1, finished), Envelope("foreign 2"))
    await world.pump()
    assert world.generation() == before
    assert not world.replicate.fetched
    assert world.replicate.predictions[ours].status is Status.STARTING


async def test_news_of_an_earlier_attempt_change_nothing(world: World) -> None:
    """The first attempt has failed; its webhook comes again while the second runs."""
    await world.ask(model="flux-dev")
    first = world.replicate.only_id
    world.replicate.fail(first, "(code: PA)")
    await world.webhook(first)
    await world.pump()
    before = world.generation()
    world.messenger.forget_ids()
    await world.webhook(first)
    await world.pump()
    assert world.generation() == before
    assert len(world.replicate.ids()) == 2


async def test_news_of_nobodys_generation_are_counted(world: World) -> None:
    """A genuine webhook for a generation that is not there."""
    news = Prediction(prediction_id="p" * 26, status=Status.SUCCEEDED)
    await world.messenger.send(PredictionEvent(Key("eve", "x"), 1, news), Envelope("x"))
    await world.pump()
    assert world.telemetry.total("darkroom.foreign_predictions") == 1
    assert not world.store.saved_generations


@pytest.mark.parametrize("status", [Status.PROCESSING, Status.SUCCEEDED])
@pytest.mark.parametrize("opens", ["waits", "refused"])
async def test_news_of_what_has_not_opened_is_nobodys_too(world: World, opens: str, status: Status) -> None:
    """Nothing of ours is created before its generation opens: it is counted, and nobody's prediction is canceled."""
    world.screener.down = opens == "waits"
    await world.ask(prompt="a gory battle")
    before, events, rows = world.saved(), list(world.events), dict(world.index.rows)
    assert isinstance(before, Received if opens == "waits" else Closed)
    news = Prediction(prediction_id="p" * 26, status=status, outputs=("https://replicate.delivery/a.png",))
    await world.messenger.send(PredictionEvent(KEY, 1, news), Envelope("x"))
    await world.pump()
    assert world.telemetry.total("darkroom.foreign_predictions") == 1
    assert world.replicate.canceled == []
    assert (world.saved(), world.events, world.index.rows) == (before, events, rows)
    assert world.balances() == (10, 0, 0)


async def test_while_screening_is_down_the_output_waits(world: World) -> None:
    """Nothing unscreened is stored: a deferred copy delivers the picture later."""
    await world.ask()
    world.screener.down = True
    world.replicate.succeed(world.replicate.only_id)
    await world.webhook(world.replicate.only_id)
    assert not world.blobs.outputs
    assert world.generation().state is State.RUNNING
    world.screener.down = False
    world.pass_time(10)
    await world.pump()
    assert world.generation().state is State.SUCCEEDED
    world.at_rest()


async def test_news_that_cannot_be_dealt_with_are_left_to_the_timer(world: World) -> None:
    """After a few tries no more copies are made; the open index still knows of it."""
    await world.ask()
    world.screener.down = True
    world.replicate.succeed(world.replicate.only_id)
    await world.webhook(world.replicate.only_id)
    for _ in range(10):
        world.pass_time(400)
        await world.pump()
    assert not world.messenger.scheduled
    assert KEY in world.index.rows
    world.screener.down = False
    await world.settle()
    assert world.generation().state is State.SUCCEEDED
    world.at_rest()


async def test_a_success_after_the_refund_is_never_shown(world: World) -> None:
    """Another handler ended the generation while this one stored its output: the output goes away again."""
    await world.ask()
    world.replicate.succeed(world.replicate.only_id)
    put = world.blobs.put_output

    async def put_while_it_is_dead_lettered(*args: Any) -> str:
        container = await put(*args)
        await worker.dead_letter(world.deps, Check(KEY), b"{}", "prediction-events")
        return container

    world.blobs.put_output = put_while_it_is_dead_lettered  # type: ignore[method-assign, assignment]
    await world.webhook(world.replicate.only_id)
    assert world.generation().state is State.FAILED
    assert not world.blobs.outputs
    assert world.balances() == (10, 0, 0)
    world.at_rest()


async def test_few_outputs_are_held_at_a_time() -> None:
    """However many news come at once: each is processed, and one that fails frees its place for another."""
    crowd = OUTPUTS_AT_ONCE + 5
    world = World(credits=crowd)
    await world.open_account()
    for number in range(crowd):
        await world.ask(Key("ada", f"g{number}"))
    for prediction_id in world.replicate.made_for:
        world.replicate.succeed(prediction_id)
    put_output, held, most, failed = world.blobs.put_output, 0, 0, 0

    async def slow(*output: Any) -> str:
        nonlocal held, most, failed
        held += 1
        most = max(most, held)
        try:
            for _ in range(50):
                await asyncio.sleep(0)
            if failed < OUTPUTS_AT_ONCE:
                failed += 1
                raise Unavailable(Dependency.BLOBS, "busy")
            return await put_output(*output)
        finally:
            held -= 1

    world.blobs.put_output = slow  # type: ignore[method-assign, assignment]
    await asyncio.gather(*(world.webhook(prediction_id) for prediction_id in world.replicate.made_for))
    assert most == OUTPUTS_AT_ONCE
    await world.settle()
    assert world.balances() == (0, 0, crowd)
    assert len(world.blobs.outputs) == crowd
    world.at_rest()


async def test_a_conflict_is_decided_anew(world: World) -> None:
    """Somebody saved between load and commit: the decision is made again on what is there now."""
    await world.ask()
    world.replicate.succeed(world.replicate.only_id)
    commit = world.store.commit
    refused: list[bool] = []

    async def once_in_conflict(loaded: Loaded, transition: Transition[AnyGeneration]) -> Loaded:
        if not refused:
            refused.append(True)
            world.store.put_account(world.account())  # a rival's save: a new ETag
            raise Conflict
        return await commit(loaded, transition)

    world.store.commit = once_in_conflict  # type: ignore[method-assign]
    await world.webhook(world.replicate.only_id)
    assert world.balances() == (9, 0, 1)
    assert world.telemetry.total("darkroom.conflicts") == 1
    world.at_rest()
