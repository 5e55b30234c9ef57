"""The twin run: delivering every message and webhook twice leaves the same as delivering them once."""

import json
import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import fields, is_dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from functools import cache
from types import MappingProxyType
from typing import Any

import pytest

from dev.fakes.blobs import Blob
from dev.fakes.messenger import COMMANDS, queue_of
from dev.fakes.world import FROM_THE_APP, START, World, read
from dev.simulation.cases import End, Webhook
from dev.simulation.clockwork import Pause
from dev.simulation.effects import Fault, run, watched
from dev.simulation.flows import FLOWS
from dev.simulation.invariants import at_rest
from dev.simulation.performing import Cases
from dev.simulation.schedules import Faced, Flow, Stage, raw_of
from dev.simulation.snapshots import Snapshot
from shared import worker
from shared.core.lifecycle.attempt import Attempt
from shared.core.lifecycle.generation import AnyGeneration, Closed, Generation
from shared.core.lifecycle.steps import Entry, Step
from shared.ports import Dependencies, Envelope
from shared.worker.account_commands import handle_command

pytestmark = [pytest.mark.long, pytest.mark.timeout(400)]  # a busy machine may take long over what is long

#: Each of them doubles: one publication becomes two, and a wrong order happens twice.
WEBHOOKS = (Webhook.ONCE, Webhook.DISORDERED, Webhook.NONE)


#: Types of values that have no time in them.
PLAIN = frozenset({bytes, int, bool, float, type(None)})

#: A time as a receipt has it, and what stands for each.
WRITTEN_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
WRITTEN = "a time"


class Twins(Enum):
    """The timing of the second delivery."""

    NONE = "single"
    AFTER = "after the first"
    TOGETHER = "in step with the first"


class _InTurn:
    """A gate at which every effect lets the other twin go first."""

    async def effect(self, name: str, act: Callable[[], Awaitable[Any]]) -> Any:
        """Let the other twin go first, then have the effect."""
        await Pause(0)
        return await act()


class TwinWorld(World):
    """A world that delivers everything twice."""

    def __init__(self, twins: Twins) -> None:
        super().__init__()
        self.twins = twins

    async def deliver(self, raw: bytes, queue: str, envelope: Envelope = FROM_THE_APP) -> None:
        """Deliver the message twice."""
        await self.twice(lambda deps: worker.handle(deps, read(raw, queue), envelope, queue))

    async def twice(self, walk: Callable[[Dependencies], Coroutine[Any, Any, None]]) -> None:
        """One call of the message handler, or two."""
        if self.twins is Twins.TOGETHER:
            deps = watched(self.deps, _InTurn())
            _step_in_turn([walk(deps), walk(deps)])
            return
        for _ in range(1 if self.twins is Twins.NONE else 2):
            await walk(self.deps)

    async def face(self, faced: Faced) -> None:
        """Meet the flow's event twice."""
        message, command = faced.message, faced.command
        if command is not None:
            await self.twice(lambda deps: handle_command(deps, command, faced.envelope("faced"), COMMANDS))
        elif message is None:
            await worker.reconcile(self.deps)
        elif faced.dead:
            raw, queue = raw_of(message), queue_of(message)
            await self.twice(lambda deps: worker.dead_letter(deps, message, raw, queue))
        else:
            queue = queue_of(message)
            await self.twice(lambda deps: worker.handle(deps, message, faced.envelope("faced"), queue))


def _step_in_turn(pair: list[Coroutine[Any, Any, None]]) -> None:
    """Run both, switching at every effect."""
    while pair:
        for handler in list(pair):
            try:
                while handler.send(None) is None:
                    pass
            except StopIteration:
                pair.remove(handler)


async def faced(flow: Flow, stage: Stage, world: TwinWorld) -> None:
    """A flow, run from an empty world until its event was met."""
    await stage.open()
    await world.face(await flow.prepare(stage))


async def settled(stage: Stage) -> World:
    """The rest of it."""
    await stage.settle()
    at_rest(stage.watch)
    return stage.world


@cache
def all_faced(_flow: Flow, _twins: Twins) -> list[tuple[Cases, Snapshot[Stage]]]:
    """How a flow's event was met so far, with the ends and webhooks that it took for the same."""
    return []


def met(flow: Flow, end: End, webhook: Webhook, twins: Twins) -> tuple[Cases, Stage]:
    """A flow whose event was met. That is played once for those that it takes for the same, and then copied."""
    so_far = all_faced(flow, twins)
    for cases, kept in so_far:
        if (end, webhook) in cases:
            stage = kept.copy()
            break
    else:
        world = TwinWorld(twins)
        stage = Stage(end, webhook, Fault(), world)
        run(faced(flow, stage, world))
        cases = stage.alike
        so_far.append((cases, Snapshot(stage)))
    stage.in_case(end, webhook)
    return cases, stage


@cache
def all_left(_flow: Flow, _twins: Twins) -> list[tuple[Cases, Mapping[str, Any]]]:
    """What a flow has left so far, with the ends and webhooks that it took for the same."""
    return []


def left(flow: Flow, end: End, webhook: Webhook, twins: Twins) -> Mapping[str, Any]:
    """What a flow leaves. It is played once for those that it takes for the same, and once for both tests."""
    so_far = all_left(flow, twins)
    for cases, leaves in so_far:
        if (end, webhook) in cases:
            return leaves
    cases, stage = met(flow, end, webhook, twins)
    leaves = state(run(settled(stage)))
    so_far.append((cases & stage.alike, leaves))
    return leaves


def state(world: World) -> Mapping[str, Any]:
    """The final state without times, because a double run takes longer, and without our random seeds."""
    left = {
        "accounts": world.store.saved_accounts,
        "ledger": {(entry.entry_id, entry.move): entry for entry in world.store.entries},
        "generations": {key: _seedless(each) for key, each in world.store.saved_generations.items()},
        "receipts": {key: _receipt(each) for key, each in world.store.saved_generations.items()},
        "events": {event.event_id: replace(event, seed=0) for event in world.events},
        "blobs": {name: _unlabelled(blob) for name, blob in world.blobs.outputs.items()},
        "inputs": world.blobs.inputs,
        "refused": world.blobs.quarantined,
        # Their names and contents hold the times of what they are about.
        "dead letters": len(world.blobs.dead_letters),
        # Each is paid for.
        "predictions": sorted(_asked(attempt) for _, attempt in world.replicate.made_for.values()),
    }
    # A time is in the digest of an entry: which entry a digest is of is compared.
    named = {entry.digest: f"the digest of {entry.account_id}'s entry {entry.seq}" for entry in world.store.entries}
    return {name: timeless(each, named) for name, each in left.items()}


def timeless(value: Any, named: Mapping[str, str] = MappingProxyType({})) -> Any:
    """The value with one fixed time in place of each time: whether a time is there is compared, and not which.

    A day stays as it is, for what may be spent is counted by it. ``named``: what stands for a text.
    """
    if isinstance(value, str):
        return WRITTEN if WRITTEN_TIME.fullmatch(value) else named.get(value, value)
    if type(value) in PLAIN:  # as most are, and the questions below take long
        return value
    if isinstance(value, datetime):
        return START
    if isinstance(value, Mapping):
        return {key: timeless(each, named) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return tuple(timeless(each, named) for each in value)
    if is_dataclass(value) and not isinstance(value, type):
        return {part.name: timeless(getattr(value, part.name), named) for part in fields(value)}
    return value


def _seedless(generation: AnyGeneration) -> AnyGeneration:
    if isinstance(generation, Closed):
        return replace(generation, receipt="")
    if not isinstance(generation, Generation):
        return generation
    attempt = generation.attempt
    inputs = {name: value for name, value in attempt.inputs.items() if name != "seed"}
    seedless = replace(attempt, seed=0, inputs=inputs)
    return replace(generation, attempt=seedless, receipt="", history=tuple(map(_parked_once, generation.history)))


def _parked_once(entry: Entry) -> Entry:
    """Each of two deliveries in step parks a request: its row must change for whoever opens it (core parking.py)."""
    return replace(entry, times=1) if entry.step == Step.PARKED else entry


def _receipt(generation: AnyGeneration) -> Any:
    """What a receipt says, but for the seed; nothing where there is none."""
    if not isinstance(generation, Generation | Closed) or not generation.receipt:
        return None
    says = json.loads(generation.receipt)
    return says | {"made_by": says["made_by"] and says["made_by"] | {"seed": 0}}


def _unlabelled(blob: Blob) -> Blob:
    return replace(blob, metadata={name: value for name, value in blob.metadata.items() if name != "seed"})


def _asked(attempt: Attempt) -> tuple[int, str, int]:
    return attempt.number, attempt.model, attempt.outputs


@pytest.mark.parametrize("twins", [Twins.AFTER, Twins.TOGETHER], ids=lambda twins: twins.value)
def test_twice_leaves_what_once_leaves(twins: Twins) -> None:
    """Accounts, ledger, generations, events by id and blobs are the same, for every flow and every end."""
    compared = 0
    for flow in FLOWS:
        for end in flow.ends:
            for webhook in WEBHOOKS:
                single = left(flow, end, webhook, Twins.NONE)
                assert left(flow, end, webhook, twins) == single, f"{flow.name}, {webhook}, {end}"
                compared += 1
    assert compared > 500


def test_a_time_that_is_there_is_not_one_that_is_not() -> None:
    """A time counts only as present or absent; everything else is compared."""
    world = run(settled(met(FLOWS[0], FLOWS[0].ends[0], Webhook.ONCE, Twins.NONE)[1]))
    (generation,) = world.store.saved_generations.values()
    assert isinstance(generation, Generation)
    attempt = generation.attempt
    later = replace(attempt, submitted_at=attempt.submitted_at + timedelta(seconds=1))
    assert timeless(replace(generation, attempt=later)) == timeless(generation)
    for changed in (
        replace(generation, ended_at=None),
        replace(generation, attempt=replace(attempt, missing_since=START)),
        replace(generation, attempt=replace(attempt, inputs={})),
        replace(generation, captured_credits=generation.captured_credits + 1),
    ):
        assert timeless(changed) != timeless(generation)
