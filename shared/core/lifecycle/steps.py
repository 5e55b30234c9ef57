"""What happens to a generation: the steps that transitions name, and the history that is made of them.

Rules of this file:
1. A transition names its steps, with their facts (``happened``). The log line, the metric and the history are made of
   that, in one place (worker/saving.py): what is told is what was saved.
2. A history is bounded, for it is a column of a row: what repeats is counted, and of too many entries the first and the
   latest stay.
3. Facts are ids, names and numbers. The provider's own words are for the log alone, which has a shorter life.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

#: The most entries of a history. A generation that goes well has three; 32 are about 4 KB of a row of 1 MiB.
MOST_ENTRIES = 32

#: How far back the same step is looked for: a wait and what follows it take turns.
_TURNS = 2

#: What says why a step was taken, by the first of these facts that it has.
_WHY = ("reason", "why", "kind", "status", "model", "prediction")


class Step(StrEnum):
    """What a transition says happened; the values are the names in logs and in histories."""

    TAKEN_IN = "taken_in"
    CREDITS_HELD = "credits_held"
    REJECTED = "rejected"
    CANCELED_UNOPENED = "canceled_unopened"
    CREATE_DEFERRED = "create_deferred"
    CREATE_RETRIED = "create_retried"
    CREATE_REPEATED = "create_repeated"
    CREATE_REFUSED = "create_refused"
    PREDICTION_CREATED = "prediction_created"
    ATTEMPT_LOST = "attempt_lost"
    NEXT_ATTEMPT = "next_attempt"
    GIVEN_UP = "given_up"
    PREDICTION_ENDED = "prediction_ended"
    PREDICTION_FAILED = "prediction_failed"
    PREDICTION_MISSING = "prediction_missing"
    PREDICTION_KNOWN_AGAIN = "prediction_known_again"
    PREDICTION_VANISHED = "prediction_vanished"
    PREDICTION_UNHEARD = "prediction_unheard"
    OUTPUTS_PROMISED = "outputs_promised"
    END_REQUESTED = "end_requested"
    DEAD_LETTERED = "dead_lettered"
    CAPTURED = "captured"
    RELEASED = "released"


#: The steps that are counted, each with its metric and the facts that are its labels.
METRICS: Mapping[Step, tuple[str, tuple[str, ...]]] = {
    Step.CREATE_DEFERRED: ("darkroom.creates_deferred", ("why",)),
    Step.ATTEMPT_LOST: ("darkroom.attempts_lost", ()),
    Step.PREDICTION_VANISHED: ("darkroom.predictions_vanished", ()),
}


@dataclass(frozen=True, slots=True)
class Happening:
    """One step, with its facts."""

    step: Step
    facts: Mapping[str, str | int]

    @property
    def why(self) -> str:
        """The one fact that says why, or to what; empty where none does."""
        return next((str(self.facts[name]) for name in _WHY if self.facts.get(name)), "")


def happened(step: Step, **facts: str | int) -> Happening:
    """A step that a transition names."""
    return Happening(step, facts)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a history: a step, when it was taken first and last, how often, and why.

    ``step`` is a text: a row may come from a version that knows other steps.
    """

    step: str
    at: datetime
    last_at: datetime
    times: int = 1
    why: str = ""


History = tuple[Entry, ...]


def recorded(history: History, happenings: Iterable[Happening], at: datetime) -> History:
    """The history with what has happened now."""
    for happening in happenings:
        history = _with(history, happening, at)
    return history


def _with(history: History, happening: Happening, at: datetime) -> History:
    name, why = happening.step.value, happening.why
    for place in range(len(history) - 1, max(-1, len(history) - 1 - _TURNS), -1):
        entry = history[place]
        if (entry.step, entry.why) == (name, why):
            again = replace(entry, last_at=at, times=entry.times + 1)
            return (*history[:place], again, *history[place + 1 :])
    longer = (*history, Entry(name, at, at, why=why))
    return longer if len(longer) <= MOST_ENTRIES else (longer[0], *longer[2:])
