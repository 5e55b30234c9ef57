"""One request calls the core once and loads once: computing twice could give two answers."""

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import CodeType, FrameType
from typing import Any

import pytest

from dev.fakes.accounts import daily
from dev.fakes.store import FakeStore
from dev.fakes.world import KEY, World
from shared import worker
from shared.core.catalog import mapping
from shared.core.catalog.choosing import quote
from shared.core.keys import Key
from shared.core.lifecycle import opening
from shared.core.lifecycle.attempt import attempt_on
from shared.core.lifecycle.generation import Received
from shared.core.lifecycle.state import State
from shared.core.money.limits import Effect
from shared.core.provider.prediction import DeferReason, NotCreated, OutcomeUnknown, Prediction
from shared.core.reasons import Reason
from shared.core.requests.messages import Check, GenerationRequest
from shared.ports import Envelope, Loaded
from shared.worker.accounts import Command
from tests.worker.test_pausing_approvals import pause

#: What is counted. ``_read`` is the one function in which a request is mapped to a model's inputs.
COUNTED: dict[CodeType, str] = {
    function.__code__: name
    for name, function in {
        "quote": quote,
        "opened": opening.opened,
        "attempt_on": attempt_on,
        "mapped": mapping._read,  # what is counted is the work, whichever name asks for it
    }.items()
}


@contextmanager
def counting() -> Iterator[Counter[str]]:
    """Count the calls of the core inside."""
    calls: Counter[str] = Counter()

    def look(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code in COUNTED:
            calls[COUNTED[frame.f_code]] += 1

    before = sys.getprofile()
    sys.setprofile(look)
    try:
        yield calls
    finally:
        sys.setprofile(before)


class CountingStore(FakeStore):
    """A store that counts its loads. After the next load the account gets ``plan``, if it is set."""

    def __init__(self) -> None:
        super().__init__()
        self.loads = 0
        self.plan: str | None = None

    async def load(self, key: Key, version: str = "") -> Loaded:
        """Count and load, then change the account's plan."""
        self.loads += 1
        loaded = await super().load(key, version)
        if self.plan is not None and loaded.account is not None:
            self.put_account(replace(loaded.account, plan=self.plan))
            self.plan = None
        return loaded


async def counted_world() -> tuple[World, CountingStore]:
    """A world whose loads are counted, with an account that can pay for anything."""
    world, store = World(credits=1000), CountingStore()
    world.store = store
    world.deps = replace(world.deps, store=store)
    await world.open_account()
    return world, store


@pytest.mark.parametrize(
    ("said", "mapped"),
    [
        # flux-schnell has no fallback; flux-dev has one.
        ({"model": "flux-schnell"}, 1 + 1),
        ({"model": "flux-dev"}, 2 + 1),
        ({"model": None}, None),
        ({"model": None, "quality": "standard"}, None),
        ({"model": None, "quality": "premium"}, None),
    ],
    ids=["named", "chain of 2", "by plan", "standard", "premium"],
)
async def test_a_request_is_mapped_once_per_candidate_and_once_for_its_attempt(
    said: dict[str, Any], mapped: int | None
) -> None:
    """One quote, one opening, one attempt; one mapping for each model that may serve, and one with the seed."""
    world, store = await counted_world()

    with counting() as calls:
        await world.ask(**said)

    generation = world.generation()
    assert generation.state is State.RUNNING
    assert (calls["quote"], calls["opened"], calls["attempt_on"]) == (1, 1, 1)
    assert calls["mapped"] == (mapped or len(candidates(world, generation.request)) + 1)
    assert store.loads == 1


def candidates(world: World, request: GenerationRequest) -> set[str]:
    """The models that may serve a request that names none, and those that may be tried after the chosen one."""
    catalog, generation = world.deps.catalog, world.generation()
    default = catalog.get_model_for_plan(world.deps.plans["premium"])
    assert default is not None
    matching = {default.name}
    if request.quality is not None:
        matching = {model.name for model in catalog.offered("image") if model.quality == request.quality}
    return matching | {name for name in catalog.models[generation.chain[0]].fallback if catalog.models[name].offered}


async def test_another_plan_at_the_save_is_quoted_anew() -> None:
    """The quote holds for the plan that it was made for, and for no other."""
    world, store = await counted_world()
    store.plan = "free"

    with counting() as calls:
        await world.ask(model=None)

    free = world.deps.catalog.get_model_for_plan(world.deps.plans["free"])
    assert free is not None
    assert world.generation().chain[0] == free.name
    assert calls["quote"] == 2


async def test_what_the_account_cannot_pay_is_quoted_once_and_never_screened() -> None:
    """A refusal costs nothing: no attempt is made, and no screener is asked."""
    world, store = await counted_world()

    with counting() as calls:
        await world.ask(Key("nobody", "one"))

    assert world.saved(Key("nobody", "one")).state is State.REJECTED
    assert (calls["quote"], calls["attempt_on"], store.loads) == (1, 0, 1)
    assert not world.screener.texts


async def loads_of(world: World, store: CountingStore, act: str, seconds: float = 0) -> int:
    """How often one act loads, after so much time."""
    world.pass_time(seconds)
    store.loads = 0
    if act == "cancel":
        await world.cancel()
    elif act == "check":
        await worker.handle(world.deps, Check(KEY), Envelope("check"), "prediction-events")
    else:
        await world.ask()
    return store.loads


async def test_a_create_that_is_deferred_loads_once() -> None:
    """The hot path of an outage: the answer to the create is saved on what was just saved."""
    world, store = await counted_world()
    world.replicate.answer_next_create_with(NotCreated(DeferReason.THROTTLED, 60))

    assert await loads_of(world, store, "ask") == 1
    assert world.generation().state is State.WAITING


async def test_a_check_of_what_waits_loads_once_and_creates() -> None:
    """One load for the check, the wait that is over, the create and its answer."""
    world, store = await counted_world()
    world.replicate.answer_next_create_with(NotCreated(DeferReason.THROTTLED, 60))
    await world.ask()

    assert await loads_of(world, store, "check", 120) == 1
    assert world.generation().state is State.RUNNING


async def test_a_copy_of_what_waits_loads_once_and_creates() -> None:
    """The scheduled copy of a WAITING generation's request needs no second load either."""
    world, store = await counted_world()
    world.replicate.answer_next_create_with(NotCreated(DeferReason.THROTTLED, 60))
    await world.ask()

    assert await loads_of(world, store, "ask", 120) == 1
    assert world.generation().state is State.RUNNING


async def test_a_check_of_what_was_submitted_and_is_listed_loads_once() -> None:
    """Adopting what the list shows is saved on what the check has read."""
    world, store = await counted_world()
    world.replicate.answer_next_create_with(OutcomeUnknown("lost"), really_created=True)
    await world.ask()

    assert await loads_of(world, store, "check", 60) == 1
    assert world.generation().state is not State.WAITING


async def test_a_check_of_what_is_overdue_loads_once() -> None:
    """The requested end, the cancel and its answer rest on one load."""
    world, store = await counted_world()
    await world.ask()

    assert await loads_of(world, store, "check", 3000) == 1
    assert world.generation().state is State.FAILED


async def test_a_cancel_of_what_runs_loads_once() -> None:
    """So does a user's cancel."""
    world, store = await counted_world()
    await world.ask()

    assert await loads_of(world, store, "cancel") == 1
    assert world.generation().state is State.CANCELED


async def test_a_success_that_was_asked_for_is_delivered_from_what_is_saved_now() -> None:
    """A delivery writes files, so it starts from a fresh load: the second of a check that finds a success."""
    world, store = await counted_world()
    await world.ask()
    prediction: Prediction = world.prediction()
    world.replicate.succeed(prediction.prediction_id)

    assert await loads_of(world, store, "check", 60) == 2
    assert world.generation().state is State.SUCCEEDED


async def asked_world() -> tuple[World, CountingStore, Counter[str]]:
    """A request for a model of two candidates waits for an approval, and what the core was called for until then."""
    world, store = await counted_world()
    await worker.set_limit(world.deps, "ada", replace(daily(1), effect=Effect.APPROVE), Command(command_id="limit"))
    store.loads = 0
    with counting() as calls:
        await world.ask(num_outputs=2, model="flux-dev")
    assert world.saved().reason is Reason.APPROVAL_NEEDED
    assert [event.asked.limit_id for event in world.messenger.approvals] == ["daily"]
    return world, store, calls


async def test_what_needs_an_approval_is_quoted_once() -> None:
    """The wait, and the event that asks for the approval, rest on the quote with which the request was admitted."""
    _, store, calls = await asked_world()

    assert (calls["quote"], calls["mapped"], store.loads) == (1, 2, 1)


@pytest.mark.parametrize("paused", [False, True], ids=["", "after a pause"])
async def test_what_was_approved_is_quoted_once_and_opens(paused: bool) -> None:
    """Its end and its pauses, what it may open with, and its hold rest on one quote; its attempt maps once more."""
    world, store, _ = await asked_world()
    if paused:
        pause(world, 60)
        world.pass_time(90)
    await worker.approve(world.deps, KEY, "daily", 9, Command(command_id="yes", by="operator:kim"))
    store.loads = 0

    with counting() as calls:
        await world.pump()

    assert world.generation().state is State.RUNNING
    assert (calls["quote"], calls["opened"], calls["attempt_on"], calls["mapped"]) == (1, 1, 1, 2 + 1)
    assert store.loads == 1


async def test_what_still_needs_an_approval_is_quoted_once_a_look() -> None:
    """A check looks whether the limit is free by now, and until when it can be decided."""
    world, store, _ = await asked_world()
    store.loads = 0

    with counting() as calls:
        await worker.handle(world.deps, Check(KEY), Envelope("check"), "prediction-events")

    assert world.saved().reason is Reason.APPROVAL_NEEDED
    assert (calls["quote"], calls["mapped"], store.loads) == (1, 2, 1)


async def test_a_plan_that_changes_while_it_is_saved_is_quoted_anew_for_an_approval() -> None:
    """The quote that was handed on was made for another plan."""
    world, store = await counted_world()
    await worker.set_limit(world.deps, "ada", replace(daily(1), effect=Effect.APPROVE), Command(command_id="limit"))
    store.plan = "free"

    await world.ask(num_outputs=2, model=None)

    found = world.saved()
    assert isinstance(found, Received)
    assert found.approval is not None
    await worker.approve(world.deps, KEY, "daily", 9, Command(command_id="yes", by="operator:kim"))
    await world.pump()
    free = world.deps.catalog.get_model_for_plan(world.deps.plans["free"])
    assert free is not None
    assert world.generation().chain[0] == free.name
