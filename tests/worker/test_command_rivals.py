"""A worker that was taken for dead goes on with a command that another has answered: what is refused stays undone."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest

from dev.fakes.accounts import daily
from dev.fakes.messenger import COMMANDS as QUEUE
from dev.fakes.world import KEY, World
from dev.simulation.effects import Fault, Mode, watched
from shared import worker
from shared.core.commands.parsing import parse_command
from shared.core.events.command_event import CommandOutcome
from shared.core.money.limits import Effect
from shared.ports import Envelope
from shared.worker.account_commands import handle_command


@dataclass(frozen=True)
class Case:
    """A command that is refused at first, what makes it possible later, and whether it was made."""

    body: Mapping[str, Any]
    before: Callable[[World], Awaitable[None]]
    later: Callable[[World], Awaitable[None]]
    made: Callable[[World], bool]


async def _nothing(_: World) -> None:
    """Nobody has an account."""


async def _an_account(world: World) -> None:
    await world.open_account()


async def _asked(world: World) -> None:
    await world.open_account()
    await world.ask()


async def _paid(world: World) -> None:
    world.replicate.succeed(world.replicate.only_id)
    await world.webhook(world.replicate.only_id)


async def _limited(world: World) -> None:
    await world.open_account()
    world.store.put_account(replace(world.account(), limits=(replace(daily(0), effect=Effect.APPROVE),)))


async def _full(world: World) -> None:
    await world.open_account()
    for number in range(99):
        await worker.grant(world.deps, "ada", 1, grant_id=f"g{number}")


async def _spent(world: World) -> None:
    await worker.revoke(world.deps, "ada", 1, worker.Command(command_id="r"), grant_id="g5")


def _made(kind: str) -> Callable[[World], bool]:
    return lambda world: any((entry.move, entry.entry_id) == (kind, "c1") for entry in world.store.entries)


def _decided(world: World) -> bool:
    found = world.store.saved_generations.get(KEY)
    approval = found.approval if found is not None else None
    return approval is not None and approval.decision_of("c1") is not None


CASES: Mapping[str, Case] = {
    "revoke before the account": Case({"type": "revoke", "credits": 3}, _nothing, _an_account, _made("revoke")),
    "refund before the end": Case(
        {"type": "refund", "credits": 1, "generation_id": KEY.generation_id}, _asked, _paid, _made("refund")
    ),
    "grant beyond the buckets": Case({"type": "grant", "credits": 3}, _full, _spent, _made("grant")),
    "approve before the request": Case(
        {"type": "approve", "generation_id": KEY.generation_id, "limit_id": "daily", "max_credits": 2},
        _limited,
        lambda world: world.ask(),
        _decided,
    ),
    "deny before the request": Case(
        {"type": "deny", "generation_id": KEY.generation_id}, _limited, lambda world: world.ask(), _decided
    ),
}


async def deliver(world: World, case: Case, fault: Fault | None = None) -> None:
    """One delivery of the command."""
    body = {"command_id": "c1", "account_id": "ada", "by": "operator:kim", **case.body}
    deps = watched(world.deps, fault) if fault else world.deps
    message = parse_command(json.dumps(body).encode())
    await handle_command(deps, message, Envelope("m", enqueued_at=world.now()), QUEUE)


@pytest.mark.parametrize("name", CASES)
async def test_a_worker_that_was_taken_for_dead_makes_nothing_that_was_refused(name: str) -> None:
    """It stands still before each of its effects; the next delivery is refused; then it could be done; then it wakes.

    Whatever was made, every event says so, and the record too.
    """
    case, outcomes, at = CASES[name], set(), 0
    while True:
        at += 1
        world = World()
        await case.before(world)
        fault = Fault(at, Mode.DOUBLE)

        async def meanwhile(_: Mode, world: World = world) -> None:
            await deliver(world, case)
            await case.later(world)

        fault.meanwhile = meanwhile
        await deliver(world, case, fault)
        said = {event.answer.outcome for event in world.messenger.commanded}
        (record,) = world.commands.records.values()
        assert record.answer is not None
        assert said == {record.answer.outcome}, at
        assert case.made(world) == (record.answer.outcome is CommandOutcome.APPLIED), at
        outcomes |= said
        world.books_balance()
        if not fault.struck:
            break
    assert CommandOutcome.REFUSED in outcomes
    assert at > 4


async def test_what_a_worker_that_was_taken_for_dead_has_made_is_what_is_answered() -> None:
    """The other one found that it cannot be done, and then, that it is done: its answer comes from the ledger."""
    world, case = World(), CASES["revoke before the account"]
    fault = Fault(3, Mode.DOUBLE)

    async def meanwhile(_: Mode) -> None:
        await world.open_account()
        await worker.revoke(world.deps, "ada", 3, worker.Command(command_id="c1", by="operator:kim"))

    fault.meanwhile = meanwhile
    names = Fault()
    await deliver(World(), case, names)
    assert names.names[:3] == ["commands.claim", "store.load_account", "commands.settle"]
    await deliver(world, case, fault)
    assert [event.answer.outcome for event in world.messenger.commanded] == [CommandOutcome.APPLIED]
    assert world.balances()[0] == 7


async def test_an_id_that_a_move_has_already_is_refused_and_recorded() -> None:
    """An operator's grant on the command line has the id: nothing is made twice, and the refusal is an answer."""
    world = World()
    await world.open_account()
    await worker.grant(world.deps, "ada", 1, grant_id="c1")
    case = Case({"type": "grant", "credits": 3}, _nothing, _nothing, _made("grant"))
    for _ in range(2):
        await deliver(world, case)
    assert [event.answer.outcome for event in world.messenger.commanded] == [CommandOutcome.REFUSED]
    assert world.balances()[0] == 11


async def test_an_id_of_a_refused_command_is_no_id_for_the_command_line() -> None:
    """It would be answered as refused and be made. Another id is asked for."""
    world, case = World(), CASES["revoke before the account"]
    await deliver(world, case)
    await world.open_account()
    with pytest.raises(ValueError, match="'c1' is of a command that was refused: use another id"):
        await worker.revoke(world.deps, "ada", 1, worker.Command(command_id="c1"))
    assert world.balances()[0] == 10
