"""Every effect of every flow goes wrong in every way, however the webhook comes and the prediction ends."""

import asyncio
import multiprocessing
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor

import pytest

from tests.reliability.effects import OVERTAKEN, READS, Crash, Fault, Mode, modes_of, run
from tests.reliability.flows import FLOWS, Tally, play
from tests.reliability.schedules import End, Flow, Schedule, Webhook, perform

#: How many schedules there are. A change of the corridor changes it; a flow that is skipped by mistake does too.
AT_LEAST = 50_000

#: Flows at once: what CI has of cores.
PROCESSES = 2

#: What the corridor does outside; each of it must have gone wrong in every way.
EFFECTS = {
    *("store.load", "store.commit", "index.put", "index.move", "index.get", "index.remove", "index.due"),
    *("provider.create", "provider.get", "provider.cancel", "provider.recent"),
    *("provider.upload", "provider.fetch", "provider.fetch chunk", "images.inspect", "images.for_screening"),
    *("screener.text", "screener.image", "blobs.put_output", "blobs.discard_outputs", "blobs.archive"),
    *("inputs.get", "blobs.put_input", "blobs.input_address", "blobs.discard_inputs"),
    *("blobs.upload_size", "blobs.read_upload", "blobs.upload_address"),
    *("messenger.send", "messenger.publish"),
}

Tallies = Mapping[str, "Future[Tally]"]


@pytest.fixture(scope="module")
def tallies(request: pytest.FixtureRequest) -> Iterator[Tallies]:
    """The flows that were asked for, each run in one of some processes."""
    asked = {flow.name for flow in FLOWS if any(item.name.endswith(f"[{flow.name}]") for item in request.session.items)}
    spawn = multiprocessing.get_context("spawn")  # a fork of a process with threads may hang
    with ProcessPoolExecutor(PROCESSES, mp_context=spawn) as pool:
        yield {flow.name: pool.submit(play, flow.name) for flow in FLOWS if flow.name in asked}


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.name)
def test_every_schedule_of_a_flow_settles_with_every_promise_kept(flow: Flow, tallies: Tallies) -> None:
    """Whatever effect goes wrong, the rest repairs it: paid once, told once, nothing left open."""
    tally = tallies[flow.name].result()
    assert not tally.broken
    assert tally.schedules > 0


def test_the_schedules_are_all_there(tallies: Tallies, capsys: pytest.CaptureFixture[str]) -> None:
    """The count is printed; every effect of the corridor was died at, lost, refused and overtaken."""
    if len(tallies) < len(FLOWS):
        pytest.skip("only some flows were run")
    played = [tally.result() for tally in tallies.values()]
    count = sum(tally.schedules for tally in played)
    struck: Counter[str] = sum((tally.struck for tally in played), Counter())
    with capsys.disabled():
        sys.stdout.write(f"\n{count} schedules of {len(FLOWS)} flows, {struck.total()} of them with a fault\n")
    assert count >= AT_LEAST
    assert not {f"{mode} {effect}" for effect in EFFECTS for mode in modes_of(effect)} - set(struck)


def test_a_write_goes_wrong_in_every_way_and_a_read_in_the_two_that_differ() -> None:
    """What is not known as a read is taken for a write."""
    assert set(modes_of("blobs.something_new")) == set(Mode)
    assert {mode for read in READS for mode in modes_of(read)} == {Mode.CRASH_BEFORE, Mode.FAILS}
    assert set(Mode) > OVERTAKEN


def test_a_schedule_is_the_same_each_time() -> None:
    """Its name says all about it: the same effects, in the same order."""
    schedule = Schedule(FLOWS[0], 5, Mode.CRASH_AFTER, Webhook.TWICE, End.TRANSIENT_NEXT)
    first, second = run(perform(schedule)), run(perform(schedule))
    assert first.fault.names == second.fault.names
    assert first.world.events == second.world.events


def test_a_dead_process_has_no_more_effects() -> None:
    """Whoever catches a crash can do nothing with it."""
    fault = Fault(at=1)

    async def act() -> None:
        raise AssertionError("it was done all the same")

    for _ in range(2):
        with pytest.raises(Crash):
            asyncio.run(fault.effect("store.commit", act))
