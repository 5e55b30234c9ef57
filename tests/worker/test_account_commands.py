"""Account commands on fakes: applied once, answered by an event, in whatever order and however often they come."""

import itertools
import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from dev.fakes.messenger import COMMANDS as QUEUE
from dev.fakes.world import START, World
from shared import worker
from shared.core.commands.parsing import COMMAND_BYTES, parse_command
from shared.core.dependency import Dependency
from shared.core.events.command_event import CommandEvent
from shared.core.keys import Key
from shared.core.money.entries import Move
from shared.core.money.limits import Scope
from shared.ports import Envelope, Unavailable
from shared.worker.account_commands import dead_letter_command, handle_command

GRANT: dict[str, Any] = {"type": "grant", "command_id": "c1", "account_id": "acme", "by": "billing", "credits": 5}


def of(kind: str, command_id: str = "c1", **fields: Any) -> dict[str, Any]:
    """A command about the account acme."""
    return {"type": kind, "command_id": command_id, "account_id": "acme", "by": "ops"} | fields


async def send(world: World, body: object, at: datetime | None = None, envelope: Envelope | None = None) -> None:
    """One delivery of one message, enqueued at this time."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    came = envelope or Envelope("m", enqueued_at=at or world.now())
    await handle_command(world.deps, parse_command(raw), came, QUEUE)


def said(event: CommandEvent) -> tuple[str, str | None]:
    """The outcome of an event, and its reason code."""
    return event.outcome, event.answer.reason.value if event.answer.reason else None


def answers(world: World) -> list[tuple[str, str | None]]:
    """What the events said since the last call."""
    events, world.messenger.commanded = world.messenger.commanded, []
    return [said(event) for event in events]


@pytest.fixture
def world() -> World:
    """Nobody has an account."""
    return World()


async def test_a_grant_opens_the_account_and_an_event_says_so(world: World) -> None:
    """Credits, one entry with the command's id, and the event's form."""
    await send(world, GRANT | {"why": "secret of the books"})
    assert (world.account("acme").granted, world.account("acme").available) == (5, 5)
    assert [(entry.move, entry.entry_id) for entry in world.store.entries] == [(Move.GRANT, "c1")]
    (event,) = world.messenger.commanded
    assert event.to_json() == {
        "specversion": "1.0",
        "id": "command//acme/c1/applied",
        "source": "/darkroom",
        "type": "darkroom.account.command.applied",
        "subject": "acme",
        "time": START.isoformat(),
        "datacontenttype": "application/json",
        "data": {
            "account_id": "acme",
            "command_id": "c1",
            "type": "grant",
            "by": "billing",
            "reason": None,
            "note": None,
        },
    }
    assert world.messenger.published == []


async def test_the_same_command_again_is_the_same_answer_and_changes_nothing(world: World) -> None:
    """In one delivery again, and as a message sent again: its event has the same id and time."""
    await send(world, GRANT)
    before = (world.account("acme"), list(world.store.entries))
    await send(world, GRANT)
    world.pass_time(3600)
    await send(world, dict(reversed(GRANT.items())) | {"why": None})
    assert (world.account("acme"), world.store.entries) == before
    first, again = world.messenger.commanded
    assert first == again
    assert len(world.messenger.dropped) == 1


@pytest.mark.parametrize(
    "other", [{"credits": 6}, {"by": "eve"}, {"why": "x"}, {"type": "revoke"}, {"issued_at": "2026-11-21T00:00:00Z"}]
)
async def test_the_same_id_with_other_content_is_refused_by_name(world: World, other: dict[str, Any]) -> None:
    """Nothing changes, the first answer stays, and the refusal is no event of the first command."""
    await send(world, GRANT)
    before = (world.account("acme"), list(world.store.entries), dict(world.commands.records))
    await send(world, GRANT | other)
    assert (world.account("acme"), world.store.entries, world.commands.records) == before
    first, second = world.messenger.commanded
    assert said(second) == ("refused", "IDEMPOTENCY_MISMATCH")
    assert first.event_id != second.event_id
    assert "c1 was used before" in second.answer.text
    await send(world, GRANT, START + timedelta(seconds=1))
    assert said(world.messenger.commanded[-1]) == ("applied", None)
    await send(world, GRANT | {"account_id": "other"})
    assert world.account("other").available == 5  # an id is unique within its account only


async def test_a_revoke_takes_what_is_available_and_no_more(world: World) -> None:
    """In the order of arrival; a refusal is recorded, so the same command later is refused too."""
    await send(world, of("revoke", "r0", credits=1))
    await send(world, GRANT)
    await send(world, of("revoke", "r1", credits=3, why="by mistake"))
    await send(world, of("revoke", "r2", credits=6))
    await send(world, of("revoke", "r3", credits=1))
    await send(world, GRANT | {"command_id": "c2", "credits": 100})
    await send(world, of("revoke", "r3", credits=1), START + timedelta(seconds=9))
    await send(world, of("revoke", "r2", credits=6), START + timedelta(seconds=9))
    assert world.account("acme").available == 100
    taken = [(entry.available, entry.by, entry.why) for entry in world.store.entries if entry.move is Move.REVOKE]
    assert taken == [(-3, "operator:ops", "by mistake"), (-2, "operator:ops", ""), (0, "operator:ops", "")]
    partly = [event.to_json()["data"]["note"] for event in world.messenger.commanded if event.command_id == "r2"]
    assert partly == ["2 credits of 6 were available and are revoked."] * 2
    no, yes = ("refused", "NOT_ENOUGH_CREDITS"), ("applied", None)
    assert answers(world) == [("refused", "NO_ACCOUNT"), yes, yes, yes, no, yes, no, yes]


async def test_what_was_decided_is_not_tried_again(world: World) -> None:
    """A grant whose ledger entry was lost by hand is not made again by an old message."""
    await send(world, GRANT)
    world.store.entries.clear()
    before = world.account("acme")
    await send(world, GRANT, START + timedelta(days=1))
    assert world.account("acme") == before
    assert world.store.entries == []
    assert answers(world) == [("applied", None)] * 2


async def test_a_revoke_of_everything_that_a_crash_cut_off_is_completed(world: World) -> None:
    """Nothing is available any more at its next delivery, because it was this command that took it."""
    await worker.grant(world.deps, "acme", 2, grant_id="welcome")
    real = world.commands.settle

    async def crash(*_: object) -> Any:
        raise _CrashError

    world.commands.settle = crash  # type: ignore[assignment,method-assign]  # once
    with pytest.raises(_CrashError):
        await send(world, of("revoke", credits=2))
    world.commands.settle = real  # type: ignore[method-assign]  # the next worker
    await send(world, of("revoke", credits=2))
    assert world.account("acme").available == 0
    assert answers(world) == [("applied", None)]


async def test_plan_and_limit_are_set_without_a_credit(world: World) -> None:
    """The first command opens the account, a limit is taken away again, an unknown plan is refused."""
    await send(world, of("set_plan", "p1", plan="basic"))
    assert (world.account("acme").plan, world.account("acme").granted) == ("basic", 0)
    await send(world, of("set_limit", "l1", limit_id="daily", window="day", credits=0))
    assert [limit.amount for limit in world.account("acme").limits] == [0]
    await send(world, of("remove_limit", "l2", limit_id="daily"))
    assert not world.account("acme").limits
    await send(world, of("set_plan", "p2", plan="gold"))
    assert world.account("acme").plan == "basic"
    assert answers(world) == [("applied", None)] * 3 + [("refused", "UNKNOWN_PLAN")]
    assert {entry.move for entry in world.store.entries} == {Move.SET_PLAN, Move.SET_LIMIT, Move.REMOVE_LIMIT}


#: Commands for two settings, two with the same time, one from a clock that is wrong, one that says no time.
SETTINGS = (
    (of("set_plan", "a", plan="basic", issued_at="2026-11-21T11:00:00Z"), 40),
    (of("set_plan", "b", plan="premium", issued_at="2026-11-21T11:00:00Z"), 30),
    (of("set_plan", "c", plan="free", issued_at="2999-01-01T00:00:00Z"), -7200),
    (of("set_limit", "d", limit_id="daily", window="day", credits=7), 20),
    (of("remove_limit", "e", limit_id="daily", issued_at="2026-11-21T11:59:00Z"), 50),
)


@pytest.mark.parametrize("order", list(itertools.permutations(range(5))), ids=str)
async def test_commands_for_one_setting_leave_the_same_setting_in_any_order(order: tuple[int, ...]) -> None:
    """All 120 orders: the time of the message is what a copy carries, so deferring does not change it."""
    world = World()
    for number in order:
        body, came_s = SETTINGS[number]
        came = START + timedelta(seconds=came_s)
        copy = Envelope("copy", deferrals=2, since=came, enqueued_at=START + timedelta(hours=number))
        await send(world, body, envelope=copy if number % 2 else Envelope("m", enqueued_at=came))
    account = world.account("acme")
    assert (account.plan, [limit.amount for limit in account.limits], account.granted) == ("premium", [7], 0)
    found = answers(world)
    assert {each for each in found if each[0] == "superseded"} <= {("superseded", "NEWER_COMMAND")}
    assert len(found) == 5


async def test_a_command_that_was_overtaken_while_it_was_applied_is_not_saved_late(world: World) -> None:
    """The newer one comes between the read of the account and its save."""
    real = world.store.post

    async def overtaken(*saved: Any) -> None:
        world.store.post = real  # type: ignore[method-assign]  # once
        await send(world, of("set_plan", "new", plan="premium", issued_at="2026-11-21T11:30:00Z"))
        await real(*saved)

    world.store.post = overtaken  # type: ignore[assignment,method-assign]  # as a rival
    await send(world, of("set_plan", "old", plan="basic", issued_at="2026-11-21T11:00:00Z"))
    assert world.account("acme").plan == "premium"
    assert answers(world) == [("applied", None), ("superseded", "NEWER_COMMAND")]


@pytest.mark.parametrize("body", [GRANT, of("set_plan", "c1", plan="basic"), of("revoke", "c1", credits=2)], ids=str)
@pytest.mark.parametrize("effect", ["claim", "post", "settle", "publish"])
@pytest.mark.parametrize("after", [False, True])
async def test_a_command_that_a_crash_cuts_off_is_completed_by_its_next_delivery(
    body: dict[str, Any], effect: str, *, after: bool
) -> None:
    """Before and after every effect: applied once, with one event."""
    world = World()
    await worker.grant(world.deps, "acme", 10, grant_id="welcome")
    port: Any = {"post": world.store, "publish": world.messenger}.get(effect, world.commands)
    real = getattr(port, effect)

    async def crash(*args: Any, **named: Any) -> None:
        if after:
            await real(*args, **named)
        raise _CrashError

    setattr(port, effect, crash)
    with pytest.raises(_CrashError):
        await send(world, body)
    setattr(port, effect, real)
    await send(world, body)
    account = world.account("acme")
    want = {"grant": (15, 15, ""), "set_plan": (10, 10, "basic"), "revoke": (10, 8, "")}[body["type"]]
    assert (account.granted, account.available, account.plan) == want
    assert answers(world) == [("applied", None)]
    assert len(world.store.entries) == 2


class _CrashError(Exception):
    """The worker died."""


async def test_while_the_tables_are_down_a_command_is_deferred_without_an_end(world: World) -> None:
    """The copy says when the command came, and has an id of its own."""
    real = world.commands.claim

    async def down(*_: object) -> Any:
        raise Unavailable(Dependency.TABLES, "the test has taken it down")

    world.commands.claim = down  # type: ignore[assignment,method-assign]  # an outage
    await send(world, GRANT)
    (sent,) = world.messenger.commands
    assert (sent.envelope.deferrals, sent.envelope.since) == (1, START)
    assert sent.at is not None
    world.pass_time(30 * 24 * 3600)
    await send(world, sent.command.to_json(), envelope=replace(sent.envelope, enqueued_at=world.now()))
    assert world.messenger.commands[1].envelope.message_id != sent.envelope.message_id
    assert world.messenger.commands[1].envelope.since == START
    world.commands.claim = real  # type: ignore[method-assign]  # it is over
    await send(world, sent.command.to_json(), envelope=world.messenger.commands[1].envelope)
    assert world.account("acme").available == 5
    assert answers(world) == [("applied", None)]


async def test_garbage_is_archived_and_refused_as_far_as_it_can_be_answered(world: World) -> None:
    """A message without a readable id is archived alone; nothing is recorded, so the id stays free."""
    for raw in (b"", b"\xff", b"[]", b"x" * (COMMAND_BYTES + 1), b'{"type": "grant"}'):
        await send(world, raw)
    assert world.messenger.commanded == []
    assert len(world.blobs.dead_letters) == 5
    await send(world, GRANT | {"credits": -5})
    await send(world, GRANT | {"credits": True, "account_id": 7})
    first, second = world.messenger.commanded
    assert answers(world) == [("refused", "INVALID_COMMAND")] * 2
    assert first.to_json()["data"]["reason"]["text"] == "credits must be a whole number from 1 to 1000000000"
    assert second.to_json()["data"]["account_id"] == 7
    assert (world.store.saved_accounts, world.commands.records) == ({}, {})
    await send(world, GRANT)
    assert answers(world) == [("applied", None)]


async def test_a_dead_letter_is_archived_and_the_same_message_again_completes_it(world: World) -> None:
    """Failed, as long as nothing is decided; what was decided is published again."""
    raw = json.dumps(GRANT).encode()
    await dead_letter_command(world.deps, parse_command(raw), raw, QUEUE)
    assert answers(world) == [("failed", "DEAD_LETTERED")]
    assert len(world.blobs.dead_letters) == 1
    assert world.store.saved_accounts == {}
    await send(world, GRANT, START + timedelta(seconds=1))
    assert answers(world) == [("applied", None)]
    world.messenger.forget_ids()
    await dead_letter_command(world.deps, parse_command(raw), raw, QUEUE)
    assert answers(world) == [("applied", None)]
    await dead_letter_command(world.deps, parse_command(b"garbage"), b"garbage", QUEUE)
    assert answers(world) == []
    assert len(world.blobs.dead_letters) == 2


async def test_a_dead_letter_of_another_content_is_no_failure_of_the_command_that_was_applied(world: World) -> None:
    """Its id was used before: it is refused by name, with a digest of its own in the event's id."""
    await send(world, GRANT)
    other = json.dumps(GRANT | {"credits": 7}).encode()
    world.messenger.commanded.clear()
    await dead_letter_command(world.deps, parse_command(other), other, QUEUE)
    (event,) = world.messenger.commanded
    assert said(event) == ("refused", "IDEMPOTENCY_MISMATCH")
    assert event.event_id != "command//acme/c1/refused"
    assert world.account("acme").granted == 5


async def test_a_revoke_of_a_grant_that_has_nothing_says_so(world: World) -> None:
    """The account has credits: its id is misspelt, or the grant is spent."""
    await send(world, GRANT)
    await send(world, of("revoke", "r1", credits=5, grant_id="misspelt"))
    assert world.messenger.commanded[-1].answer.text == (
        "The account has no available credits of this grant. Nothing was changed."
    )
    assert answers(world)[-1] == ("refused", "NOT_ENOUGH_CREDITS")
    assert world.account("acme").available == 5


async def test_every_field_of_a_command_does_what_it_says(world: World) -> None:
    """Expiry and priority of a grant, one grant's credits, all settings, limits of users and in USD, and a refund."""
    until = "2026-12-01T00:00:00Z"
    await send(world, GRANT | {"expires_at": until, "priority": 3, "credits": 9})
    await send(world, of("grant", "c2", credits=4))
    await send(world, of("revoke", "r", credits=99, grant_id="c2"))
    await send(world, of("set_account", "a", name="Acme", zone="Europe/Berlin", approvers=["eve"]))
    await send(world, of("set_plan", "p", plan="basic", allowance="prorated"))
    usd = {"limit_id": "budget", "window": "month", "usd_micros": 5_000_000, "effect": "warn"}
    await send(world, of("set_limit", "l1", **usd))
    await send(
        world, of("set_limit", "l2", limit_id="own", window="rolling_24h", credits=3, scope="user", user_id="bob")
    )
    await send(world, of("set_limit", "l3", limit_id="own", window="day", credits=3, scope="user", user_id="acme"))
    await send(world, of("suspend", "s", reason="unpaid"))
    world.pass_time(1)
    await send(world, of("reactivate", "t"))
    account = world.account("acme")
    ((bucket),) = account.buckets
    assert (bucket.terms.priority, bucket.available, account.revoked) == (3, 9, 4)
    assert (account.name, account.zone, account.approvers, account.plan) == ("Acme", "Europe/Berlin", ("eve",), "basic")
    assert [(each.limit_id, each.amount, each.unit.value) for each in account.limits] == [
        ("budget", 5_000_000, "usd_micros")
    ]
    assert [each.limit_id for each in world.store.saved_users["acme", "bob"].limits] == ["own"]
    assert [(each.limit_id, each.scope) for each in account.own_limits] == [("own", Scope.USER)]
    assert account.suspended_for == ""
    await world.ask(Key("bob", "one", "acme"))
    world.replicate.succeed(world.replicate.only_id)
    await world.webhook(world.replicate.only_id)
    await send(world, of("refund", "f", credits=1, generation_id="one", user_id="bob"))
    assert world.account("acme").captured == 0
    assert {outcome for outcome, _ in answers(world)} == {"applied"}
    world.books_balance()
