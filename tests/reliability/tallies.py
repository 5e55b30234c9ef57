"""What the flows came to, shared by the processes of one run: none is played twice, and none is left out.

A flow is claimed by making a file, which one process alone can; the others wait for what it writes down.
"""

import pickle
import time
from hashlib import sha256
from pathlib import Path

from tests.reliability.flows import Tally, play

#: How long another process is waited for between two looks. Who waits is ended by its test's own time.
LOOK_S = 0.05


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
