"""Snapshots: a copy continues as the original would, and shares nothing mutable with it."""

import pickle
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import pytest

from dev.fakes.world import KEY, START
from dev.simulation.cases import EVERY, End, Webhook
from dev.simulation.effects import Fault, Mode, run
from dev.simulation.flows import FLOWS
from dev.simulation.logs import Line, Said
from dev.simulation.performing import Decider, Moment, go_on, prepared, schedules
from dev.simulation.promise import Broken
from dev.simulation.schedules import Flow, Schedule, Stage
from dev.simulation.snapshots import Snapshot, is_frozen
from tests.reliability.test_twin import state


def left(stage: Stage) -> tuple[Any, ...]:
    """What a schedule leaves behind: events, rows, blobs, time, and all that was asked."""
    world = stage.world
    return world.events, state(world), world.time, world.screener.texts, world.replicate.creates


def flow(name: str) -> Flow:
    """The flow of this name."""
    (found,) = (flow for flow in FLOWS if flow.name == name)
    return found


@pytest.mark.long
@pytest.mark.parametrize("name", ["cancel of SUBMITTING", "timer", "request for a text", "check of a training, lost"])
def test_a_schedule_that_is_not_walked_ends_as_the_one_that_was(name: str) -> None:
    """Each is walked here by itself: nothing differs from its equal in what it leaves behind.

    What was said is what the parts of its way say, whoever walked them. What comes before the fault is walked from an
    empty world for each end and webhook: the first goes on from there, and the others, which differ in nothing until
    then, from copies.
    """
    decider, walked, equal = Decider(), dict[Schedule, Any](), 0
    before: dict[tuple[End, Webhook], Snapshot[Moment]] = {}
    for schedule in schedules(flow(name), decider):
        decided = decider.decide(schedule)
        case = schedule.end, schedule.webhook
        if case in before:
            moment = before[case].copy()
        else:
            moment = run(prepared(schedule))
            before[case] = Snapshot(moment)
        stage = run(go_on(moment, schedule))
        assert decided.struck == stage.fault.struck
        assert decided.said() == stage.take_said()
        equal += decided.walked is not schedule
        leaves = left(stage)
        assert leaves == walked.setdefault(decided.walked, leaves), (schedule, decided.walked)
    assert equal > 100


def test_what_breaks_a_promise_is_never_taken_for_another() -> None:
    """A schedule that breaks one is walked each time that it is asked for."""
    decider = Decider()
    schedule = Schedule(flow("webhook"), 4, Mode.CRASH_BEFORE, Webhook.NONE, End.SUCCEEDED)
    node = decider.met(schedule).step.node
    assert node.live is not None
    node.live.stage.world.screener.texts.clear()  # nobody has screened what is paid for
    node.kept = Snapshot(node.live)
    for _ in range(2):
        with pytest.raises(Broken, match="screened"):
            decider.decide(schedule)


def test_what_was_said_before_is_asked_of_at_the_rest_that_another_walked() -> None:
    """A schedule that has leaked a secret is broken, though what goes on from its state is known to be well."""
    decider = Decider()
    schedule = Schedule(flow("webhook"), 4, Mode.CRASH_BEFORE, Webhook.NONE, End.SUCCEEDED)
    decider.decide(schedule)
    met = decider.met(schedule)
    leak: Line = ("failed", KEY), (("text", "it said: A lighthouse at night"),)
    for wrong in (Said(frozenset({leak})), Said(counts=frozenset({leak}))):
        decider.all_met[schedule.effect, schedule.mode] = [replace(met, step=replace(met.step, said=wrong))]
        with pytest.raises(Broken, match="nothing secret leaves"):
            decider.decide(schedule)
    extra: Line = ("extra_prediction", KEY), (("prediction", "prediction0000000000000001"),)
    counted = replace(met.step, said=Said(frozenset({extra})))
    decider.all_met[schedule.effect, schedule.mode] = [replace(met, step=counted)]
    with pytest.raises(Broken, match="counted as extra"):
        decider.decide(schedule)


def changing(whole: object) -> Iterator[int]:
    """The ids of everything mutable in it."""

    class Seen(pickle.Pickler):
        def persistent_id(self, each: Any) -> Any:
            if is_frozen(type(each)):
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
    schedule = Schedule(flow("webhook"), 0, Mode.REPLY_LOST, Webhook.TWICE, End.SUCCEEDED)
    stage = run(prepared(schedule)).stage
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
    """A stage that has read the end or the webhook excludes the other cases, until it begins another one."""
    stage = Stage(End.ABORTED, Webhook.ONCE, Fault())
    assert not stage.ends_in(End.FEWER, End.UNSAFE)
    assert not stage.is_sent(Webhook.EARLY)
    assert {end for end, _ in stage.alike} == set(End) - {End.FEWER, End.UNSAFE}
    assert {webhook for _, webhook in stage.alike} == set(Webhook) - {Webhook.EARLY}
    assert stage.ends_in(End.ABORTED)
    assert stage.is_sent(Webhook.ONCE, Webhook.LATE)
    assert stage.alike == {(End.ABORTED, Webhook.ONCE), (End.ABORTED, Webhook.LATE)}
    stage.in_case(End.CONTENT, Webhook.LATE)
    assert stage.alike == EVERY
    assert stage.ends_in(End.CONTENT)
    assert stage.is_sent(Webhook.LATE)


def test_a_fault_is_met_once_by_those_that_do_not_differ_before_it() -> None:
    """A fault serves its own effect and mode, with an end and a webhook that were not read yet."""
    decider = Decider()
    schedule = Schedule(flow("cancel of SUBMITTING"), 3, Mode.CRASH_BEFORE, Webhook.NONE, End.SUCCEEDED)
    met = decider.met(schedule)
    assert decider.met(replace(schedule, end=End.CONTENT, webhook=Webhook.TWICE)) is met
    assert decider.met(replace(schedule, again_last=True)) is met
    assert decider.met(replace(schedule, end=End.ABORTED_NEXT)) is not met  # the request names another model
    for other in ({"effect": 4}, {"mode": Mode.FAILS}):
        assert decider.met(replace(schedule, **other)) is not met
