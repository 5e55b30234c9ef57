"""Darkroom under the load: requests over AMQP at accounts that each have room for a few, and their ledgers read back.

Rules of this file:
1. There is an account for each kind of bound. What is not the bound of an account is plenty there.
2. A sender has a connection of its own. All senders send to the same account at the same time.
3. The limits count rolling 24 hours, so that no midnight makes room in between.
4. The figures are read from the ledger: the sum of its holds and ends after each entry.
"""

import asyncio
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import httpx
from azure.servicebus import ServiceBusMessage
from azure.servicebus.aio import ServiceBusClient

from dev.app import App
from dev.budget.figures import OURS, Figure, Load
from dev.stack import Stack
from shared import worker
from shared.adapters.net.tls import tls_context
from shared.core.money.entries import LedgerEntry, Move
from shared.core.money.limits import Limit, Scope, Unit
from shared.core.money.windows import Span
from shared.ports import Dependencies

#: One credit, and a price for each image: so every bound has room for whole generations.
MODEL = "flux-schnell"


class NotDoneError(Exception):
    """The load did not end in time, or the books do not balance; the text says how."""


@dataclass(frozen=True, slots=True)
class Case:
    """One account: what bounds it, who asks, and its limit, if its bound is one."""

    bound: str
    account_id: str
    user_id: str
    limit: Limit | None = None

    @property
    def mark(self) -> str:
        """Stands in each of its prompts, and in no other."""
        return f"mark {self.account_id}"

    def message(self) -> dict[str, Any]:
        """A request that costs one credit."""
        return {
            "generation_id": uuid4().hex,
            "user_id": self.user_id,
            "account_id": self.account_id,
            "prompt": f"A lighthouse, {self.mark}, number {uuid4().hex}",
            "model": MODEL,
        }


def cases(room: int, usd_micros: int) -> list[Case]:
    """An account for each kind of bound (rules 1 and 3). ``usd_micros`` is the price of one generation."""
    run = uuid4().hex[:8]
    credits_ = Limit(limit_id="rolling", window=Span.ROLLING_24H, amount=room)
    limits = {
        "balance": None,
        "limit of the account": credits_,
        "limit of a user": replace(credits_, scope=Scope.USER),
        "limit in USD": replace(credits_, unit=Unit.USD, amount=room * usd_micros),
    }
    names = {bound: f"{bound.replace(' ', '-')}-{run}" for bound in limits}
    return [
        Case(bound, name, f"kim-{run}" if bound == "limit of a user" else name, limits[bound])
        for bound, name in names.items()
    ]


async def fired(stack: Stack, app: App, load: Load, most_s: float) -> list[Figure]:
    """Fire the load at each account and read back what became of it. ``app`` hears the events."""
    deps = stack.app.deps
    price = sum(price.usd_micros for price in deps.catalog.models[MODEL].prices)
    accounts = cases(load.room, price)
    for case in accounts:
        await _open(deps, case, load)
    rows = [[case.message() for case in accounts] for _ in range(load.requests)]
    await _send(stack, rows, load.senders)
    await _answered(app, {message["generation_id"] for row in rows for message in row}, most_s)
    async with httpx.AsyncClient(base_url=stack.replicate_url, timeout=60) as replicate:
        made = (await replicate.get("/_sim/predictions")).json()
    return [await _figure(deps, case, load, price, made) for case in accounts]


def most_used(entries: Iterable[LedgerEntry], usd_micros: int = 0) -> int:
    """The most that was used or held after any entry: in credits, or in generations of this price (rounded up)."""
    used = most = 0
    for entry in entries:
        used += entry.usd_micros if usd_micros else entry.held + entry.captured
        most = max(most, used)
    return -(-most // usd_micros) if usd_micros else most


async def _open(deps: Dependencies, case: Case, load: Load) -> None:
    credits_ = load.room if case.limit is None else load.requests + load.room
    await worker.grant(deps, case.account_id, credits_, grant_id="budget")
    if case.limit is not None:
        user_id = case.user_id if case.limit.scope is Scope.USER else ""
        command = worker.Command(command_id="budget")
        await worker.set_limit(deps, case.account_id, case.limit, command, user_id=user_id)


async def _send(stack: Stack, rows: Sequence[Sequence[Mapping[str, Any]]], senders: int) -> None:
    """Send all messages, from so many connections (rule 2). A row has one for each account, in their order."""

    async def one(mine: Sequence[Mapping[str, Any]]) -> None:
        async with (
            ServiceBusClient.from_connection_string(stack.values["ServiceBus"], ssl_context=tls_context()) as client,
            client.get_queue_sender(stack.values["GENERATION_QUEUE"]) as sender,
        ):
            for body in mine:
                await sender.send_messages(ServiceBusMessage(json.dumps(body).encode(), message_id=uuid4().hex))

    async with asyncio.TaskGroup() as group:
        for number in range(senders):
            group.create_task(one([body for row in rows[number::senders] for body in row]))


async def _answered(app: App, wanted: set[str], most_s: float) -> None:
    """Wait until every request has its event."""
    until = time.monotonic() + most_s
    while missing := len(wanted - app.events.keys()):
        if time.monotonic() > until:
            raise NotDoneError(f"{missing} of {len(wanted)} requests have no event after {most_s:.0f} s")
        await asyncio.sleep(0.2)


async def _figure(deps: Dependencies, case: Case, load: Load, price: int, made: Sequence[Mapping[str, Any]]) -> Figure:
    """Read an account's ledger back (rule 4). Raises NotDoneError if account, ledger and generations differ."""
    entries = sorted([entry async for entry in deps.store.ledger(case.account_id)], key=lambda entry: entry.seq)
    differences = [each async for each in worker.audit(deps, case.account_id)]
    if differences:
        raise NotDoneError(f"the audit of {case.account_id} found: {'; '.join(map(str, differences))}")
    moves = [entry.move for entry in entries]
    return Figure(
        who=OURS,
        bound=case.bound,
        account_id=case.account_id,
        room=load.room,
        sent=load.requests,
        opened=moves.count(Move.HOLD),
        refused=moves.count(Move.ENDED_UNOPENED),
        most_used=most_used(entries, price if case.limit and case.limit.unit is Unit.USD else 0),
        made=sum(case.mark in each["input"].get("prompt", "") for each in made),
    )
