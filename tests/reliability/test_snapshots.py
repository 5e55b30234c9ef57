"""Snapshots: what was copied goes on as what came there by itself, and shares nothing with it that can change."""

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
    """What a schedule came to: its effects, the app's events, all rows and blobs, the time, and what was looked at."""
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
    """Each schedule of a flow comes to the same, whether it met its fault by itself or is a copy of one that did."""
    shared, copies = Shared(), 0
    for schedule in schedules(flow(name)):
        copies += shared.find(schedule) is not None
        assert left(run(perform(schedule, shared))) == left(run(perform(schedule))), schedule
    assert copies > 100


def changing(whole: object) -> Iterator[int]:
    """The ids of everything in it that can change."""

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
        """Nothing is kept."""


def test_a_copy_shares_nothing_that_can_change() -> None:
    """Of everything a stage reaches: worlds, rows, queues, lists; and each copy is another one."""
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
    """A function with a memory would be shared by all copies; it is refused, and so is what cannot be copied."""
    counted: list[int] = []
    for wrong in ({"f": lambda: counted.append(1)}, [(each for each in counted)]):
        with pytest.raises((pickle.PicklingError, TypeError)):
            Snapshot(wrong)


def test_frozen_is_shared_and_all_else_is_not() -> None:
    """What is frozen by its type; a list in a list is another."""

    @dataclass(frozen=True)
    class Value:
        when: datetime

    whole = [Value(START), [], Mode.FAILS]
    copy = Snapshot(whole).copy()
    assert copy == whole
    assert copy[0] is whole[0]
    assert copy[1] is not whole[1]


def test_a_stage_knows_which_cases_it_distinguishes() -> None:
    """Whoever looks at the end or the webhook takes out the others, and no stage is turned to one of those."""
    stage = Stage(End.ABORTED, Webhook.ONCE, Fault())
    assert not stage.ends_in(End.FEWER, End.UNSAFE)
    assert not stage.is_told(Webhook.EARLY)
    assert {end for end, _ in stage.alike} == set(End) - {End.FEWER, End.UNSAFE}
    assert {webhook for _, webhook in stage.alike} == set(Webhook) - {Webhook.EARLY}
    stage.turned(End.CONTENT, Webhook.LATE)
    assert (stage.end, stage.webhook) == (End.CONTENT, Webhook.LATE)
    assert stage.alike == {(End.CONTENT, Webhook.LATE)}
    with pytest.raises(Broken, match="gone the same way"):
        stage.turned(End.ABORTED, Webhook.LATE)


def test_only_what_is_alike_is_found() -> None:
    """The same fault of the same flow, with an end and a webhook that nobody has looked at."""
    shared = Shared()
    schedule = Schedule(flow("cancel of SUBMITTING"), 3, Mode.CRASH_BEFORE, Webhook.NONE, End.SUCCEEDED)
    run(met(schedule, shared))
    assert shared.find(replace(schedule, end=End.CONTENT, webhook=Webhook.TWICE)) is not None
    assert shared.find(replace(schedule, end=End.ABORTED_NEXT)) is None  # the request names another model
    for other in ({"effect": 4}, {"mode": Mode.FAILS}, {"again_last": True}, {"flow": flow("timer")}):
        assert shared.find(replace(schedule, **other)) is None
