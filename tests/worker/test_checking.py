"""The timer: overdue generations are checked, and the message handler processes each check."""

from dataclasses import replace
from datetime import timedelta

import pytest

from dev.fakes.world import KEY, World
from shared import worker
from shared.core.events.generation_event import Event
from shared.core.keys import Key
from shared.core.lifecycle.state import State
from shared.core.provider.prediction import DeferReason, NotCreated, OutcomeUnknown, Status
from shared.core.reasons import Reason
from shared.ports import OpenRow
from shared.worker.checking import TICK_ROWS


async def test_a_webhook_that_never_comes_is_repaired(world: World) -> None:
    """Replicate finished, but no webhook came: the timer reads the prediction, and the picture is delivered."""
    await world.ask()
    world.replicate.succeed(world.replicate.only_id)
    assert await world.tick(10) == 0
    assert await world.tick(30) == 1
    assert world.generation().state is State.SUCCEEDED
    assert world.balances() == (9, 0, 1)
    world.at_rest()


async def test_a_prediction_that_still_runs_is_not_changed(world: World) -> None:
    """A check finds it processing: only the time of the next check changes."""
    await world.ask()
    world.replicate.start(world.replicate.only_id)
    before = world.generation()
    await world.tick(40)
    assert world.generation() == before
    assert world.index.rows[KEY].due_at > world.time
    assert not world.replicate.canceled


async def test_the_timer_reads_only_what_is_open(world: World) -> None:
    """An ended generation has no row in the index."""
    for number in range(5):
        await world.ask(Key("ada", f"g{number}"))
    for prediction_id in world.replicate.ids()[:3]:
        world.replicate.succeed(prediction_id)
        await world.webhook(prediction_id)
    assert sorted(key.generation_id for key in world.index.rows) == ["g3", "g4"]


async def test_what_expires_first_is_done_first(world: World) -> None:
    """Checks are sent in the order in which outputs would be lost, and the smallest slack is published."""
    for number in range(3):
        await world.ask(Key("ada", f"g{number}"))
        world.pass_time(100)
    rows = world.index.rows
    first, second, third = (Key("ada", f"g{number}") for number in range(3))
    rows[second] = replace(rows[second], expires_at=world.time + timedelta(seconds=50))
    rows[third] = replace(rows[third], expires_at=world.time + timedelta(seconds=200))
    await worker.reconcile(world.deps)
    assert [sent.message.key for sent in world.messenger.sent] == [second, third, first]
    slack = [value for metric, value, _ in world.telemetry.counts if metric == "darkroom.slack_s"]
    assert slack == [50]


async def test_a_check_that_is_queued_is_not_sent_again(world: World) -> None:
    """Two ticks before the first check was read: the broker drops the second."""
    await world.ask()
    world.pass_time(60)
    await worker.reconcile(world.deps)
    await worker.reconcile(world.deps)
    assert len(world.messenger.sent) == 1


async def test_one_tick_sends_a_bounded_number(world: World) -> None:
    """The rest is due in the next tick."""
    for key in (Key("bob", f"g{number}") for number in range(TICK_ROWS + 5)):
        world.index.rows[key] = row(world, key)
    assert await worker.reconcile(world.deps) == TICK_ROWS


def row(world: World, key: Key) -> OpenRow:
    """An index row that was written now and is due now."""
    return OpenRow(key=key, due_at=world.time, expires_at=world.time, written_at=world.time)


async def test_a_lost_answer_is_adopted_through_the_webhook(world: World) -> None:
    """The callback carries the attempt, so the prediction is ours although we never saw its id."""
    world.replicate.answer_next_create_with(OutcomeUnknown("timed out"), really_created=True)
    await world.ask()
    world.replicate.start(world.replicate.only_id)
    await world.webhook(world.replicate.only_id)
    assert world.generation().state is State.RUNNING
    world.replicate.succeed(world.replicate.only_id)
    await world.webhook(world.replicate.only_id)
    assert world.balances() == (9, 0, 1)
    assert len(world.replicate.creates) == 1
    world.at_rest()


@pytest.mark.parametrize(("echo", "seed"), [(True, False), (False, True)])
async def test_a_lost_answer_is_found_in_the_list(world: World, echo: bool, seed: bool) -> None:
    """By the echoed address, or by the seed that only this attempt has."""
    world.replicate.echo_webhook, world.replicate.show_seed = echo, seed
    world.replicate.answer_next_create_with(OutcomeUnknown("timed out"), really_created=True)
    await world.ask()
    world.replicate.succeed(world.replicate.only_id)
    await world.tick(31)
    await world.tick(10)
    assert world.generation().state is State.SUCCEEDED
    assert len(world.replicate.creates) == 1
    world.at_rest()


@pytest.mark.parametrize("webhook", ["https://[one", f"https://a/?user=ada&generation=one&attempt={'1' * 5000}"])
async def test_a_strangers_address_in_the_list_hides_nothing(world: World, webhook: str) -> None:
    """It stands before the prediction whose answer was lost, and that is found all the same."""
    world.replicate.answer_next_create_with(OutcomeUnknown("timed out"), really_created=True)
    await world.ask()
    ours = world.replicate.only_id
    await world.replicate.create(Key("eve", "x"), replace(world.replicate.creates[0][1], seed=1))
    _, strange = world.replicate.ids()
    world.replicate.predictions[strange] = replace(world.replicate.predictions[strange], webhook=webhook, seed=None)
    world.replicate.succeed(ours)
    await world.tick(60)
    assert world.generation().state is State.SUCCEEDED
    assert world.balances() == (9, 0, 1)


async def test_a_users_seed_recognises_nothing(world: World) -> None:
    """Two generations share the user's seed: without the echoed address neither may take the other's prediction."""
    world.replicate.echo_webhook = False
    await world.ask(Key("ada", "two"), seed=7)
    world.replicate.answer_next_create_with(OutcomeUnknown("timed out"))
    await world.ask(seed=7)
    await world.tick(60)
    assert world.generation().state is State.SUBMITTING


async def test_the_list_is_not_believed_before_its_grace(world: World) -> None:
    """Lists lag: a prediction missing in it after a few seconds is not lost."""
    world.replicate.answer_next_create_with(OutcomeUnknown("timed out"), really_created=True)
    await world.ask()
    world.replicate.unlisted.add(world.replicate.only_id)
    await world.tick(60)
    assert world.generation().state is State.SUBMITTING
    assert len(world.replicate.creates) == 1
    world.replicate.unlisted.clear()
    await world.tick(60)
    assert world.generation().state is State.RUNNING
    assert len(world.replicate.creates) == 1


async def test_of_several_the_oldest_is_adopted_and_the_others_canceled(world: World) -> None:
    """Somebody POSTed twice: one goes on, the rest is stopped and counted."""
    world.replicate.answer_next_create_with(OutcomeUnknown("timed out"), really_created=True)
    await world.ask()
    key, attempt = world.replicate.creates[0]
    world.pass_time(5)
    await world.replicate.create(key, attempt)
    oldest, extra = world.replicate.ids()
    await world.tick(35)
    current = world.generation().attempt
    assert current is not None
    assert current.prediction_id == oldest
    assert world.replicate.canceled == [extra]
    assert world.telemetry.total("darkroom.extra_predictions") == 1


async def test_a_list_that_stays_unreadable_holds_nothing_for_ever(world: World) -> None:
    """The outcome is unknown and Replicate's list is unavailable: after an hour there is nothing left to find."""
    for _ in range(10):
        world.replicate.answer_next_create_with(OutcomeUnknown("timed out"))
    await world.ask()
    world.replicate.down = True
    await world.tick(1800)
    assert world.generation().state is State.SUBMITTING
    await world.settle()
    assert world.events[0].reason is Reason.LOST
    assert world.balances() == (10, 0, 0)


async def test_after_cancel_after_has_passed_the_next_attempt_is_made(world: World) -> None:
    """No trace of the create: what it may have made is over, so a second attempt is safe; one charge."""
    world.replicate.answer_next_create_with(OutcomeUnknown("timed out"))
    await world.ask()
    attempt = world.generation().attempt
    for _ in range(20):
        await world.tick(30)
        if len(world.replicate.creates) > 1:
            break
    waited_s = (world.time - attempt.submitted_at).total_seconds()
    assert waited_s >= attempt.cancel_after_s + world.deps.timing.cancel_grace_s
    second = world.generation().attempt
    assert second is not None
    assert (second.number, second.seed != attempt.seed) == (2, True)
    world.replicate.succeed(world.replicate.only_id)
    await world.webhook(world.replicate.only_id)
    assert world.balances() == (9, 0, 1)
    world.at_rest()


async def test_creates_that_get_lost_again_and_again_end_as_lost(world: World) -> None:
    """The attempts are bounded; then everything is released."""
    for _ in range(10):
        world.replicate.answer_next_create_with(OutcomeUnknown("timed out"))
    await world.ask()
    await world.settle()
    assert world.events[0].reason is Reason.LOST
    assert len(world.replicate.creates) == 3
    assert world.balances() == (10, 0, 0)
    world.at_rest()


async def test_a_copy_that_was_lost_is_replaced_by_the_timer(world: World) -> None:
    """WAITING, and the scheduled copy never came: the check tries the create itself."""
    world.replicate.answer_next_create_with(NotCreated(DeferReason.THROTTLED, 10))
    await world.ask()
    world.messenger.scheduled.clear()
    await world.tick(60)
    assert world.generation().state is State.RUNNING
    assert len(world.replicate.ids()) == 1


async def test_past_its_deadline_it_is_canceled_confirmed_and_released(world: World) -> None:
    """Replicate should have canceled it itself: the app cancels it, and the answer ends the generation."""
    await world.ask()
    world.replicate.start(world.replicate.only_id)
    for _ in range(10):
        await world.tick(30)
    assert world.replicate.canceled == [world.replicate.only_id]
    assert (world.events[0].outcome, world.events[0].reason) == ("failed", Reason.TIMED_OUT)
    assert world.balances() == (10, 0, 0)
    world.at_rest()


async def test_while_replicate_does_not_answer_the_hold_is_kept_for_an_hour(world: World) -> None:
    """Its end is unknown until even its outputs would be deleted; then the hold is released."""
    await world.ask()
    world.replicate.down = True
    await world.tick(1200)
    assert world.generation().state is State.RUNNING
    assert world.balances() == (9, 1, 0)
    for _ in range(90):
        await world.tick(60)
    assert world.events[0].reason is Reason.TIMED_OUT
    assert world.balances() == (10, 0, 0)


async def test_when_replicate_is_back_in_time_the_picture_is_delivered(world: World) -> None:
    """An outage of half an hour loses nothing."""
    await world.ask()
    world.replicate.succeed(world.replicate.only_id)
    world.replicate.down = True
    for _ in range(30):
        await world.tick(60)
    world.replicate.down = False
    await world.settle(hours=0.5)
    assert world.generation().state is State.SUCCEEDED
    world.at_rest()


async def test_an_end_that_was_not_announced_is_announced_by_the_timer(world: World) -> None:
    """A crash between the commit and the event: the row is still there, so the event is published, once by its id."""
    await world.ask()
    world.replicate.succeed(world.replicate.only_id)
    publish = world.messenger.publish

    async def dies(event: Event, again: str = "") -> None:
        raise OSError("the process died here")

    world.messenger.publish = dies  # type: ignore[method-assign]
    with pytest.raises(OSError, match="died"):
        await world.webhook(world.replicate.only_id)
    assert world.generation().state is State.SUCCEEDED
    assert not world.events
    world.messenger.publish = publish  # type: ignore[method-assign]
    await world.settle()
    assert [event.outcome for event in world.events] == ["succeeded"]
    world.at_rest()


async def test_a_row_without_a_generation_is_forgotten_in_time(world: World) -> None:
    """The request died after its row and never came again; while it might, the row stays."""
    world.index.rows[KEY] = row(world, KEY)
    await world.tick(60)
    assert KEY in world.index.rows
    await world.tick(1000)
    assert KEY not in world.index.rows


async def test_a_check_for_what_is_closed_does_nothing(world: World) -> None:
    """The check was queued while the webhook ended it."""
    await world.ask()
    world.pass_time(60)
    await worker.reconcile(world.deps)
    world.replicate.succeed(world.replicate.only_id)
    await world.webhook(world.replicate.only_id)
    before = (world.generation(), list(world.events))
    await world.pump()
    assert (world.generation(), list(world.events)) == before
    assert world.prediction().status is Status.SUCCEEDED
