"""Limits of the whole app: what several instances open together, what is rebuilt, and what it costs."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from dev.fakes.world import START, World, facts
from shared import worker
from shared.core.commands.acts import AccountCommand
from shared.core.commands.parsing import parse_command
from shared.core.dependency import Dependency
from shared.core.keys import Key
from shared.core.lifecycle.state import State
from shared.core.money.limits import Scope
from shared.core.money.tally import EMPTY, Tally, of_accounts
from shared.core.reasons import Reason
from shared.core.requests.messages import Message
from shared.core.requests.parsing import parse_request
from shared.core.safety.moderation import Assessment
from shared.ports import Dependencies, Envelope, Unavailable
from shared.ports.app_windows import AppUse, TallyRow
from shared.ports.switches import RecentSwitches
from shared.views.generation import GenerationView
from shared.worker.account_commands import handle_command
from shared.worker.app_limits import sum_of

ACCOUNTS = ("ada", "bob", "eve")


async def app(amount: int = 5, **fields: Any) -> World:
    """Three accounts, and a limit of the app for each day."""
    world = World(100)
    for account_id in ACCOUNTS:
        await world.open_account(account_id)
    await limit(world, credits=amount, **fields)
    return world


async def limit(world: World, kind: str = "set_limit", command_id: str = "l1", **fields: Any) -> None:
    """A command for a limit of the app; per day, unless it says otherwise."""
    body: dict[str, object] = {"type": kind, "command_id": command_id, "by": "kim", "scope": "app", "limit_id": "app"}
    command = parse_command(json.dumps(body | ({"window": "day"} if kind == "set_limit" else {}) | fields).encode())
    assert isinstance(command, AccountCommand), command
    await handle_command(world.deps, command, Envelope(command_id, enqueued_at=world.now()), "account-commands")


def instance(world: World) -> Dependencies:
    """Another instance of the same app: it knows nothing yet."""
    return replace(world.deps, app_use=AppUse(), recent_switches=RecentSwitches())


async def asks(world: World, deps: Dependencies, account_id: str, name: str, pictures: int = 1) -> State:
    """A request to one instance. Returns its state."""
    before, world.deps = world.deps, deps
    await world.ask(Key(account_id, name), num_outputs=pictures)
    world.deps = before
    return world.saved(Key(account_id, name)).state


async def used(world: World) -> Tally:
    """What the rows say that the app uses."""
    return sum_of(await world.app_windows.read()).aged(world.now())


def really_used(world: World) -> Tally:
    """What the accounts say."""
    return of_accounts(slot for each in world.store.saved_accounts.values() for slot in each.usage.slots)


async def test_instances_that_know_of_each_other_exceed_nothing() -> None:
    """Two instances, three accounts, 5 credits a day; each reads what the other has written."""
    world = await app()
    one, other = instance(world), instance(world)
    states = []
    for number in range(8):
        states.append(await asks(world, (one, other)[number % 2], ACCOUNTS[number % 3], f"{number}"))
        world.pass_time(5)
    assert states == [State.RUNNING] * 5 + [State.REJECTED] * 3
    refused = world.saved(Key("bob", "7"))
    assert refused.reason is Reason.OVER_LIMIT
    said = "This needs up to 20 %. Used or held: 100 % of the app's limit 'app' per day."
    advice = "Send it again with a new id after 2026-11-22 00:00 UTC, ask for less, or have the limit raised."
    assert refused.text == f"{said} {advice}"
    assert await used(world) == really_used(world)
    closed = [labels for name, _, labels in world.telemetry.counts if name == "darkroom.app_limits_closed"]
    assert closed == [{"limit": "app"}] * 3


async def test_what_is_exceeded_is_what_was_opened_within_five_seconds() -> None:
    """The second instance has just read that nothing is used."""
    world = await app()
    one, other = instance(world), instance(world)
    for deps in (one, other):
        await asks(world, deps, "eve", f"first-{id(deps)}")
    states = [await asks(world, one, "ada", f"{number}") for number in range(3)]
    states += [await asks(world, other, "bob", f"{number}") for number in range(3)]
    assert states.count(State.RUNNING) == 3 + 3
    world.pass_time(4)
    assert await asks(world, other, "bob", "late") is State.REJECTED
    assert sum(each[0] for each in really_used(world).slots.values()) == 8
    assert await used(world) == really_used(world)


async def test_an_instance_exceeds_nothing_by_itself_though_it_reads_only_each_five_seconds() -> None:
    """One read and one write for each opening; what is about to be held counts too."""
    world = await app()
    world.app_windows.reads, one = 0, instance(world)
    states = [await asks(world, one, "ada", f"{number}") for number in range(7)]
    assert states == [State.RUNNING] * 5 + [State.REJECTED] * 2
    assert (world.app_windows.reads, world.app_windows.writes) == (1, 5)


async def test_requests_at_once_in_one_instance_exceed_nothing() -> None:
    """Of accounts that know nothing of each other: all are admitted before the first is saved."""
    world = await app()
    one = instance(world)
    envelope = Envelope("app", enqueued_at=world.now())
    for account_id in ("kim", "lee", "max", "noa"):
        await world.open_account(account_id)
    names = ("ada", "bob", "eve", "kim", "lee", "max", "noa")
    all_admitted, screened = asyncio.Barrier(len(names)), world.screener.text

    async def waits(text: str, plan: str = "") -> Assessment:
        await all_admitted.wait()
        return await screened(text, plan)

    world.screener.text = waits  # type: ignore[method-assign]
    await asyncio.gather(*(worker.handle(one, _request(each, "1"), envelope, "unused") for each in names))
    states = [world.saved(Key(each, "1")).state for each in names]
    assert sorted(states) == [State.REJECTED] * 2 + [State.RUNNING] * 5
    assert await used(world) == really_used(world)


async def test_without_a_limit_of_the_app_nothing_is_read_or_written() -> None:
    """Neither by a generation, nor by its end, nor by the timer."""
    world = World()
    await world.open_account()
    await world.ask()
    world.replicate.succeed(world.replicate.only_id)
    await world.webhook(world.replicate.only_id)
    await world.tick(600)
    assert (world.app_windows.reads, world.app_windows.writes, world.app_windows.rows) == (0, 0, {})


def credits_of(tally: Tally) -> int:
    """The credits of all slots."""
    return sum(each[0] for each in tally.slots.values())


async def test_what_is_given_back_is_free_again() -> None:
    """It counts in the window of the hold, whoever gives it back."""
    world = await app(4)
    assert await asks(world, world.deps, "ada", "1", 4) is State.RUNNING
    world.pass_time(10)
    await world.cancel(Key("ada", "1"))
    await world.settle()
    assert await used(world) == really_used(world) == EMPTY or not await used(world)
    assert await asks(world, world.deps, "bob", "2", 4) is State.RUNNING


async def test_a_row_that_was_folded_is_not_lost() -> None:
    """An instance that was idle for an hour is added to the base; when it wakes, it begins a new row."""
    world = await app(100)
    one = instance(world)
    await asks(world, one, "ada", "1", 2)
    world.pass_time(3700)
    await worker.reconcile(instance(world))
    assert list(world.app_windows.rows) == [""]
    assert await used(world) == really_used(world)
    world.pass_time(10)
    await asks(world, one, "bob", "2", 3)
    assert len(world.app_windows.rows) == 2
    assert await used(world) == really_used(world)


async def test_a_lost_answer_of_a_write_counts_nothing_twice() -> None:
    """The row is there, and the next write finds it changed by itself."""
    world = await app(100)
    one, save = instance(world), world.app_windows.save

    async def loses(row: TallyRow) -> TallyRow:
        await save(row)
        world.app_windows.save = save  # type: ignore[method-assign]  # once
        raise Unavailable(Dependency.TABLES, "the answer was lost")

    world.app_windows.save = loses  # type: ignore[method-assign]
    await asks(world, one, "ada", "1", 2)
    world.app_windows.save = loses  # type: ignore[method-assign]  # once more
    await asks(world, one, "bob", "2", 3)
    await asks(world, one, "eve", "3", 1)
    assert await used(world) == really_used(world)


@pytest.mark.parametrize(("window", "per"), [("day", "per day"), ("rolling_24h", "in 24 hours")])
async def test_a_warning_of_the_app_is_published_once_and_is_in_the_answer(window: str, per: str) -> None:
    """In percent, and the event names no account: no customer reads how much the others use."""
    world = await app(4, effect="warn", window=window)
    one, other = instance(world), instance(world)
    for number in range(6):
        assert await asks(world, (one, other)[number % 2], ACCOUNTS[number % 3], f"{number}") is State.RUNNING
        world.pass_time(5)
    assert [event.notice.step for event in world.messenger.warnings] == [50, 100]
    event = world.messenger.warnings[0].to_json()
    assert (event["subject"], event["data"]["account_id"], event["data"]["limit"]["scope"]) == ("app", None, "app")
    assert all(event.key is None for event in world.messenger.warnings)
    shown = {number: _warnings_of(world, Key(ACCOUNTS[number % 3], f"{number}")) for number in range(6)}
    text = f"50 % of the app's limit 'app' {per} are used or held."
    half = {"limit": {"id": "app", "scope": "app", "window": window}, "percent": 50, "text": text}
    assert (shown[1], [each["percent"] for each in shown[3]]) == ([half], [100])
    assert not any(shown[number] for number in (0, 2, 4, 5))
    ended = Key(ACCOUNTS[1], "1")
    await world.cancel(ended)
    await world.settle()
    assert next(facts(event) for event in world.events if event.key == ended)["limit_warnings"] == [half]
    assert len(world.messenger.warnings) == 2


def _warnings_of(world: World, key: Key) -> list[Any]:
    """The warnings that are shown of a generation."""
    shown: list[Any] = GenerationView(world.generation(key), None).as_json()["limit_warnings"]
    return shown


async def test_a_request_past_a_limit_of_the_app_waits_for_an_operator() -> None:
    """An approver of the account may not let it past."""
    world = await app(1, effect="approve")
    account = world.account("ada")
    world.store.put_account(replace(account, approvers=("ada",)))
    await world.ask(Key("ada", "1"), num_outputs=2)
    assert world.saved(Key("ada", "1")).reason is Reason.APPROVAL_NEEDED
    (event,) = world.messenger.approvals
    assert (event.asked.scope, event.approvers) == (Scope.APP, ())
    with pytest.raises(ValueError, match="no operator"):
        await worker.approve(world.deps, Key("ada", "1"), "app", 2, worker.Command(command_id="a1", by="ada"))
    await worker.approve(world.deps, Key("ada", "1"), "app", 2, worker.Command(command_id="a2", by="operator:kim"))
    await world.pump()
    assert world.generation(Key("ada", "1")).state is State.RUNNING


async def test_tallies_that_cannot_be_read_open_nothing() -> None:
    """The request waits, as for any dependency, and opens once they can be read."""
    world = await app()
    read = world.app_windows.read

    async def fails() -> object:
        raise Unavailable(Dependency.TABLES, "down")

    world.app_windows.read = fails  # type: ignore[method-assign,assignment]
    deps = instance(world)
    await worker.handle(deps, _request("ada", "1"), Envelope("app", enqueued_at=world.now()), "generation-requests")
    assert Key("ada", "1") not in world.store.saved_generations or world.saved(Key("ada", "1")).state is State.RECEIVED
    world.app_windows.read = read  # type: ignore[method-assign]
    world.pass_time(60)
    await world.pump()
    assert world.saved(Key("ada", "1")).state is State.RUNNING


def _request(account_id: str, name: str) -> Message:
    body = {"user_id": account_id, "generation_id": name, "prompt": "A lighthouse", "model": "flux-schnell"}
    return parse_request(json.dumps(body).encode())[0]


async def test_a_limit_that_is_set_later_counts_what_was_used_before() -> None:
    """That of the last 24 h, from the windows of the accounts that moved."""
    world = World(100)
    for account_id in ACCOUNTS:
        await world.open_account(account_id)
        await world.ask(Key(account_id, "before"))
    await limit(world, credits=4)
    assert await used(world) == really_used(world)
    assert await asks(world, instance(world), "ada", "1", 2) is State.REJECTED
    assert await asks(world, instance(world), "ada", "2") is State.RUNNING


async def test_a_limit_that_is_set_again_counts_what_was_used_meanwhile() -> None:
    """Nobody counts while there is none, however short that is. The command waits for nobody."""
    world = await app(4)
    await limit(world, "remove_limit", "l2")
    await asks(world, instance(world), "ada", "1", 3)
    world.pass_time(10)
    before = world.now()
    await limit(world, command_id="l3", credits=4)
    assert world.now() - before <= timedelta(seconds=5)
    assert await used(world) == really_used(world)
    assert await asks(world, instance(world), "bob", "2", 2) is State.REJECTED


async def test_commands_for_a_limit_of_the_app_leave_the_same_in_any_order() -> None:
    """An older one is superseded; the same one again is the same."""
    world = World()
    early, late = START.isoformat(), (START + timedelta(seconds=9)).isoformat()
    world.pass_time(60)
    await limit(world, command_id="b", credits=7, issued_at=late)
    await limit(world, "remove_limit", "a", issued_at=early)
    await limit(world, command_id="b", credits=7, issued_at=late)
    outcomes = [event.answer.outcome.value for event in world.messenger.commanded]
    assert outcomes[:2] == ["applied", "superseded"]
    assert [each.amount for each in world.switches.limits.limits] == [7]
    await limit(world, "remove_limit", "c")
    assert world.switches.limits.limits == ()
    await limit(world, command_id="d", credits=9, issued_at=late)
    assert world.switches.limits.limits == ()


async def test_the_month_remembers_its_days() -> None:
    """A slot that is older than 24 h is in its day, and the week and the month count it."""
    world = await app(10, window="month")
    await asks(world, world.deps, "ada", "1", 4)
    for _ in range(3):
        world.pass_time(86400)
        await worker.reconcile(instance(world))
        await asks(world, world.deps, "bob", f"{world.now():%d}", 1)
    rows = await world.app_windows.read()
    assert sum_of(rows).aged(world.now()).usage(world.now()).calendar[3].credits == 7
    assert await asks(world, instance(world), "eve", "5", 4) is State.REJECTED
