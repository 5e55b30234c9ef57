"""Every effect of every flow goes wrong in every way, however the webhook comes and the prediction ends."""

import asyncio
from collections import Counter

import pytest

from dev.crash_points import AT_LEAST, EFFECTS, main, missing
from dev.simulation.cases import End, Webhook
from dev.simulation.effects import OVERTAKEN, READS, Crash, Fault, Mode, modes_of, run
from dev.simulation.flows import FLOWS
from dev.simulation.performing import perform
from dev.simulation.schedules import Flow, Schedule
from dev.simulation.tallies import Tally, ends_in_every_way, play

pytestmark = [pytest.mark.long, pytest.mark.timeout(400)]  # a busy machine may take long over what is long


@pytest.mark.parametrize(
    "flow",
    [pytest.param(flow, marks=[pytest.mark.exhaustive] if ends_in_every_way(flow) else []) for flow in FLOWS],
    ids=lambda flow: flow.name,
)
def test_every_schedule_of_a_flow_settles_with_every_promise_kept(flow: Flow) -> None:
    """Whatever effect goes wrong, the rest repairs it: paid once, published once, nothing left open."""
    tally = play(flow.name)
    assert not tally.broken
    assert tally.schedules > 0


def test_most_flows_are_played_without_the_command() -> None:
    """Those that end in every way are for it, and there are few of them."""
    assert len(FLOWS) / 4 < sum(not ends_in_every_way(flow) for flow in FLOWS) < len(FLOWS)


@pytest.mark.process
def test_the_command_counts_its_schedules(capsys: pytest.CaptureFixture[str]) -> None:
    """It also says when no flow has the name."""
    assert main(["--second-provider", "--flow", "check of nothing"]) == 0
    assert "schedules of 1 flows" in capsys.readouterr().out
    assert main(["--flow", "no such flow"]) == 1


def test_what_a_run_of_all_flows_lacks_is_named() -> None:
    """Too few schedules, and an effect that never went wrong in one of its ways."""
    every = Counter({f"{mode} {effect}": 1 for effect in EFFECTS for mode in modes_of(effect)})
    assert not list(missing([Tally(AT_LEAST, every)]))
    del every["reply of store.commit"]
    assert [line.split()[0] for line in missing([Tally(AT_LEAST - 1, every)])] == ["MISSING:", "MISSING:"]


def test_a_write_goes_wrong_in_every_way_and_a_read_in_the_two_that_differ() -> None:
    """A call that is not known as a read counts as a write."""
    assert set(modes_of("outputs.something_new")) == set(Mode)
    assert {mode for read in READS for mode in modes_of(read)} == {Mode.CRASH_BEFORE, Mode.FAILS}
    assert set(Mode) > OVERTAKEN


def test_a_schedule_is_the_same_each_time() -> None:
    """Its name determines the effects and their order."""
    schedule = Schedule(FLOWS[0], 5, Mode.CRASH_AFTER, Webhook.TWICE, End.TRANSIENT_NEXT)
    first, second = run(perform(schedule)), run(perform(schedule))
    assert first.fault.names == second.fault.names
    assert first.world.events == second.world.events


def test_a_dead_process_has_no_more_effects() -> None:
    """Code that catches a crash can cause no further effect."""
    fault = Fault(at=1)

    async def act() -> None:
        raise AssertionError("it was done all the same")

    for _ in range(2):
        with pytest.raises(Crash):
            asyncio.run(fault.effect("store.commit", act))
