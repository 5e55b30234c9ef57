"""Snapshots: a copy continues as the original would, and shares nothing mutable with it."""

import pickle
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import pytest

from dev.fakes.world import START
from dev.simulation.effects import Fault, Mode, run
from dev.simulation.flows import FLOWS
from dev.simulation.invariants import Broken
from dev.simulation.performing import Shared, met, perform, schedules
from dev.simulation.schedules import End, Flow, Schedule, Stage, Webhook
from dev.simulation.snapshots import Snapshot, _is_frozen
from tests.reliability.test_twin import state


def left(stage: Stage) -> tuple[Any, ...]:
    """The result of a schedule: its effects, events, rows, blobs, time, and the distinguished cases."""
    world = stage.world
    said = [*world.telemetry.steps, *world.telemetry.counts, *world.screener.texts, *world.replicate.creates]
    return stage.fault.names, world.events, state(world), world.time, stage.watch.checks, said


def flow(name: str) -> Flow:
    """The flow of this name."""
    (found,) = (flow for flow in FLOWS if flow.name == name)
    return found


@pytest.mark.long
@pytest.mark.parametrize(
    "name", ["cancel of SUBMITTING", "timer", "request for a text", "request for a sound, with a file"]
)
def test_what_schedules_share_changes_none_of_them(name: str) -> None:
    """A schedule has the same result, whether it ran from the start or from a copy."""
    shared, copies = Shared(), 0
    for schedule in schedules(flow(name)):
        copies += shared.find(schedule) is not None
        assert left(run(perform(schedule, shared))) == left(run(perform(schedule))), schedule
    assert copies > 100


def changing(whole: object) -> Iterator[int]:
    """The ids of everything mutable in it."""

    class Seen(pickle.Pickler):
        def persistent_id(self, each: Any) -> Any:
            if _is_frozen(type(each)):
                return 0
            plain = isinstance(each, str | bytes | int | float | tuple | frozenset | type | None) or callable(each)
            if not plain:
                found.append(each)
            return None

    found: list[Any] = []
    Seen(_Nowhere()).dump(whole)
    keep.append(found)  # nothing else may come to live at these addresses
    return map(id, found)


keep: list[list[Any]] = []


class _Nowhere:
    def write(self, _: bytes) -> None:
        """Discard the text."""


def test_a_copy_shares_nothing_that_can_change() -> None:
    """This covers everything that a stage reaches: worlds, rows, queues, lists; two copies differ as well."""
    schedule = Schedule(flow("webhook"), 4, Mode.REPLY_LOST, Webhook.TWICE, End.SUCCEEDED)
    stage, _, _ = run(met(schedule))
    kept = Snapshot(stage)
    one, other = kept.copy(), kept.copy()
    parts = [set(changing(each)) for each in (stage, one, other)]
    assert len(parts[0]) == len(parts[1]) == len(parts[2]) > 50
    assert not parts[0] & parts[1]
    assert not parts[1] & parts[2]
    assert left(one) == left(stage)
    run(one.settle())
    assert left(other) == left(stage) != left(one)


def test_what_remembers_is_no_value() -> None:
    """A function with state would be shared by all copies, so it is refused, as is anything that cannot be copied."""
    counted: list[int] = []
    for wrong in ({"f": lambda: counted.append(1)}, [(each for each in counted)]):
        with pytest.raises((pickle.PicklingError, TypeError)):
            Snapshot(wrong)


def test_frozen_is_shared_and_all_else_is_not() -> None:
    """Values of a frozen type are shared; a list in a list is copied."""

    @dataclass(frozen=True)
    class Value:
        when: datetime

    whole = [Value(START), [], Mode.FAILS]
    copy = Snapshot(whole).copy()
    assert copy == whole
    assert copy[0] is whole[0]
    assert copy[1] is not whole[1]


def test_a_stage_knows_which_cases_it_distinguishes() -> None:
    """A stage that has read the end or the webhook excludes the other cases, and cannot switch to one."""
    stage = Stage(End.ABORTED, Webhook.ONCE, Fault())
    assert not stage.ends_in(End.FEWER, End.UNSAFE)
    assert not stage.may_send(Webhook.EARLY)
    assert {end for end, _ in stage.alike} == set(End) - {End.FEWER, End.UNSAFE}
    assert {webhook for _, webhook in stage.alike} == set(Webhook) - {Webhook.EARLY}
    stage.turned(End.CONTENT, Webhook.LATE)
    assert (stage.end, stage.webhook) == (End.CONTENT, Webhook.LATE)
    assert stage.alike == {(End.CONTENT, Webhook.LATE)}
    with pytest.raises(Broken, match="gone the same way"):
        stage.turned(End.ABORTED, Webhook.LATE)


def test_only_what_is_alike_is_found() -> None:
    """A copy serves the same fault of the same flow, with an end and a webhook that were not read yet."""
    shared = Shared()
    schedule = Schedule(flow("cancel of SUBMITTING"), 3, Mode.CRASH_BEFORE, Webhook.NONE, End.SUCCEEDED)
    run(met(schedule, shared))
    assert shared.find(replace(schedule, end=End.CONTENT, webhook=Webhook.TWICE)) is not None
    assert shared.find(replace(schedule, end=End.ABORTED_NEXT)) is None  # the request names another model
    for other in ({"effect": 4}, {"mode": Mode.FAILS}, {"again_last": True}, {"flow": flow("timer")}):
        assert shared.find(replace(schedule, **other)) is None
