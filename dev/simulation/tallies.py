"""What all schedules of a flow come to."""

from collections import Counter
from dataclasses import dataclass

from dev.simulation.cases import End
from dev.simulation.flows import FLOWS
from dev.simulation.performing import Decider, schedules
from dev.simulation.promise import Broken
from dev.simulation.schedules import Flow
from dev.simulation.second_provider import SECOND_FLOWS


@dataclass(frozen=True, slots=True)
class Tally:
    """What all schedules of a flow came to: how many there were, what went wrong how often, the first that broke.

    ``walked`` of them were walked to rest; each other came to a state from which one of these had been walked.
    """

    schedules: int
    struck: Counter[str]
    broken: str = ""
    walked: int = 0


def play(name: str) -> Tally:
    """Run every schedule of the flow of this name, up to the first that breaks a promise."""
    (flow,) = [flow for flow in (*FLOWS, *SECOND_FLOWS) if flow.name == name]
    count, walked, struck, decider = 0, 0, Counter[str](), Decider()
    for schedule in schedules(flow, decider):
        try:
            decided = decider.decide(schedule)
        except (Broken, AssertionError) as broken:
            return Tally(count, struck, f"{schedule}: {broken}", walked)
        count += 1
        walked += decided.walked is schedule
        if decided.struck:
            struck[f"{schedule.mode} {decided.struck}"] += 1
    return Tally(count, struck, walked=walked)


def ends_in_every_way(flow: Flow) -> bool:
    """Whether its prediction does: these flows have most of all schedules."""
    return flow.ends == tuple(End)
