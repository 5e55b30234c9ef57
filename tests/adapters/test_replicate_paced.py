"""The provider that the container makes from the settings, on the Replicate simulator: pace, breaker, pool."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest
import pytest_asyncio

from dev import simulated_replicate
from shared.adapters.replicate.resilience.guarded import RULE, ResilientProvider
from shared.composition.app import App
from shared.config.settings import Settings
from shared.core.keys import Key
from shared.core.provider.breaker import BreakerRule
from shared.core.provider.guarantees import REPLICATE
from shared.core.provider.prediction import Created, CreateOutcome, NotCreated, OutcomeUnknown
from tests.adapters.examples import attempt
from tests.adapters.replicate_clients import ref
from tests.adapters.simulators import closed_port, running

pytestmark = pytest.mark.process

ENV = {
    "ServiceBus": "Endpoint=sb://127.0.0.1;SharedAccessKeyName=n;SharedAccessKey=k",
    "STORAGE_CONNECTION_STRING": "AccountName=account;AccountKey=a2V5",
    "CONTENT_SAFETY_ENDPOINT": "https://safety.example",
    "PUBLIC_URL": "https://darkroom.example",
}

#: 120 a minute on two instances are one a second and a burst of six for each.
SLOW = {"REPLICATE_CREATES_PER_MINUTE": "120", "INSTANCES": "2"}


@dataclass
class Road:
    """A container on the simulator, and the simulator's switches."""

    app: App
    hands: httpx.AsyncClient

    async def create(self, count: int, posts: int = 1) -> list[CreateOutcome]:
        """So many creates at once."""
        wanted = replace(attempt(), posts=posts)
        asked = (self.app.provider.create(Key("ada", f"g{number}"), wanted) for number in range(count))
        return list(await asyncio.gather(*asked))

    async def made(self) -> int:
        """How many predictions there are."""
        return len((await self.hands.get("/_sim/predictions")).json())

    async def fault(self, kind: str, **more: Any) -> None:
        """Let every create from now on go wrong."""
        await self.hands.post("/_sim/faults", json={"kind": kind, "times": -1, **more})

    async def mended(self) -> None:
        """Remove all faults."""
        await self.hands.delete("/_sim/faults")


@pytest_asyncio.fixture(scope="module")
async def simulator() -> AsyncIterator[dict[str, str]]:
    """The Replicate simulator; its predictions wait a minute before they run: nobody hears their webhooks here."""
    async with running("replicate_simulator", *simulated_replicate.arguments()) as ready:
        async with httpx.AsyncClient(base_url=ready["url"], trust_env=False) as hands:
            await hands.post("/_sim/run_time", json={"start_s": 60, "run_s": 1})
        yield ready


@asynccontextmanager
async def road(simulator: Mapping[str, str], **settings: str) -> AsyncIterator[Road]:
    """A container of its own, as a new instance has."""
    url = simulator["url"]
    addresses = {"REPLICATE_API_URL": f"{url}/v1", "REPLICATE_DELIVERY_URL": url}
    secrets = {"REPLICATE_API_TOKEN": simulator["token"], "REPLICATE_WEBHOOK_SECRET": simulator["webhook_secret"]}
    app = App(Settings.from_env({**ENV, **addresses, **secrets, **settings}))
    async with httpx.AsyncClient(base_url=url, trust_env=False) as hands:
        try:
            yield Road(app, hands)
        finally:
            await hands.delete("/_sim/faults")
            await app.close()


def paced(outcomes: list[CreateOutcome]) -> list[float]:
    """The waits of what was not sent, in order."""
    return [each.retry_after_s for each in outcomes if isinstance(each, NotCreated) and each.why == "paced"]


async def test_a_burst_is_paced_and_returns_in_order(simulator: dict[str, str]) -> None:
    """Of twenty at once six are sent; the others get slots one second apart, and are sent when they return then."""
    async with road(simulator, **SLOW) as instance:
        before = await instance.made()
        outcomes = await instance.create(20)
        assert [type(each) for each in outcomes[:6]] == [Created] * 6
        waits = paced(outcomes)
        assert len(waits) == 14
        assert waits == pytest.approx([number + 1 for number in range(14)], abs=0.5)
        assert await instance.made() - before == 6
        await asyncio.sleep(1.1)
        (outcome,) = await instance.create(1, posts=2)
        assert isinstance(outcome, Created)


async def test_each_instance_has_its_part_of_the_limit(simulator: dict[str, str]) -> None:
    """Two of two: together they make what the account may."""
    async with road(simulator, **SLOW) as one, road(simulator, **SLOW) as other:
        outcomes = [*await one.create(20), *await other.create(20)]
        assert len([each for each in outcomes if isinstance(each, Created)]) == 12


async def test_six_a_minute_when_replicate_says_so(simulator: dict[str, str]) -> None:
    """The text of an account whose credit is low: three a minute for each of two instances, from the hint's end on."""
    async with road(simulator, **SLOW) as instance:
        await instance.fault("create_429", hint="all", seconds=1)
        (throttled,) = await instance.create(1)
        assert isinstance(throttled, NotCreated)
        assert (throttled.why, throttled.per_minute) == ("throttled", 6)
        assert throttled.retry_after_s == pytest.approx(21, abs=0.5)
        await instance.mended()
        before = await instance.made()
        assert paced(await instance.create(3)) == pytest.approx([41, 61, 81], abs=0.5)
        assert await instance.made() == before


async def test_an_outage_opens_the_circuit(simulator: dict[str, str]) -> None:
    """5xx for every create: five in a row are sent, then none; a question is another matter."""
    async with road(simulator) as instance:
        await instance.fault("create_5xx_before")
        for _ in range(RULE.failures):
            (outcome,) = await instance.create(1)
            assert isinstance(outcome, OutcomeUnknown)
        await instance.mended()
        before = await instance.made()
        outcomes = await instance.create(50)
        assert {each.why for each in outcomes if isinstance(each, NotCreated)} == {"circuit open"}
        assert await instance.made() == before
        assert await instance.app.provider.get(ref("p" * 26)) is None
        assert instance.app.provider.states() == {"creates": "open", "questions": "closed", "outputs": "closed"}


async def test_it_finds_back_over_the_wire(simulator: dict[str, str]) -> None:
    """After the pause a question is asked, then one create is made, and all others go again."""
    async with road(simulator) as instance:
        rule = BreakerRule(failures=2, pause_s=0.05, longest_pause_s=0.05, probe_s=10)
        guard = ResilientProvider(instance.app.replicate, 60_000, now=time.monotonic, chance=random.random, rule=rule)
        await instance.fault("create_402")
        for _ in range(2):
            await guard.create(Key("ada", "one"), attempt())
        assert guard.states()["creates"] == "open"
        await instance.mended()
        asked = (await instance.hands.get("/_sim/stats")).json()["requests"]
        await asyncio.sleep(0.1)
        assert isinstance(await guard.create(Key("ada", "one"), attempt()), Created)
        assert guard.states()["creates"] == "closed"
        now_asked = (await instance.hands.get("/_sim/stats")).json()["requests"]
        more = {name: number - asked.get(name, 0) for name, number in now_asked.items() if number != asked.get(name, 0)}
        assert sorted(more.values()) == [1, 1]
        assert len(more) == 2


async def test_nobody_there_is_an_outage_too(simulator: dict[str, str]) -> None:
    """No connection for creates and questions: both circuits open after five."""
    async with road(simulator, REPLICATE_API_URL=await closed_port()) as instance:
        for _ in range(RULE.failures):
            (outcome,) = await instance.create(1)
            assert isinstance(outcome, NotCreated)
            assert outcome.why == "unreachable"
            assert outcome.retry_after_s == pytest.approx(5, abs=2)
        assert instance.app.provider.states()["creates"] == "open"


async def test_the_pool_and_the_time_outs_are_the_settings() -> None:
    """A create gets no more time than any other call."""
    own = {"REPLICATE_CONNECTIONS": "7", "REPLICATE_CONNECT_TIMEOUT_S": "3", "REPLICATE_TIMEOUT_S": "20"}
    app = App(Settings.from_env({**ENV, "REPLICATE_API_TOKEN": "r8_any", **own}))
    replicate = app.replicate
    assert app.deps.providers[REPLICATE] is app.provider
    assert replicate._connections._connections == 7
    times = replicate._timeouts
    assert (times.connect_s, times.create_read_s, times.total_s) == (3, 20, 20)
    await app.close()
    app = App(Settings.from_env({**ENV, "REPLICATE_API_TOKEN": "r8_any"}))
    times = app.replicate._timeouts
    assert (times.connect_s, times.create_read_s, times.total_s) == (10, 30, 60)
    await app.close()
