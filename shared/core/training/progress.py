"""How far a training is, by its logs.

Trainers write the lines of tqdm: ``flux_train: 12%|#2  | 120/1000 [01:10<08:33, lr: 4.0e-04]``. Only the end of the
logs is read, and the last such line counts. A trainer that writes otherwise has no progress here, which is no error.
"""

import re
from dataclasses import dataclass

_TAIL_CHARACTERS = 8_000
_LINE = re.compile(r"\b\d{1,3}%\|[^|\n\r]{0,200}\|\s{0,4}(\d{1,7})/(\d{1,7})\b")


@dataclass(frozen=True, slots=True)
class Progress:
    """Steps done, of all."""

    step: int
    steps: int

    @property
    def percent(self) -> int:
        """A whole number from 0 to 100."""
        return 100 * self.step // self.steps


def progress_of(logs: str, steps: int = 0) -> Progress | None:
    """The last progress in the logs. ``steps``: if known, other bars (of downloads) do not count."""
    for step, of in reversed(_LINE.findall(logs[-_TAIL_CHARACTERS:])):
        if int(of) > 0 and int(step) <= int(of) and steps in (0, int(of)):
            return Progress(int(step), int(of))
    return None
