"""What happens to a generation: the steps that transitions name, the history made from them, and what the log adds.

Rules of this file:
1. A transition names its steps with their facts (``happened``). Log line, metric and history are made from these steps
   in one place (worker/saving.py), so they report what was saved.
2. A history is bounded, because it is a column of a row. Repeated steps are counted in one entry. If there are too many
   entries, the first and the latest stay.
3. Facts are ids, names and numbers. The provider's own error text goes to the log only, which is kept for a shorter
   time.
4. What happens between two saves is a ``LogStep``. It is in the log only, because it may happen again without a
   change of the generation.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shared.core.metric import Metric
from shared.core.values import replace

#: The most entries of a history. A generation without problems has three; 32 are about 4 KB of a row of 1 MiB.
MOST_ENTRIES = 32

#: How many entries back a repeated step is looked for: a wait and the step after it alternate.
_TURNS = 2

#: The facts that say why a step was taken. The first one that the step has is recorded.
_WHY = ("reason", "why", "kind", "status", "model", "prediction")


class Step(StrEnum):
    """What happened in a transition. The values are the names in logs and histories."""

    TAKEN_IN = "taken_in"
    WAITS_FOR = "waits_for"
    CREDITS_HELD = "credits_held"
    LIMIT_WARNED = "limit_warned"
    APPROVAL_ASKED = "approval_asked"
    APPROVED = "approved"
    APPROVAL_DENIED = "approval_denied"
    REJECTED = "rejected"
    CANCELED_UNOPENED = "canceled_unopened"
    CREATE_DEFERRED = "create_deferred"
    CREATE_RETRIED = "create_retried"
    PAUSED = "paused"
    PARKED = "parked"
    CREATE_REPEATED = "create_repeated"
    CREATE_REFUSED = "create_refused"
    PREDICTION_CREATED = "prediction_created"
    ATTEMPT_LOST = "attempt_lost"
    TRAINING_LOST = "training_lost"
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
    REFUNDED = "refunded"


class LogStep(StrEnum):
    """What happened outside a transition. The values are the names in logs.

    They are an enum of their own, so that the type checker refuses a transition that names one: the history would
    report what was not saved.
    """

    RECEIVED = "received"
    DEFERRED = "deferred"
    PROMPT_ALLOWED = "prompt_allowed"
    PROMPT_REFUSED = "prompt_refused"
    INPUT_NOT_LOOKED_AT = "input_not_looked_at"
    INPUT_UNFIT = "input_unfit"
    INPUT_REFUSED = "input_refused"
    INPUT_STORED = "input_stored"
    ARCHIVE_SCREENED = "archive_screened"
    OUTCOME_UNKNOWN = "outcome_unknown"
    WEBHOOK_VERIFIED = "webhook_verified"
    OBSERVED = "observed"
    CHECKED = "checked"
    EXTRA_PREDICTION = "extra_prediction"
    OUTPUT_UNFIT = "output_unfit"
    OUTPUT_CLEANED = "output_cleaned"
    OUTPUT_SCREENED = "output_screened"
    OUTPUT_REFUSED = "output_refused"
    OUTPUT_STORED = "output_stored"
    WEIGHTS_REFUSED = "weights_refused"
    PUBLISHED = "published"
    TIDIED_LATER = "tidied_later"
    UNTIDY = "untidy"


#: What a log line may name.
AnyStep = Step | LogStep


#: The steps that are counted, each with its metric. The facts of the step are the metric's labels.
METRICS: Mapping[Step, Metric] = {
    Step.CREATE_DEFERRED: Metric.CREATES_DEFERRED,
    Step.ATTEMPT_LOST: Metric.ATTEMPTS_LOST,
    Step.TRAINING_LOST: Metric.ATTEMPTS_LOST,
    Step.PREDICTION_VANISHED: Metric.PREDICTIONS_VANISHED,
}


@dataclass(frozen=True, slots=True)
class Happening:
    """One step, with its facts."""

    step: Step
    facts: Mapping[str, str | int]

    @property
    def why(self) -> str:
        """The one fact that says why, or to which state or model. Empty if the step has none."""
        return next((str(self.facts[name]) for name in _WHY if self.facts.get(name)), "")


def happened(step: Step, **facts: str | int) -> Happening:
    """A step that a transition names."""
    return Happening(step, facts)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a history: a step, when it was first and last taken, how often, and why.

    ``step`` is a plain text, because a row may come from a version with other steps.
    """

    step: str
    at: datetime
    last_at: datetime
    times: int = 1
    why: str = ""


History = tuple[Entry, ...]


def recorded(history: History, happenings: Iterable[Happening], at: datetime) -> History:
    """The history with these steps added."""
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
