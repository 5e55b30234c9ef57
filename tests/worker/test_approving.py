"""Approvals: what a limit with the effect ``approve`` makes wait, and what opens or ends it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dev.fakes.accounts import daily
from dev.fakes.world import KEY, World
from shared import worker
from shared.core.keys import Key
from shared.core.lifecycle.generation import Closed, Received
from shared.core.lifecycle.state import State
from shared.core.money.limits import Effect, Limit, Scope
from shared.core.money.settings import Settings
from shared.core.money.windows import Span
from shared.core.reasons import Reason
from shared.worker.accounts import Command

OPS = Command(command_id="a1", by="operator:kim")
DAYS_3 = 3 * 86400
PICTURE = "https://pictures.example/cat.png"


async def waiting(*more: Limit, **fields: Any) -> World:
    """A request for two pictures of an account whose daily limit of one asks for an approval; Eve is an approver."""
    world = World()
    await world.open_account()
    for number, limit in enumerate((replace(daily(1), effect=Effect.APPROVE), *more)):
        await worker.set_limit(world.deps, "ada", limit, Command(command_id=f"l{number}"))
    await worker.set_account(world.deps, "ada", Settings(approvers=("eve",)), Command(command_id="s"))
    world.inputs.files[PICTURE] = b"a picture of a cat"
    await world.ask(num_outputs=2, **fields)
    return world


def received(world: World) -> Received:
    """The generation, which waits."""
    found = world.saved()
    assert isinstance(found, Received)
    return found


async def test_it_waits_screened_with_nothing_held_and_an_event_asks() -> None:
    """Who may give it, past which limit, at what cost, until when; its row waits as long."""
    world = await waiting()
    found = received(world)
    assert found.reason is Reason.APPROVAL_NEEDED
    assert [each.subject for each in found.screenings] == ["prompt"]
    assert world.balances() == (10, 0, 0)
    assert not world.store.entries_of(KEY)
    assert not world.replicate.predictions
    assert not world.events
    (event,) = world.messenger.approvals
    data = event.to_json()["data"]
    assert (data["limit"], data["credits"], data["approvers"]) == ({"id": "daily", "scope": "account"}, 2, ["eve"])
    assert data["until"] == world.index.rows[KEY].due_at.isoformat()
    assert "0 of 1 of the account's limit 'daily'" in data["reason"]["text"]
    assert [entry.step for entry in found.history] == ["approval_asked"]


@pytest.mark.parametrize("by", ["operator:kim", "eve"])
async def test_an_approval_opens_it_without_screening_it_again(by: str) -> None:
    """An operator's, or an approver's."""
    world = await waiting()
    screened = len(world.screener.texts)
    await worker.approve(world.deps, KEY, "daily", 2, replace(OPS, by=by))
    assert world.balances() == (10, 0, 0)
    await world.pump()
    opened = world.generation()
    assert opened.state is State.RUNNING
    assert len(world.screener.texts) == screened
    assert [each.subject for each in opened.screenings] == ["prompt"]
    assert [entry.step for entry in opened.history][:3] == ["approval_asked", "approved", "credits_held"]
    assert world.balances() == (8, 2, 0)
    world.replicate.succeed(world.replicate.only_id)
    await world.webhook(world.replicate.only_id)
    assert world.balances() == (9, 0, 1)
    world.at_rest()


@pytest.mark.parametrize("by", ["bob", "ada", "operator", ""])
async def test_nobody_else_may_decide(by: str) -> None:
    """Not the user either: neither yes nor no."""
    world = await waiting()
    before = received(world)
    for decide in (
        worker.approve(world.deps, KEY, "daily", 2, replace(OPS, by=by)),
        worker.deny(world.deps, KEY, "", replace(OPS, by=by)),
    ):
        with pytest.raises(ValueError, match="no operator and no approver"):
            await decide
    assert received(world) == before


async def test_a_denial_ends_it_and_its_copied_input_is_deleted() -> None:
    """With the sentence of whoever denied it; its records stay."""
    world = await waiting(model="flux-dev", image_url=PICTURE)
    assert str(received(world).request.image_url).startswith("input:")
    assert world.blobs.inputs
    await worker.deny(world.deps, KEY, "Not this quarter.", OPS)
    (event,) = world.events
    assert (event.outcome, event.reason, event.text) == ("rejected", Reason.APPROVAL_DENIED, "Not this quarter.")
    assert not world.blobs.inputs
    closed = world.saved()
    assert isinstance(closed, Closed)
    assert [each.subject for each in closed.screenings] == ["prompt", "input image"]
    assert [entry.step for entry in closed.history] == ["approval_asked", "approval_denied", "rejected"]
    world.at_rest()


async def test_a_picture_that_was_approved_is_sent_as_it_was_screened() -> None:
    """The copy, not fetched again."""
    world = await waiting(model="flux-dev", image_url=PICTURE)
    await worker.approve(world.deps, KEY, "daily", 100, OPS)
    world.inputs.files.clear()
    await world.pump()
    assert world.generation().state is State.RUNNING


async def test_nobody_decides_in_time() -> None:
    """It is rejected with a reason that says so, and nothing can be decided any more."""
    world = await waiting()
    await world.tick(DAYS_3 - 60)
    await world.pump()
    assert received(world).approval
    world.pass_time(61)
    with pytest.raises(ValueError, match="time to approve it is over"):
        await worker.approve(world.deps, KEY, "daily", 2, OPS)
    await world.tick()
    await world.tick(60)
    await world.pump()
    (event,) = world.events
    assert (event.outcome, event.reason) == ("rejected", Reason.APPROVAL_EXPIRED)
    assert len(world.messenger.approvals) == 1
    world.at_rest()


async def test_an_approval_overrides_its_own_limit_only() -> None:
    """Another limit asks again, and only both open it; a limit that blocks refuses."""
    weekly = Limit(limit_id="weekly", window=daily(1).window, amount=1, effect=Effect.APPROVE)
    world = await waiting(weekly)
    await worker.approve(world.deps, KEY, "daily", 2, OPS)
    await world.pump()
    waits = received(world).approval
    assert waits
    assert (waits.limit_id, waits.asks, waits.pending) == ("weekly", 2, True)
    assert len(world.messenger.approvals) == 2
    await worker.set_limit(world.deps, "ada", replace(daily(1), limit_id="hard"), Command(command_id="h"))
    await worker.approve(world.deps, KEY, "weekly", 2, replace(OPS, command_id="a2"))
    await world.pump()
    (event,) = world.events
    assert event.reason is Reason.OVER_LIMIT
    assert "'hard'" in event.text
    world.at_rest()


async def test_a_limit_of_the_users_of_the_same_id_is_another_limit() -> None:
    """An approval names the limit that asked, of its scope."""
    world = await waiting(replace(daily(1), effect=Effect.APPROVE, scope=Scope.USER))
    await worker.approve(world.deps, KEY, "daily", 2, OPS)
    await world.pump()
    waits = received(world).approval
    assert waits
    assert (waits.scope, waits.pending) == (Scope.USER, True)


async def test_the_balance_is_checked_again() -> None:
    """What was there when it asked may be gone."""
    world = await waiting()
    await worker.revoke(world.deps, "ada", 9, Command(command_id="r"))
    await worker.approve(world.deps, KEY, "daily", 2, OPS)
    await world.pump()
    (event,) = world.events
    assert event.reason is Reason.NO_CREDITS
    assert world.balances() == (1, 0, 0)
    world.at_rest()


async def test_a_dearer_quote_asks_again() -> None:
    """The approval was for two credits; now it costs more."""
    world = await waiting()
    await worker.approve(world.deps, KEY, "daily", 2, OPS)
    models = world.deps.catalog.models
    dear = replace(models["flux-schnell"], credits=3)
    world.deps = replace(world.deps, catalog=replace(world.deps.catalog, models={**models, "flux-schnell": dear}))
    await world.pump()
    waits = received(world).approval
    assert waits
    assert (waits.credits, waits.pending, waits.asks) == (6, True, 2)
    assert world.balances() == (10, 0, 0)
    await worker.approve(world.deps, KEY, "daily", 6, replace(OPS, command_id="a2"))
    await world.pump()
    assert world.generation().held_credits == 6


@pytest.mark.parametrize(
    ("limit_id", "most", "why"),
    [("other", 2, "waits for an approval past the limit 'daily', not 'other'"), ("daily", 1, "needs up to 2 credits")],
)
async def test_an_approval_of_something_else_is_refused(limit_id: str, most: int, why: str) -> None:
    """Another limit, or too few credits."""
    world = await waiting()
    before = received(world)
    with pytest.raises(ValueError, match=why):
        await worker.approve(world.deps, KEY, limit_id, most, OPS)
    assert received(world) == before


async def test_a_decision_is_final() -> None:
    """Yes after no, no after yes, and anything about what has ended, are refused; the same command again is not."""
    world = await waiting()
    await worker.approve(world.deps, KEY, "daily", 2, OPS)
    await worker.approve(world.deps, KEY, "daily", 2, OPS)
    later = replace(OPS, command_id="a2")
    for why in ("it was approved before", "approved before, and has opened"):
        with pytest.raises(ValueError, match=why):
            await worker.deny(world.deps, KEY, "", later)
        await world.pump()
    await worker.approve(world.deps, KEY, "daily", 2, OPS)
    with pytest.raises(ValueError, match="used before for another decision"):
        await worker.deny(world.deps, KEY, "", OPS)
    other = await waiting()
    await worker.deny(other.deps, KEY, "", OPS)
    await worker.deny(other.deps, KEY, "", OPS)
    with pytest.raises(ValueError, match="it was denied before"):
        await worker.approve(other.deps, KEY, "daily", 2, later)
    assert len(other.events) == 1
    with pytest.raises(ValueError, match="there is no generation"):
        await worker.deny(World().deps, KEY, "", replace(OPS))


async def test_a_cancel_ends_what_waits() -> None:
    """As ever; an approval that comes later is refused."""
    world = await waiting()
    await world.cancel()
    (event,) = world.events
    assert event.outcome == "canceled"
    with pytest.raises(ValueError, match="it has ended: canceled"):
        await worker.approve(world.deps, KEY, "daily", 2, OPS)
    world.at_rest()


async def test_a_crash_before_the_event_is_made_good_by_the_check() -> None:
    """The row is due soon until the event was published."""
    world = World()
    await world.open_account()
    await worker.set_limit(world.deps, "ada", replace(daily(1), effect=Effect.APPROVE), Command(command_id="l"))
    publish = world.messenger.publish

    async def dies(*_: object) -> None:
        raise RuntimeError("the process died")

    world.messenger.publish = dies  # type: ignore[assignment, method-assign]
    with pytest.raises(RuntimeError):
        await world.ask(num_outputs=2)
    world.messenger.publish = publish  # type: ignore[method-assign]
    assert received(world).approval
    await world.tick(120)
    await world.pump()
    assert len(world.messenger.approvals) == 1


async def test_a_crash_after_the_approval_is_made_good_by_the_timer() -> None:
    """The check that opens it was never sent, and the command is not delivered again."""
    world = await waiting()
    send = world.messenger.send

    async def dies(*_: object) -> None:
        raise RuntimeError("the process died")

    world.messenger.send = dies  # type: ignore[assignment, method-assign]
    with pytest.raises(RuntimeError):
        await worker.approve(world.deps, KEY, "daily", 2, OPS)
    world.messenger.send = send  # type: ignore[method-assign]
    await world.tick(60)
    await world.pump()
    assert world.generation().state is State.RUNNING


async def test_it_is_screened_again_if_the_policy_has_changed() -> None:
    """Its old records stay beside the new ones, and its copied input is what is looked at."""
    world = await waiting(model="flux-dev", image_url=PICTURE)
    world.inputs.files.clear()
    world.deps = replace(world.deps, policy=replace(world.deps.policy, version="newer"))
    await worker.approve(world.deps, KEY, "daily", 100, OPS)
    await world.pump()
    assert [(each.subject, each.policy == "newer") for each in world.generation().screenings] == [
        (subject, newer) for newer in (False, True) for subject in ("prompt", "input image")
    ]


async def test_it_opens_by_itself_when_its_limit_is_raised() -> None:
    """Without an approval, and without being screened again; nothing is asked twice."""
    world = await waiting()
    screened = len(world.screener.texts)
    await worker.set_limit(world.deps, "ada", replace(daily(2), effect=Effect.APPROVE), Command(command_id="more"))
    await world.pump()
    assert world.generation().state is State.RUNNING
    assert len(world.screener.texts) == screened
    assert len(world.messenger.approvals) == 1
    assert world.balances() == (8, 2, 0)
    world.books_balance()


@pytest.mark.parametrize("change", ["removed", "plan"])
async def test_it_opens_by_itself_when_nothing_asks_any_more(change: str) -> None:
    """Its limit is taken away, or the plan that has it is changed."""
    world = await waiting()
    if change == "removed":
        await worker.remove_limit(world.deps, "ada", "daily", Command(command_id="r"))
    else:
        asks = replace(daily(1), effect=Effect.APPROVE)
        plans = {
            **world.deps.plans.plans,
            "strict": replace(world.deps.plans["premium"], name="strict", limits=(asks,)),
        }
        world.deps = replace(world.deps, plans=replace(world.deps.plans, plans=plans))
        world.pass_time(1)
        await worker.set_plan(world.deps, "ada", "strict", Command(command_id="p1"))
        await worker.remove_limit(world.deps, "ada", "daily", Command(command_id="r"))
        await world.pump()
        assert received(world).reason is Reason.APPROVAL_NEEDED
        await worker.set_plan(world.deps, "ada", "premium", Command(command_id="p2"))
    await world.pump()
    assert world.generation().state is State.RUNNING


async def test_it_opens_by_itself_when_its_window_ends() -> None:
    """The day ends before the three days of the approval."""
    world = World()
    await world.open_account()
    await worker.set_limit(world.deps, "ada", replace(daily(2), effect=Effect.APPROVE), Command(command_id="l"))
    await world.ask(Key("ada", "first"), num_outputs=2)
    await world.ask(num_outputs=2)
    assert world.index.rows[KEY].due_at == datetime(2026, 11, 22, tzinfo=UTC)
    await world.tick(11 * 3600)
    assert received(world).reason is Reason.APPROVAL_NEEDED
    await world.tick(3600 + 60)
    assert world.generation().state is State.RUNNING
    assert len(world.messenger.approvals) == 1


async def test_a_look_at_what_still_needs_an_approval_changes_nothing() -> None:
    """It is not asked anew, and waits until its own end."""
    world = await waiting()
    before, row = world.saved(), world.index.rows[KEY]
    await worker.set_limit(world.deps, "ada", Limit(limit_id="x", window=Span.HOUR, amount=9), Command(command_id="x"))
    await world.pump()
    assert (world.saved(), world.index.rows[KEY], len(world.messenger.approvals)) == (before, row, 1)
    assert not [each for each in world.messenger.dropped if "approval" in each]
    await world.tick(DAYS_3 + 60)
    assert world.saved().reason is Reason.APPROVAL_EXPIRED
    world.at_rest()


async def test_what_was_approved_and_cannot_be_screened_is_given_up() -> None:
    """Its plan has changed, so it is screened again, and nobody answers for six hours after the approval."""
    world = await waiting()
    world.pass_time(1)
    await worker.set_plan(world.deps, "ada", "basic", Command(command_id="p"))
    await world.pump()
    world.pass_time(6 * 3600)
    world.screener.down = True
    await worker.approve(world.deps, KEY, "daily", 2, OPS)
    await world.settle(hours=7, step_s=300)
    found = world.saved()
    assert isinstance(found, Closed)
    assert found.reason is Reason.SAFETY_UNAVAILABLE
    assert found.approval is not None
    assert found.approval.approved_at is not None
    assert found.ended_at - found.approval.approved_at < timedelta(hours=6, minutes=30)
    assert world.balances() == (10, 0, 0)
    world.at_rest()


async def test_what_was_approved_waits_as_long_as_a_request_for_a_screener() -> None:
    """It opens if the screener answers in time."""
    world = await waiting()
    world.pass_time(1)
    await worker.set_plan(world.deps, "ada", "basic", Command(command_id="p"))
    world.screener.down = True
    await worker.approve(world.deps, KEY, "daily", 2, OPS)
    for _ in range(30):
        await world.tick(600)
    assert isinstance(world.saved(), Received)
    world.screener.down = False
    await world.tick(1800)
    assert world.generation().state is State.RUNNING
