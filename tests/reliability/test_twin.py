"""The twin run: every message and every webhook delivered twice leaves what a single delivery leaves."""

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import replace
from enum import Enum
from typing import Any

import pytest

from shared import worker
from shared.core.generation import Generation
from shared.core.generation_event import GenerationEvent
from shared.ports import Envelope, House
from tests.fakes.blobs import Blob
from tests.fakes.messenger import queue_of
from tests.fakes.world import FROM_THE_APP, START, World, read
from tests.reliability.clockwork import Pause
from tests.reliability.effects import Fault, run, watched
from tests.reliability.flows import FLOWS
from tests.reliability.invariants import at_rest
from tests.reliability.schedules import Faced, Flow, Stage, Webhook, raw_of

pytestmark = [pytest.mark.long, pytest.mark.timeout(400)]  # a busy machine may take long over what is long

#: Each of them doubles: told once is told twice, and told in the wrong order is told in it twice.
WEBHOOKS = (Webhook.ONCE, Webhook.DISORDERED, Webhook.NONE)


class Twins(Enum):
    """How the second delivery comes."""

    NONE = "single"
    AFTER = "after the first"
    TOGETHER = "in step with the first"


class _InTurn:
    """A gate at which every effect lets the other twin go first."""

    async def effect(self, name: str, act: Callable[[], Awaitable[Any]]) -> Any:
        """See ``Gate``."""
        await Pause(0)
        return await act()


class TwinWorld(World):
    """A world in which every delivery is two."""

    def __init__(self, twins: Twins) -> None:
        super().__init__()
        self.twins = twins

    async def deliver(self, raw: bytes, queue: str, envelope: Envelope = FROM_THE_APP) -> None:
        """See ``World``."""
        await self.twice(lambda house: worker.handle(house, read(raw, queue), envelope, queue))

    async def twice(self, walk: Callable[[House], Coroutine[Any, Any, None]]) -> None:
        """One walk through the corridor, or two."""
        if self.twins is Twins.TOGETHER:
            house = watched(self.house, _InTurn())
            _step_in_turn([walk(house), walk(house)])
            return
        for _ in range(1 if self.twins is Twins.NONE else 2):
            await walk(self.house)

    async def face(self, faced: Faced) -> None:
        """What a flow is about, twice too."""
        message = faced.message
        if message is None:
            await worker.reconcile(self.house)
        elif faced.dead:
            raw, queue = raw_of(message), queue_of(message)
            await self.twice(lambda house: worker.bury(house, message, raw, queue))
        else:
            queue = queue_of(message)
            await self.twice(lambda house: worker.handle(house, message, Envelope("faced"), queue))


def _step_in_turn(pair: list[Coroutine[Any, Any, None]]) -> None:
    """From effect to effect, one after the other."""
    while pair:
        for handler in list(pair):
            try:
                while handler.send(None) is None:
                    pass
            except StopIteration:
                pair.remove(handler)


async def played(flow: Flow, stage: Stage, world: TwinWorld) -> World:
    """A flow from an empty world to rest."""
    await stage.open()
    await world.face(await flow.prepare(stage))
    await stage.settle()
    at_rest(stage.watch)
    return world


def state(world: World) -> Mapping[str, Any]:
    """What is left of a run: all but the times, and the seeds that we chose."""
    return {
        "accounts": world.store.saved_accounts,
        "ledger": {(entry.entry_id, entry.move): replace(entry, at=START) for entry in world.store.entries},
        "generations": {key: _timeless(each) for key, each in world.store.saved_generations.items()},
        "events": {event.event_id: _timeless_event(event) for event in world.events},
        "blobs": {name: _seedless(blob) for name, blob in world.blobs.outputs.items()},
        # Their names and contents hold the times of what they are about.
        "dead letters": len(world.blobs.dead_letters),
    }


def _timeless(generation: Generation) -> Generation:
    attempt = generation.attempt
    if attempt is not None:
        attempt = replace(attempt, submitted_at=START, retry_at=None, seed=0, inputs={})
    verdicts = tuple(replace(record, at=START) for record in generation.verdicts)
    return replace(generation, opened_at=START, ended_at=None, attempt=attempt, verdicts=verdicts)


def _timeless_event(event: GenerationEvent) -> GenerationEvent:
    return replace(event, at=START, opened_at=START, started_at=START if event.started_at else None, seed=0)


def _seedless(blob: Blob) -> Blob:
    return replace(blob, metadata={name: value for name, value in blob.metadata.items() if name != "seed"})


@pytest.mark.parametrize("twins", [Twins.AFTER, Twins.TOGETHER], ids=lambda twins: twins.value)
def test_twice_leaves_what_once_leaves(twins: Twins) -> None:
    """Accounts, ledger, generations, events by id and blobs are the same, for every flow and every end."""
    compared = 0
    for flow in FLOWS:
        for end in flow.ends:
            for webhook in WEBHOOKS:
                left = []
                for how in (Twins.NONE, twins):
                    world = TwinWorld(how)
                    left.append(state(run(played(flow, Stage(end, webhook, Fault(), world), world))))
                assert left[0] == left[1], f"{flow.name}, {webhook}, {end}"
                compared += 1
    assert compared > 500
