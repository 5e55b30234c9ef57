"""A guard on a scripted Replicate, and its clock."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, BinaryIO

from shared.adapters.replicate.resilience.guarded import RULE, ResilientProvider
from shared.core.keys import Key
from shared.core.lifecycle.attempt import Attempt
from shared.core.provider.guarantees import Kind, PredictionRef
from shared.core.provider.prediction import (
    Created,
    CreateOutcome,
    CreateRefused,
    DeferReason,
    NotCreated,
    OutcomeUnknown,
    Prediction,
    Status,
)
from shared.core.reasons import Reason
from tests.adapters.examples import attempt

KEY = Key("ada", "one")
CREATED = Created(Prediction(prediction_id="prediction", status=Status.STARTING))
UNKNOWN = OutcomeUnknown("answered 503")
NO_CREDIT = NotCreated(DeferReason.NO_CREDIT, 120)
REFUSED = CreateRefused(Reason.PROVIDER_REFUSED, "The model did not accept these settings.")


class Scripted:
    """A Replicate that returns what the test sets, and counts its calls."""

    def __init__(self) -> None:
        self.say: CreateOutcome = CREATED
        self.trouble: Exception | None = None
        self.cut_off: Exception | None = None
        self.creates = 0
        self.asked = 0
        self.hangs = asyncio.Event()
        self.hangs.set()

    async def create(self, key: Key, attempt: Attempt) -> CreateOutcome:
        """Return what the test has set."""
        self.creates += 1
        await self.hangs.wait()
        return self.say

    async def _answer(self) -> Prediction | None:
        self.asked += 1
        await self.hangs.wait()
        if self.trouble is not None:
            raise self.trouble
        return CREATED.prediction

    async def get(self, ref: PredictionRef) -> Prediction | None:
        """Return what the test has set."""
        return await self._answer()

    async def cancel(self, ref: PredictionRef) -> Prediction | None:
        """Return what the test has set."""
        return await self._answer()

    async def recent(self, since: datetime, kind: Kind = Kind.PREDICTION) -> AsyncIterator[Prediction]:
        """Yield one prediction."""
        await self._answer()
        yield CREATED.prediction
        if self.cut_off is not None:
            raise self.cut_off

    async def upload(self, name: str, file: BinaryIO) -> str:
        """Read the file and return its address."""
        await self._answer()
        return f"https://uploads.example/{name}?{len(file.read())}"

    @asynccontextmanager
    async def fetch(self, uri: str, most_bytes: int) -> AsyncIterator[AsyncIterator[bytes]]:
        """Yield two chunks, or one and then what the test has set."""
        await self._answer()
        yield self._chunks()

    async def _chunks(self) -> AsyncIterator[bytes]:
        yield b"pic"
        if self.cut_off is not None:
            raise self.cut_off
        yield b"ture"


@dataclass
class World:
    """A guard on a scripted Replicate, and its clock."""

    replicate: Scripted
    guard: ResilientProvider
    time: list[float]

    async def create(self, *, posts: int = 1, times: int = 1) -> list[CreateOutcome]:
        """Send creates one after the other; returns their outcomes."""
        wanted = replace(attempt(), posts=posts)
        return [await self.guard.create(KEY, wanted) for _ in range(times)]

    async def open(self, say: CreateOutcome = UNKNOWN) -> None:
        """Let creates fail until the circuit is open."""
        self.replicate.say = say
        await self.create(times=RULE.failures)
        assert self.guard.states()["creates"] == "open"
        self.replicate.creates = 0

    async def fetch(self, uri: str = "https://replicate.delivery/out.png") -> bytes:
        """Fetch one output and return its bytes."""
        async with self.guard.fetch(uri, 100) as chunks:
            return b"".join([chunk async for chunk in chunks])


def made(per_minute: float = 60_000, chance: float = 0) -> World:
    """A guard with a fast pace, unless the test sets a slower one."""
    time = [1000.0]
    replicate = Scripted()
    return World(
        replicate,
        ResilientProvider(replicate, creates_per_minute=per_minute, now=lambda: time[0], chance=lambda: chance),
        time,
    )


def why(outcome: CreateOutcome) -> tuple[str, Any]:
    """The reason and the wait of a create that surely made nothing."""
    assert isinstance(outcome, NotCreated)
    return outcome.why, outcome.retry_after_s
