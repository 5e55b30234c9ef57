"""A simulator on a real port in this process, the client on it, and the contract between them as a witness."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx

from dev import simulated_replicate
from replicate_simulator.clock import Clock
from replicate_simulator.engine import Settings, Simulator
from replicate_simulator.faults import read_fault
from replicate_simulator.models import MODELS, Model
from replicate_simulator.server import running
from shared.adapters.replicate.sdk.api import ReplicateApi
from shared.adapters.replicate.sdk.http import Timeouts
from shared.adapters.replicate.sdk.token import FixedToken
from tests.adapters.replicate_api import contract

TOKEN = "r8_" + "t" * 37
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OWNER = simulated_replicate.USERNAME
SCHNELL = "black-forest-labs/flux-schnell"
LLAMA = "meta/meta-llama-3-8b-instruct"
TRAINER = "ostris/flux-dev-lora-trainer"
#: Long enough for a busy machine, short enough for a test that waits for it.
TIMEOUTS = Timeouts(connect_s=2, create_read_s=5, total_s=5)


@dataclass
class Witness:
    """Sees every request and every answer; ``wrong`` is what contradicts the contract."""

    requests: list[httpx.Request] = field(default_factory=list)
    operations: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def forget(self) -> None:
        """Forget what was sent; what was wrong stays wrong."""
        self.requests.clear()
        self.operations.clear()

    async def sees_request(self, request: httpx.Request) -> None:
        """Judge a request before it is sent."""
        await request.aread()
        self.requests.append(request)
        self.operations.append(contract.operation_of(request))
        self.wrong += contract.wrong_in_request(request)

    async def sees_answer(self, response: httpx.Response) -> None:
        """Judge an answer before the client reads it."""
        await response.aread()
        self.wrong += contract.wrong_in_answer(response)


@dataclass
class World:
    """The simulator, the client, the witness."""

    url: str
    simulator: Simulator
    api: ReplicateApi
    witness: Witness

    def fault(self, **fault: object) -> None:
        """Add a fault to the simulator."""
        self.simulator.faults.waiting.append(read_fault(fault))

    def later(self, seconds: float) -> None:
        """Move the simulator's clock."""
        self.simulator.clock.advance(seconds)

    def takes(self, start_s: float, run_s: float) -> None:
        """How long predictions take from now on."""
        self.simulator.settings.start_s, self.simulator.settings.run_s = start_s, run_s

    def push(self, name: str, like: Model = MODELS[LLAMA]) -> str:
        """What ``cog push`` does at Replicate: a private model of the account's own gets a version; returns its id."""
        library = self.simulator.library
        card = library.models.get(name) or library.add_model(name, visibility="private", about={})
        return library.push(card, like)


def api_at(url: str, token: str = TOKEN, timeouts: Timeouts = TIMEOUTS) -> ReplicateApi:
    """A client of its own."""
    return ReplicateApi.at(FixedToken(token), api_url=f"{url}/v1", timeouts=timeouts)


def watch(api: ReplicateApi, witness: Witness) -> None:
    """Let a witness see what a client does."""
    connections = api._caller.connections
    for client in (connections.api(), connections.creates()):
        client.event_hooks = {"request": [witness.sees_request], "response": [witness.sees_answer]}


@asynccontextmanager
async def running_world(start_s: float = 0.01, run_s: float = 0.02) -> AsyncIterator[World]:
    """A fresh simulator whose predictions take 30 ms."""
    settings = Settings(TOKEN, OWNER, start_s=start_s, run_s=run_s, plain_pictures=True)
    simulator = Simulator(settings, SECRET, Clock(), simulated_replicate.catalog())
    async with running(simulator) as url:
        world = World(url, simulator, api_at(url), Witness())
        watch(world.api, world.witness)
        try:
            yield world
            assert world.witness.wrong == []
        finally:
            await world.api.close()
