"""What the flows came to, shared by the processes of one run: none is played twice, and none is left out.

A flow is claimed by making a file, which one process alone can; the others wait for what it writes down.
"""

import pickle
import time
from collections import Counter
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from dev.simulation.flows import FLOWS
from dev.simulation.performing import Decider, schedules
from dev.simulation.promise import Broken
from dev.simulation.second_provider import SECOND_FLOWS

#: How long another process is waited for between two looks. Who waits is ended by its test's own time.
LOOK_S = 0.05


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


class Tallies:
    """The tallies of one run, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)

    def of(self, flow: str) -> Tally:
        """What this flow came to: played here, or where it was claimed first."""
        name = sha256(flow.encode()).hexdigest()[:16]
        claim, done = self.folder / name, self.folder / f"{name}.done"
        while not done.exists():
            try:
                claim.touch(exist_ok=False)
            except FileExistsError:
                time.sleep(LOOK_S)
                continue
            try:
                _write(done, play(flow))
            except BaseException:
                claim.unlink()  # the next one who asks finds out for itself what is wrong
                raise
        tally: Tally = pickle.loads(done.read_bytes())
        return tally


def _write(path: Path, tally: Tally) -> None:
    """Whole or not at all: another process may look at any time."""
    part = path.with_suffix(".part")
    part.write_bytes(pickle.dumps(tally))
    part.rename(path)
