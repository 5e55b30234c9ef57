"""Kill switches, end to end on fakes: nothing is created while paused, and nothing is lost by a pause."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from dev.fakes.accounts import daily
from dev.fakes.messenger import COMMANDS as QUEUE
from dev.fakes.second_provider import on_second
from dev.fakes.world import KEY, START, World
from shared.core.commands.parsing import parse_command
from shared.core.dependency import Dependency
from shared.core.keys import Key
from shared.core.lifecycle.generation import Closed, Received
from shared.core.lifecycle.state import State
from shared.core.money.limits import Effect
from shared.core.provider.prediction import DeferReason, NotCreated, OutcomeUnknown
from shared.core.reasons import Reason
from shared.ports import Envelope, Unavailable
from shared.worker import approve, set_limit
from shared.worker.account_commands import handle_command
from shared.worker.accounts import Command

HOUR = 3600
DAY = 24 * HOUR


async def command(world: World, kind: str = "pause", command_id: str = "p1", **fields: Any) -> tuple[str, str | None]:
    """One command; returns its outcome and its reason code. It is about the whole app unless it says otherwise."""
    body = {"type": kind, "command_id": command_id, "by": "kim", "scope": "app"} | fields
    envelope = Envelope("m", enqueued_at=world.now())
    await handle_command(world.deps, parse_command(json.dumps(body).encode()), envelope, QUEUE)
    event = world.messenger.commanded.pop()
    return event.outcome, event.answer.reason.value if event.answer.reason else None


def until(world: World, seconds: float) -> str:
    """A time from now, as commands write it."""
    return (world.now() + timedelta(seconds=seconds)).isoformat()


@pytest.fixture
async def world() -> World:
    """Ada has credits."""
    made = World()
    await made.open_account()
    return made


async def test_a_request_is_received_while_paused_without_a_hold_or_a_call(world: World) -> None:
    """It is not screened and holds nothing; its row says why, by whom and until when. After the pause it is created."""
    await command(world, until=until(world, HOUR), reason="The model answers wrongly.")
    await world.ask()
    found = world.saved()
    assert isinstance(found, Received)
    assert (found.reason, found.text) == (
        Reason.PAUSED,
        "The model answers wrongly. This is paused until 2026-11-21 13:00 UTC. It goes on by itself.",
    )
    assert [entry.why for entry in found.history] == ["PAUSED", "the whole app by kim until 2026-11-21T13:00:00Z, p1"]
    assert (world.account().held, world.replicate.ids()) == (0, [])
    while world.time < START + timedelta(seconds=HOUR - 60):
        await world.tick(60)
    assert (world.account().held, world.replicate.ids()) == (0, [])
    await world.tick(400)
    assert len(world.replicate.ids()) == 1
    assert world.generation().reason is None


async def test_the_end_of_a_pause_by_hand_is_noticed_within_minutes(world: World) -> None:
    """Nobody waits for the end that was first said."""
    await command(world)
    await world.ask()
    await world.tick(60)
    assert await command(world, "resume", "r1") == ("applied", None)
    while world.saved().state is State.RECEIVED:
        await world.tick(60)
    assert world.generation().state is State.RUNNING
    assert world.time <= START + timedelta(minutes=6)


async def test_a_generation_with_a_hold_keeps_it_while_paused(world: World) -> None:
    """It waits beyond the time after which a create is given up, and is created afterwards."""
    world.replicate.answer_next_create_with(NotCreated(DeferReason.THROTTLED, 30))
    await world.ask()
    assert world.generation().state is State.WAITING
    await command(world, until=until(world, DAY))
    for _ in range(23):
        await world.tick(HOUR)
    waiting = world.generation()
    assert (waiting.state, waiting.reason, world.account().held) == (State.WAITING, Reason.PAUSED, waiting.held_credits)
    assert "paused until 2026-11-22 12:00 UTC" in waiting.text
    assert waiting.history[-1].why == "the whole app by kim until 2026-11-22T12:00:00Z, p1"
    assert len(world.replicate.made_for) == 0
    await world.tick(2 * HOUR)
    after = world.generation()
    assert (after.state, after.reason, after.text) == (State.RUNNING, None, "")


async def test_a_pause_during_screening_stops_the_create(world: World) -> None:
    """The switches are read once more right before the POST: the hold is saved, and kept."""

    async def pause(*_: object) -> None:
        await command(world, until=until(world, HOUR))

    screened = world.screener.text

    async def slow(*given: Any) -> Any:
        await pause()
        return await screened(*given)

    world.screener.text = slow  # type: ignore[method-assign,assignment]
    await world.ask()
    found = world.generation()
    assert (found.state, found.reason) == (State.WAITING, Reason.PAUSED)
    assert (world.account().held, world.replicate.ids()) == (found.held_credits, [])


async def test_a_pause_that_never_ends_gives_nothing_up_and_what_is_left_of_a_wait_still_counts(world: World) -> None:
    """Six hours of patience are six hours that were not paused."""
    world.screener.down = True
    await world.ask()
    await world.tick(5 * HOUR)
    await command(world, until=until(world, 2 * DAY))
    for _ in range(47):
        await world.tick(HOUR)
    await world.tick(HOUR + 600)
    assert world.saved().state is State.RECEIVED, "five hours and some minutes of its patience are over"
    for _ in range(4):
        await world.tick(HOUR)
    found = world.saved()
    assert isinstance(found, Closed)
    assert (found.state, found.reason) == (State.REJECTED, Reason.SAFETY_UNAVAILABLE)


async def test_a_request_is_not_given_up_while_its_pauses_cannot_be_read(world: World) -> None:
    """It was paused for two days. Then the screener and, for once, the switches fail: it is not refused."""
    await command(world, until=until(world, 2 * DAY))
    await world.ask()
    screened, read = world.screener.text, world.switches.read
    fails: list[str] = []

    async def slow(*given: Any) -> Any:
        if fails:
            return await screened(*given)
        fails.append("screener")
        world.pass_time(6)
        raise Unavailable(Dependency.CONTENT_SAFETY, "down")

    async def fails_once() -> Any:
        if fails == ["screener"]:
            fails.append("switches")
            raise Unavailable(Dependency.TABLES, "down")
        return await read()

    world.screener.text = slow  # type: ignore[method-assign,assignment]
    world.switches.read = fails_once  # type: ignore[method-assign]
    for _ in range(47):
        await world.tick(HOUR)
    while not world.replicate.ids() and world.time < START + timedelta(days=2, hours=1):
        await world.tick(60)
    assert fails == ["screener", "switches"]
    assert (world.generation().state, len(world.replicate.ids())) == (State.RUNNING, 1)


@pytest.mark.parametrize("waits", [False, True])
async def test_a_cancel_works_while_paused(world: World, waits: bool) -> None:
    """Received or waiting: it ends at once, and the hold is back."""
    if waits:
        world.replicate.answer_next_create_with(NotCreated(DeferReason.THROTTLED, 30))
        await world.ask()
    await command(world)
    if waits:
        await world.tick(60)
    else:
        await world.ask()
    await world.cancel()
    assert world.saved().state is State.CANCELED
    assert (world.account().held, world.account().available, world.replicate.ids()) == (0, 10, [])
    await world.settle()


@pytest.mark.parametrize(
    "paused",
    [
        {"scope": "model", "model": "flux-dev"},
        {"scope": "account", "account_id": "bo"},
        {"scope": "user", "account_id": "ada", "user_id": "bo"},
    ],
)
async def test_what_is_not_meant_goes_on(world: World, paused: dict[str, Any]) -> None:
    """Another model, another account, another user."""
    assert await command(world, **paused) == ("applied", None)
    await world.ask()
    assert world.generation().state is State.RUNNING


async def test_one_user_is_paused_and_the_others_of_the_account_are_not(world: World) -> None:
    """Two users of one account."""
    await command(world, scope="user", account_id="ada", user_id="bo")
    await world.ask(Key("bo", "one", "ada"))
    await world.ask(Key("cy", "one", "ada"))
    assert world.saved(Key("bo", "one", "ada")).state is State.RECEIVED
    assert world.saved(Key("cy", "one", "ada")).state is State.RUNNING


async def test_requests_at_once_cost_one_read_in_four_seconds(world: World) -> None:
    """Never one a request."""
    for number in range(5):
        await world.ask(Key("ada", f"g{number}"))
    assert world.switches.reads == 1
    world.pass_time(4)
    await world.ask(Key("ada", "later"))
    assert world.switches.reads == 2


async def test_a_pause_is_known_everywhere_after_five_seconds(world: World) -> None:
    """Another instance saved it: this one has read the switches before."""
    await world.ask(Key("ada", "before"))
    other = World()
    await command(other)
    world.switches.switches = other.switches.switches
    world.pass_time(5)
    await world.ask()
    assert world.saved().state is State.RECEIVED


async def test_a_create_is_not_posted_if_the_switches_cannot_be_read(world: World) -> None:
    """Surely nothing was created, so it is tried again soon, and not left to Cancel-After."""
    read, calls = world.switches.read, []

    async def fails() -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise Unavailable(Dependency.TABLES, "down")
        return await read()

    world.switches.read = fails  # type: ignore[method-assign]
    commit = world.store.commit

    async def slow(*given: Any) -> Any:
        world.pass_time(6)
        return await commit(*given)

    world.store.commit = slow  # type: ignore[method-assign,assignment]
    await world.ask()
    assert (world.generation().state, world.replicate.ids()) == (State.WAITING, [])
    await world.tick(10)
    assert world.generation().state is State.RUNNING


async def test_a_create_of_unknown_outcome_is_not_repeated_while_paused(world: World) -> None:
    """It is adopted if it was made."""
    world.replicate.answer_next_create_with(OutcomeUnknown("timed out"), really_created=True)
    await world.ask()
    await command(world)
    await world.tick(120)
    assert (world.generation().state, len(world.replicate.ids())) == (State.RUNNING, 1)


async def test_an_idempotent_create_is_not_repeated_while_paused() -> None:
    """Where the provider lets a create be POSTed again, a pause stops that too; afterwards it is."""
    world = on_second(World())
    await world.open_account()
    world.replicate.answer_next_create_with(OutcomeUnknown("timed out"))
    await world.ask()
    await command(world, until=until(world, 100))
    posts = world.generation().attempt.posts
    await world.tick(60)
    assert (world.generation().attempt.posts, world.replicate.ids()) == (posts, [])
    await world.tick(100)
    assert len(world.replicate.ids()) == 1


async def test_a_pause_that_comes_while_a_create_is_saved_again_stops_its_post() -> None:
    """The switches are read once more right before the POST, also where it is repeated."""
    world = on_second(World())
    await world.open_account()
    world.replicate.answer_next_create_with(OutcomeUnknown("timed out"))
    await world.ask()
    commit = world.store.commit

    async def slow(*given: Any) -> Any:
        await command(world, until=until(world, 300))
        return await commit(*given)

    world.store.commit = slow  # type: ignore[method-assign,assignment]
    await world.tick(60)
    assert world.replicate.ids() == []
    world.store.commit = commit  # type: ignore[method-assign]
    for _ in range(6):
        await world.tick(60)
    assert (world.generation().state, len(world.replicate.ids())) == (State.RUNNING, 1)


async def test_what_goes_on_says_no_more_that_it_is_paused(world: World) -> None:
    """Not even while the answer to its create is unknown."""
    world.replicate.answer_next_create_with(NotCreated(DeferReason.THROTTLED, 30))
    await world.ask()
    await command(world, until=until(world, 90))
    await world.tick(60)
    assert world.generation().reason is Reason.PAUSED
    world.replicate.answer_next_create_with(OutcomeUnknown("timed out"))
    world.pass_time(60)
    await world.pump()
    found = world.generation()
    assert (found.state, found.reason, found.text) == (State.SUBMITTING, None, "")


async def test_a_retry_that_is_paused_is_one_save(world: World) -> None:
    """It is not submitted first: the POST that never was is not counted."""
    world.replicate.answer_next_create_with(NotCreated(DeferReason.THROTTLED, 30))
    await world.ask()
    posts = world.generation().attempt.posts
    await command(world)
    await world.tick(60)
    assert (world.generation().reason, world.generation().attempt.posts) == (Reason.PAUSED, posts)


async def test_a_paused_request_whose_copy_was_lost_is_not_given_up(world: World) -> None:
    """The timer finds it after a pause that was longer than its patience, and it opens."""
    await command(world, until=until(world, DAY))
    await world.ask()
    world.messenger.scheduled.clear()
    world.pass_time(DAY + 60)
    await world.tick()
    assert world.generation().state is State.RUNNING


async def test_each_look_of_what_is_paused_has_an_id_of_its_own(world: World) -> None:
    """The broker would drop the second one, and the timer alone would be left."""
    world.replicate.answer_next_create_with(NotCreated(DeferReason.THROTTLED, 30))
    await world.ask()
    await command(world)
    ids = []
    for _ in range(3):
        world.pass_time(301)
        await world.pump()
        ids += [sent.envelope.message_id for sent in world.messenger.scheduled]
    assert len(set(ids)) == 3


async def test_a_command_is_applied_once_superseded_by_a_newer_one_and_refused_with_reasons(world: World) -> None:
    """Idempotent by id; ordered by issued_at; a misspelt model, or a time before the command, is no pause."""
    issued = (START - timedelta(minutes=5)).isoformat()
    sent = until(world, -60)
    assert await command(world, issued_at=sent) == ("applied", None)
    once = world.switches.switches
    world.pass_time(30)
    assert await command(world, issued_at=sent) == ("applied", None)
    assert await command(world, "resume", "r0", issued_at=issued) == ("superseded", "NEWER_COMMAND")
    assert await command(world, command_id="p2", scope="model", model="flux-dvi") == ("refused", "NOT_POSSIBLE")
    assert await command(world, command_id="p3", until=until(world, -1)) == ("refused", "NOT_POSSIBLE")
    assert world.switches.switches is once
    assert once[0].order.until == START - timedelta(seconds=60) + timedelta(days=7)


async def test_two_commands_at_once_are_both_kept(world: World) -> None:
    """The second finds the row changed, reads it again, and adds its own."""
    save, rivals = world.switches.save, [1]

    async def overtaken(*given: Any) -> None:
        if rivals:
            rivals.clear()
            await command(world, command_id="other", scope="model", model="flux-dev")
        await save(*given)

    world.switches.save = overtaken  # type: ignore[method-assign,assignment]
    assert await command(world) == ("applied", None)
    assert [each.order.command_id for each in world.switches.switches] == ["other", "p1"]


async def test_a_key_of_a_paused_request_is_still_the_first_ones(world: World) -> None:
    """The pause is over: what opens is what was asked first."""
    await command(world, until=until(world, 60))
    await world.ask()
    world.pass_time(61)
    await world.ask(prompt="Another picture")
    await world.tick(60)
    assert world.generation(KEY).request.prompt == "A lighthouse at night"


async def test_what_was_approved_waits_for_the_end_of_a_pause_without_a_hold(world: World) -> None:
    """An approval overrides its limit, and no kill switch; it still counts when the pause ends."""
    await set_limit(world.deps, "ada", replace(daily(1), effect=Effect.APPROVE), Command(command_id="l1"))
    await world.ask(num_outputs=2)
    await command(world, until=until(world, HOUR))
    await approve(world.deps, KEY, "daily", 2, Command(command_id="a1", by="operator:kim"))
    await world.pump()
    while world.time < START + timedelta(seconds=HOUR - 60):
        await world.tick(60)
    found = world.saved()
    assert isinstance(found, Received)
    assert (found.reason, world.account().held, world.replicate.ids()) == (Reason.PAUSED, 0, [])
    await world.tick(400)
    assert (world.generation().state, len(world.replicate.ids())) == (State.RUNNING, 1)
    assert world.account().held == 2
