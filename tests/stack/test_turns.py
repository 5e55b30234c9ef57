"""Turns on the local stack: an account beyond its concurrency waits, another one does not, and everything ends."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from shared.core.lifecycle.generation import Received
from shared.core.money.entries import Move
from shared.core.reasons import Reason
from tests.stack.road import Ground, Road, key_of, open_road

pytestmark = pytest.mark.stack

#: So long the picture of each takes at the simulator: parked requests pile up meanwhile.
RUN_S = 1.0


def plans(folder: Path) -> Path:
    """A file of plans of which one has a concurrency."""
    file = folder / "plans.toml"
    file.write_text('version = "two at once"\n[plans.premium]\nconcurrency = 2\n', encoding="utf-8")
    return file


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def tight(ground: Ground, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Road]:
    """A stack of which a plan allows two generations in flight."""
    file = plans(tmp_path_factory.mktemp("plans"))
    async with open_road(ground, {"PLANS_FILE": str(file)}) as road:
        (await road.replicate.post("/_sim/run_time", json={"start_s": 0.1, "run_s": RUN_S})).raise_for_status()
        yield road


async def most_held(road: Road, account_id: str) -> tuple[int, int]:
    """The most holds at once by the ledger, which has each in its order; and how many there were."""
    held = most = made = 0
    async for entry in road.deps.store.ledger(account_id):
        held += (entry.move is Move.HOLD) - (entry.move is Move.RESOLVE)
        made += entry.move is Move.HOLD
        most = max(most, held)
    return most, made


async def test_never_more_than_its_concurrency_and_nobody_else_waits(tight: Road) -> None:
    """Ten requests of an account with a concurrency of two; another account's one request is made meanwhile."""
    account = await tight.user()
    burst = [await tight.message(user_id=account) for _ in range(10)]
    other = await tight.message()
    for message in burst:
        await tight.send(message)
    await tight.send(other)
    await tight.ended(key_of(other))
    waiting = [await tight.deps.store.load(key_of(message)) for message in burst]
    parked = [each.generation for each in waiting if isinstance(each.generation, Received)]
    assert len(parked) >= 4  # when the other one has its picture
    assert {each.reason for each in parked} == {Reason.WAITS_FOR_TURN}

    ended = await asyncio.gather(*(tight.ended(key_of(message)) for message in burst))
    assert {each.event["type"] for each in ended} == {"darkroom.generation.succeeded"}
    assert await most_held(tight, account) == (2, 10)
    assert await tight.balances(account) == (0, 0, 10)
    await tight.books_balance(account)
    for message in burst:
        await tight.closed(key_of(message))


async def test_at_the_end_nothing_is_left_that_waits(tight: Road) -> None:
    """No row of a request, no place, and so no look."""
    async with asyncio.timeout(30):
        while await tight.deps.waiting.places():  # noqa: ASYNC110  # a table notifies nobody
            await asyncio.sleep(0.1)
    assert await tight.deps.index.turns() == []
