"""The road that the stack's tests use: users, messages, faults, and the state afterwards.

Rules of this file:
1. Every prompt is new, so that a fault of the simulator means one generation, and tests run in any order.
2. A test waits for something that happens (an event, a step in the host's log), never for time to pass.
3. Accounts, ledgers and generations are read back from Azurite, through the adapters of this process.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx

from dev import process
from dev.app import App
from dev.azurite import Azurite
from dev.stack import Running, Stack
from shared import worker
from shared.adapters.net.tls import tls_context
from shared.core.keys import Key, row_key
from shared.core.lifecycle.generation import AnyGeneration, Generation
from shared.core.money.entries import Move
from shared.core.requests.messages import CancelRequest
from shared.ports import Dependencies

#: Stands in every prompt, and nowhere else: so a log that holds a prompt is found out.
PROMPT_MARK = "kingfisher"

#: How long a step of the host may take on a busy machine.
PATIENCE_S = 30.0

ScreeningRecord = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Ground:
    """What all stacks of the tests share: a fork server, and an Azurite of which each stack has an account."""

    starter: process.Starter
    azurite: Azurite
    accounts: Iterator[str]

    def storage(self) -> Azurite:
        """An account that nobody else has, without a table."""
        return self.azurite.of(next(self.accounts))


class HostLog:
    """Every line that the host logs, and a way to wait for one."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._records: list[ScreeningRecord] = []
        self._came = asyncio.Event()

    def read(self, line: str) -> None:
        """Take one line of the log."""
        self.lines.append(line)
        try:
            self._records.append(json.loads(line))
        except ValueError:
            return  # what is no JSON is not the logger's; it is kept in ``lines``
        came, self._came = self._came, asyncio.Event()
        came.set()

    def find(self, fits: Callable[[ScreeningRecord], bool]) -> list[ScreeningRecord]:
        """The matching records, oldest first."""
        return [record for record in self._records if fits(record)]

    async def wait(self, fits: Callable[[ScreeningRecord], bool], count: int = 1) -> ScreeningRecord:
        """The ``count``-th matching record, as soon as it is logged."""
        async with asyncio.timeout(PATIENCE_S):
            while len(found := self.find(fits)) < count:
                await self._came.wait()
        return found[count - 1]

    def steps(self, key: Key, name: str = "") -> list[ScreeningRecord]:
        """The steps of a generation; of one name if it is given."""
        return self.find(step(key, name))

    async def step(self, key: Key, name: str, count: int = 1) -> ScreeningRecord:
        """The ``count``-th step of this name, as soon as it is logged."""
        return await self.wait(step(key, name), count)

    def failures(self) -> list[ScreeningRecord]:
        """The failed invocations, and all other errors."""
        return self.find(lambda record: record["level"] in {"ERROR", "CRITICAL"})


def step(key: Key, name: str = "") -> Callable[[ScreeningRecord], bool]:
    """Returns a filter for the steps of one generation; of one name if it is given."""

    def fits(record: ScreeningRecord) -> bool:
        mine = key.properties.items() <= record.items()
        return mine and "step" in record and (not name or record["step"] == name)

    return fits


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of one generation: its event, and its saved state."""

    key: Key
    event: Mapping[str, Any]
    saved: AnyGeneration

    @property
    def generation(self) -> Generation:
        """The generation, which has opened."""
        assert isinstance(self.saved, Generation)
        return self.saved

    @property
    def reason(self) -> str | None:
        """The reason code of the event."""
        code: str | None = (self.event["data"]["reason"] or {}).get("code")
        return code

    @property
    def credits(self) -> tuple[int, int, int]:
        """Credits held, captured and released, from the event."""
        credits_of_event = self.event["data"]["credits"]
        return credits_of_event["held"], credits_of_event["captured"], credits_of_event["released"]


@dataclass(frozen=True, slots=True)
class Road:
    """A running stack with an app in front of it, and the two simulators' switches."""

    stack: Stack
    app: App
    log: HostLog
    replicate: httpx.AsyncClient
    safety: httpx.AsyncClient
    #: One send at a time: a sender of the SDK is not made for more.
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def deps(self) -> Dependencies:
        """The dependencies on the real adapters, in this process."""
        return self.stack.app.deps

    # Before.

    async def user(self, credits: int = 10) -> str:  # noqa: A002  # the product's word
        """A new user with credits, on the premium plan."""
        user = f"user-{uuid4().hex[:10]}"
        await worker.grant(self.deps, user, credits, grant_id="welcome")
        await worker.set_plan(self.deps, user, "premium", worker.Command(command_id="welcome"))
        return user

    async def message(self, **fields: Any) -> dict[str, Any]:
        """A message of a new user, with a unique prompt."""
        made = {
            "generation_id": uuid4().hex,
            "user_id": fields.pop("user_id", None) or await self.user(),
            "prompt": f"A {PROMPT_MARK} over water, number {uuid4().hex}",
            "model": "flux-schnell",
        }
        return made | fields

    async def fault(self, kind: str, message: Mapping[str, Any], **more: Any) -> None:
        """Let the Replicate simulator misbehave for this message's prompt."""
        fault = {"kind": kind, "match": {"prompt_contains": message["prompt"]}, **more}
        (await self.replicate.post("/_sim/faults", json=fault)).raise_for_status()

    # The walk.

    async def send(self, body: Mapping[str, Any] | bytes, message_id: str | None = None) -> None:
        """Send a message to the request queue."""
        async with self._turn:
            await self.app.send(body, message_id)

    async def cancel(self, key: Key) -> None:
        """Send the user's cancel."""
        await self.send(CancelRequest(key).to_json())

    async def generate(self, fault: str = "", params: Mapping[str, Any] | None = None, **fields: Any) -> Outcome:
        """Send a message, with a fault if one is named, and wait for its event."""
        message = await self.message(**fields)
        if fault:
            await self.fault(fault, message, **(params or {}))
        return await self.outcome(message)

    async def outcome(self, message: Mapping[str, Any]) -> Outcome:
        """Send this message, and wait for its event."""
        await self.send(message)
        return await self.ended(key_of(message))

    async def ended(self, key: Key) -> Outcome:
        """Wait for the event of a generation."""
        event = await self.app.event(key.generation_id, PATIENCE_S)
        return Outcome(key, event, await self.saved(key))

    # Afterwards.

    async def generation(self, key: Key) -> Generation:
        """The saved generation, which has opened."""
        found = await self.saved(key)
        assert isinstance(found, Generation)
        return found

    async def saved(self, key: Key) -> AnyGeneration:
        """What is saved under a key, opened or not."""
        loaded = await self.deps.store.load(key)
        assert loaded.generation is not None
        return loaded.generation

    async def balances(self, user: str) -> tuple[int, int, int]:
        """The available, held and captured credits."""
        account, _ = await self.deps.store.load_account(user)
        assert account is not None
        return account.available, account.held, account.captured

    async def moves(self, key: Key) -> list[Move]:
        """The ledger entries of one generation."""
        ledger = self.deps.store.ledger(key.account_id)
        return [entry.move async for entry in ledger if entry.entry_id == row_key(key)]

    async def books_balance(self, user: str) -> None:
        """Assert that the account is the sum of its ledger, and that nothing is held for what has ended."""
        account, _ = await self.deps.store.load_account(user)
        assert account is not None
        entries = [entry async for entry in self.deps.store.ledger(user)]
        for name in ("granted", "available", "held", "captured", "expired", "revoked"):
            assert getattr(account, name) == sum(getattr(entry, name) for entry in entries), name
        assert account.held == 0

    async def closed(self, key: Key) -> None:
        """Wait until the index row is deleted, which is the last act of a generation, after its event."""
        async with asyncio.timeout(PATIENCE_S):
            while await self.deps.index.get(key) is not None:  # noqa: ASYNC110  # a table notifies nobody
                await asyncio.sleep(0.05)

    async def predictions(self, prompt: str) -> list[dict[str, Any]]:
        """The predictions that the simulator really created for a prompt, oldest first."""
        made = (await self.replicate.get("/_sim/predictions")).json()
        return [each for each in made if each["input"].get("prompt") == prompt]

    async def paid_once(self, outcome: Outcome, prompt: str, captured: int = 1) -> None:
        """Assert one picture and one charge: in the event, the account, the ledger and at Replicate."""
        assert outcome.event["type"] == "darkroom.generation.succeeded", outcome.event
        assert outcome.credits[1] == captured
        assert (await self.balances(outcome.key.account_id))[1:] == (0, captured)
        assert await self.moves(outcome.key) == [Move.HOLD, Move.RESOLVE]
        assert len(await self.predictions(prompt)) == 1
        await self.books_balance(outcome.key.account_id)
        await self.closed(outcome.key)

    async def paid_nothing(self, outcome: Outcome) -> None:
        """Assert that no credit was captured and no output is left."""
        held, captured, released = outcome.credits
        assert (captured, released) == (0, held)
        available, still_held, spent = await self.balances(outcome.key.account_id)
        assert (still_held, spent) == (0, 0)
        assert available > 0
        assert not isinstance(outcome.saved, Generation) or not outcome.saved.outputs
        await self.books_balance(outcome.key.account_id)
        await self.closed(outcome.key)


def key_of(message: Mapping[str, Any]) -> Key:
    """The key of a message."""
    return Key(message["user_id"], message["generation_id"], message.get("account_id", ""))


def later(deps: Dependencies, seconds: float) -> Dependencies:
    """The same dependencies with a clock that is this many seconds ahead."""
    return replace(deps, now=lambda: datetime.now(UTC) + timedelta(seconds=seconds))


@asynccontextmanager
async def open_road(ground: Ground, overrides: Mapping[str, str] | None = None) -> AsyncIterator[Road]:
    """A road on a stack of its own."""
    log = HostLog()
    running = Running(overrides, on_log=log.read, storage=ground.storage(), starter=ground.starter)
    async with (
        running as stack,
        App(stack) as app,
        httpx.AsyncClient(base_url=stack.replicate_url, timeout=10, verify=tls_context()) as replicate,
        httpx.AsyncClient(base_url=stack.content_safety_url, timeout=10, verify=tls_context()) as safety,
    ):
        await set_out(replicate)
        yield Road(stack, app, log, replicate, safety)


async def set_out(replicate: httpx.AsyncClient) -> None:
    """Let the simulator be quick: nothing here is about how long a prediction runs, or what a picture is of."""
    for path, value in (("run_time", {"start_s": 0.1, "run_s": 0.2}), ("pictures", {"mode": "plain"})):
        (await replicate.post(f"/_sim/{path}", json=value)).raise_for_status()


def milliseconds(since: float) -> float:
    """Milliseconds since a ``time.perf_counter()``."""
    return (time.perf_counter() - since) * 1000
