"""Every effect of every flow goes wrong in every way, however the webhook comes and the prediction ends."""

import asyncio
import os
import sys
from collections import Counter

import pytest

from dev.simulation.effects import OVERTAKEN, READS, Crash, Fault, Mode, modes_of, run
from dev.simulation.flows import FLOWS
from dev.simulation.performing import perform
from dev.simulation.schedules import End, Flow, Schedule, Webhook
from dev.simulation.tallies import Tallies

pytestmark = [pytest.mark.long, pytest.mark.timeout(400)]  # a busy machine may take long over what is long

#: How many schedules there are. A change of the message handler changes it, and so does a flow skipped by mistake.
AT_LEAST = 130_000

EACH = "test_every_schedule_of_a_flow_settles_with_every_promise_kept"

#: The effects of the message handler on its dependencies; each must have gone wrong in every way.
EFFECTS = {
    *(
        "store.load",
        "store.commit",
        "switches.read",
        "index.put",
        "index.move",
        "index.get",
        "index.remove",
        "index.due",
    ),
    *("index.turns", "index.give", "index.release"),
    *("waiting.wait", "waiting.places", "waiting.place", "waiting.next_waiting"),
    *("waiting.save_place", "waiting.remove_place", "waiting.remove_waiting"),
    *("provider.create", "provider.get", "provider.cancel", "provider.recent"),
    *("provider.upload", "provider.fetch", "provider.fetch chunk"),
    *("images.clean", "images.inspect", "images.is_black", "images.for_screening"),
    *("screener.text", "screener.image", "outputs.put_output", "outputs.discard_outputs", "dead_letters.archive"),
    *("inputs.get", "input_files.put_input", "input_files.input_address", "input_files.discard_inputs"),
    *("uploads.upload_size", "uploads.read_upload", "uploads.upload_address"),
    *("messenger.send", "messenger.publish"),
}


@pytest.fixture(scope="module")
def tallies(tmp_path_factory: pytest.TempPathFactory) -> Tallies:
    """The tally of each flow; several processes share the flows, and each is played once."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # the run's own folder, which its processes share
    return Tallies(folder / "tallies")


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.name)
def test_every_schedule_of_a_flow_settles_with_every_promise_kept(flow: Flow, tallies: Tallies) -> None:
    """Whatever effect goes wrong, the rest repairs it: paid once, published once, nothing left open."""
    tally = tallies.of(flow.name)
    assert not tally.broken
    assert tally.schedules > 0


def test_the_schedules_are_all_there(
    tallies: Tallies, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    """The count is printed; every effect of the message handler was crashed at, lost, refused and overtaken."""
    asked = {item.name for item in request.session.items}
    if any(f"{EACH}[{flow.name}]" not in asked for flow in FLOWS):
        pytest.skip("only some flows are run")
    played = [tallies.of(flow.name) for flow in FLOWS]
    count = sum(tally.schedules for tally in played)
    struck: Counter[str] = sum((tally.struck for tally in played), Counter())
    with capsys.disabled():
        sys.stdout.write(f"\n{count} schedules of {len(FLOWS)} flows, {struck.total()} of them with a fault\n")
        sys.stdout.write(f"{sum(tally.walked for tally in played)} were walked to rest; each other is equal to one\n")
    assert count >= AT_LEAST
    assert not {f"{mode} {effect}" for effect in EFFECTS for mode in modes_of(effect)} - set(struck)


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
