"""Replicate contradicts itself: one answer proves little, and a lasting one ends everything with its books in order."""

from dataclasses import replace

import pytest

from dev.fakes.world import KEY, World
from shared.core.lifecycle.state import State
from shared.core.provider.guarantees import PredictionRef
from shared.core.provider.prediction import Prediction, Status
from shared.core.reasons import Reason
from shared.core.requests.messages import PredictionEvent
from shared.ports import Envelope
from tests.worker.modalities import TAR, opened, train

# A 404 for a prediction.


async def test_one_404_ends_nothing_and_cancels_nothing(world: World) -> None:
    """It runs all the same: noted, forgotten with the next answer, and the picture is delivered."""
    await world.ask()
    world.replicate.start(world.replicate.only_id)
    world.replicate.unknown.add(world.replicate.only_id)
    before = world.generation()
    await world.tick(60)
    after = world.generation()
    assert after.attempt.missing_since == world.time
    assert replace(after, attempt=before.attempt, history=before.history) == before
    assert (world.balances(), world.replicate.canceled, world.events) == ((9, 1, 0), [], [])
    world.replicate.unknown.clear()
    await world.tick(60)
    known = world.generation()
    assert replace(known, history=before.history) == before
    assert [each.step for each in known.history[-2:]] == ["prediction_missing", "prediction_known_again"]
    world.replicate.succeed(world.replicate.only_id)
    await world.webhook(world.replicate.only_id)
    assert world.balances() == (9, 0, 1)
    world.at_rest()


async def test_404s_until_the_picture_is_there_lose_nothing(world: World) -> None:
    """Every question is answered 404, beyond Cancel-After; the webhook comes before they have lasted."""
    await world.ask()
    world.replicate.unknown.add(world.replicate.only_id)
    for _ in range(4):
        await world.tick(80)
    assert world.generation().state is State.RUNNING
    world.replicate.succeed(world.replicate.only_id)
    await world.webhook(world.replicate.only_id)
    assert world.balances() == (9, 0, 1)
    assert world.replicate.canceled == []
    world.at_rest()


async def test_a_404_that_lasts_beyond_cancel_after_releases(world: World) -> None:
    """Nothing can run any more: LOST, and no second prediction."""
    await world.ask()
    attempt = world.generation().attempt
    over = attempt.canceled_at(world.deps.timing)
    world.replicate.forget(world.replicate.only_id)
    while not world.events:
        assert world.generation().state is State.RUNNING
        await world.tick(30)
    noted = world.generation().attempt
    assert noted is not None
    assert noted.missing_since is not None
    lasted_s = (world.time - noted.missing_since).total_seconds()
    assert world.time >= over
    assert 300 <= lasted_s < 300 + 90
    assert (world.events[0].outcome, world.events[0].reason) == ("failed", Reason.LOST)
    assert world.balances() == (10, 0, 0)
    assert len(world.replicate.creates) == 1
    assert world.telemetry.total("darkroom.predictions_vanished") == 1
    # Its create was confirmed, so the sentence may not say that it never was.
    assert world.generation().text == "The model lost this, or never confirmed it. Nothing was charged; try again."
    world.at_rest()


async def test_a_first_404_after_cancel_after_does_not_last_yet(world: World) -> None:
    """It finished, its webhook was lost, the timer was late, and the first look is answered 404."""
    await world.ask()
    world.replicate.succeed(world.replicate.only_id)
    world.pass_time(1000)
    world.replicate.unknown.add(world.replicate.only_id)
    await world.tick()
    assert world.generation().state is State.RUNNING
    world.replicate.unknown.clear()
    await world.tick(60)
    assert world.balances() == (9, 0, 1)
    world.at_rest()


async def test_a_404_to_a_users_cancel_keeps_the_hold(world: World) -> None:
    """The requested end is saved; the running prediction is canceled by the timer's next check."""
    await world.ask()
    world.replicate.start(world.replicate.only_id)
    world.replicate.unknown.add(world.replicate.only_id)
    await world.cancel()
    assert (world.generation().state, world.generation().requested_end) == (State.RUNNING, Reason.CANCELED_BY_USER)
    assert world.balances() == (9, 1, 0)
    world.replicate.unknown.clear()
    await world.tick(1)
    assert world.replicate.canceled == [world.replicate.only_id]
    assert world.generation().state is State.CANCELED
    assert world.balances() == (10, 0, 0)
    world.at_rest()


async def test_a_wish_to_end_what_is_not_known_ends_it_when_that_lasts(world: World) -> None:
    """Canceled, as the user wished, once nothing can run any more."""
    await world.ask()
    world.replicate.forget(world.replicate.only_id)
    await world.cancel()
    await world.settle(hours=0.2)
    assert world.generation().state is State.CANCELED
    assert world.events[0].reason is Reason.CANCELED_BY_USER
    assert world.balances() == (10, 0, 0)
    world.at_rest()


async def test_an_extra_prediction_that_is_not_known_yet_is_canceled_later(world: World) -> None:
    """Its own news says that it runs: the 404 to the cancel defers the message, and is not believed."""
    await world.ask()
    key, attempt = world.replicate.creates[0]
    await world.replicate.create(key, attempt)
    ours, extra = world.replicate.ids()
    world.replicate.unknown.add(extra)
    world.replicate.start(extra)
    await world.webhook(extra)
    assert world.replicate.canceled == []
    world.replicate.unknown.clear()
    await world.tick(5)
    assert world.replicate.canceled == [extra]
    assert world.telemetry.total("darkroom.extra_predictions") == 1
    assert world.replicate.predictions[ours].status is Status.STARTING


async def test_a_training_that_is_not_known_and_not_listed_is_given_up_when_that_lasts() -> None:
    """It has no Cancel-After: the list must be without it too, and a cancel in vain."""
    world = await opened()
    await train(world)
    world.replicate.forget(world.replicate.only_id)
    await world.tick(2000)
    assert world.generation().state is State.RUNNING
    await world.tick(200)
    assert world.generation().state is State.RUNNING
    await world.tick(200)
    assert (world.generation().state, world.generation().reason) == (State.FAILED, Reason.LOST)
    assert world.balances() == (1000, 0, 0)
    assert len(world.replicate.creates) == 1
    world.at_rest()


async def test_a_training_that_is_listed_goes_on_whatever_is_answered_for_it() -> None:
    """404 for an hour, and in the list: nothing ends, and its version is delivered from there."""
    world = await opened()
    await train(world)
    world.replicate.start(world.replicate.only_id)
    world.replicate.unknown.add(world.replicate.only_id)
    for _ in range(10):
        await world.tick(300)
    assert world.generation().state is State.RUNNING
    assert world.replicate.canceled == []
    world.replicate.train(world.replicate.only_id, TAR)
    await world.tick(300)
    assert world.generation().state is State.SUCCEEDED
    assert world.balances() == (900, 0, 100)
    world.at_rest()


async def test_a_training_that_a_cancel_finds_is_stopped_before_it_is_given_up() -> None:
    """The list lags, the read is 404; what costs money is stopped before anybody stops looking."""
    world = await opened()
    await train(world)
    prediction_id = world.replicate.only_id
    world.replicate.start(prediction_id)
    world.replicate.unlisted.add(prediction_id)
    get = world.replicate.get

    async def unknown(ref: PredictionRef) -> Prediction | None:
        await get(ref)
        return None

    world.replicate.get = unknown  # type: ignore[method-assign]
    await world.tick(2000)
    await world.tick(400)
    assert world.replicate.canceled == [prediction_id]
    assert world.generation().state is State.FAILED
    world.at_rest()


# An output that is not there.


async def test_an_output_that_comes_late_is_delivered(world: World) -> None:
    """404 in its first seconds: of two outputs both are delivered, and both are paid."""
    await world.ask(num_outputs=2)
    world.replicate.succeed(world.replicate.only_id, [b"a", b"b"])
    late = world.prediction().outputs[0]
    content = world.replicate.files.pop(late)
    await world.webhook(world.replicate.only_id)
    assert world.generation().state is State.RUNNING
    assert world.balances() == (8, 2, 0)
    world.pass_time(4)
    world.replicate.files[late] = content
    await world.pump()
    assert world.balances() == (8, 0, 2)
    assert set(world.blobs.outputs) == {"ada/ada/one/1-0.png", "ada/ada/one/1-1.png"}
    world.at_rest()


@pytest.mark.parametrize("after_s", [100, 600, 2400])
async def test_an_output_may_come_within_its_hour(world: World, after_s: int) -> None:
    """The news has been deferred ``EVENT_TRIES`` times by then: the timer checks the generation."""
    await world.ask()
    world.replicate.succeed(world.replicate.only_id)
    files, world.replicate.files = world.replicate.files, {}
    await world.webhook(world.replicate.only_id)
    for _ in range(after_s // 20):
        await world.tick(20)
    assert world.generation().state is State.RUNNING
    world.replicate.files = files
    await world.settle(hours=1)
    assert world.balances() == (9, 0, 1)
    assert len(world.replicate.fetched) < 24
    world.at_rest()


async def test_what_is_there_is_delivered_before_it_is_deleted_too(world: World) -> None:
    """One of two never comes: the other is delivered and paid in time."""
    await world.ask(num_outputs=2)
    world.replicate.succeed(world.replicate.only_id, [b"a", b"b"])
    del world.replicate.files[world.prediction().outputs[1]]
    await world.webhook(world.replicate.only_id)
    for _ in range(58):
        await world.tick(60)
    assert world.balances() == (9, 0, 1)
    assert set(world.blobs.outputs) == {"ada/ada/one/1-0.png"}
    world.at_rest()


# Succeeded, and nothing is shown.


async def heard(world: World, **changes: object) -> None:
    """News of the one prediction as it is now, but for some changes."""
    news = replace(world.prediction(), **changes)  # type: ignore[arg-type]  # a test knows what it changes
    await world.messenger.send(PredictionEvent(KEY, 1, news), Envelope("news"))
    await world.pump()


async def test_a_success_without_outputs_is_asked_for_once(world: World) -> None:
    """The webhook has none, and Replicate has: delivered."""
    await world.ask()
    world.replicate.succeed(world.replicate.only_id)
    await heard(world, outputs=())
    assert world.balances() == (9, 0, 1)
    world.at_rest()


async def test_a_success_that_really_has_no_outputs_is_given_up_at_once(world: World) -> None:
    """It is read once more and has no outputs: there is no wait."""
    await world.ask()
    world.replicate.succeed(world.replicate.only_id)
    world.replicate.blank.add(world.replicate.only_id)
    await heard(world, outputs=())
    assert world.events[0].reason is Reason.OUTPUT_INVALID
    assert world.balances() == (10, 0, 0)
    world.at_rest()


@pytest.mark.parametrize("trouble", ["blank", "unknown", "not yet finished"])
@pytest.mark.parametrize("complete", [True, False])
@pytest.mark.parametrize("after_s", [3, 200, 1800])
async def test_a_success_waits_for_what_is_shown_of_it(
    world: World, trouble: str, complete: bool, after_s: int
) -> None:
    """Left out for its size, or empty; and the read says nothing of it, "not yet", or 404."""
    if (trouble, complete) == ("blank", True):
        return  # both say that there is nothing: given up at once, as above
    await world.ask()
    prediction_id = world.replicate.only_id
    world.replicate.start(prediction_id)
    running = world.prediction()
    done = world.replicate.succeed(prediction_id)
    world.replicate.blank |= {prediction_id} if trouble == "blank" else set()
    world.replicate.unknown |= {prediction_id} if trouble == "unknown" else set()
    if trouble == "not yet finished":
        world.replicate.predictions[prediction_id] = running
    if trouble != "blank":
        after_s = min(after_s, 200)  # a read that says so for longer than Cancel-After is believed
    news = replace(done, outputs=(), complete=complete)
    await world.messenger.send(PredictionEvent(KEY, 1, news), Envelope("news"))
    await world.pump()
    for _ in range(after_s // 3):
        await world.tick(3)
    assert world.generation().state is State.RUNNING
    assert world.balances() == (9, 1, 0)
    world.replicate.blank.clear()
    world.replicate.unknown.clear()
    world.replicate.predictions[prediction_id] = done
    await world.settle(hours=1)
    assert world.balances() == (9, 0, 1)
    assert world.replicate.canceled == []
    world.at_rest()


async def test_promised_outputs_that_never_come_end_as_expired(world: World) -> None:
    """Within the hour of a picture, with everything released."""
    await world.ask()
    world.replicate.succeed(world.replicate.only_id)
    world.replicate.blank.add(world.replicate.only_id)
    await heard(world, outputs=(), complete=False)
    await world.settle(hours=1)
    assert world.events[0].reason is Reason.OUTPUT_EXPIRED
    assert world.balances() == (10, 0, 0)
    world.at_rest()


async def test_a_success_that_is_shown_as_a_failure_failed(world: World) -> None:
    """The answer to a read takes precedence over the webhook."""
    await world.ask()
    world.replicate.fail(world.replicate.only_id, "list index out of range")
    await heard(world, status=Status.SUCCEEDED, outputs=(), error="")
    assert world.events[0].reason is Reason.PROVIDER_FAILED
    assert world.balances() == (10, 0, 0)
    world.at_rest()
