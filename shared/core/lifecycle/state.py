"""The eight states of a generation, and every step there is between them. What takes a step is in generation.py."""

from enum import StrEnum


class State(StrEnum):
    """The eight states of a generation."""

    RECEIVED = "received"
    SUBMITTING = "submitting"
    WAITING = "waiting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    REJECTED = "rejected"

    @property
    def ended(self) -> bool:
        """Whether nothing more may change."""
        return not NEXT[self]


#: The whole state machine. A step to WAITING may be the next attempt's; a step to the same state notes a wish to end.
NEXT: dict[State | None, frozenset[State]] = {
    None: frozenset(
        {State.RECEIVED, State.SUBMITTING, State.WAITING, State.REJECTED, State.CANCELED, State.FAILED},
    ),
    State.RECEIVED: frozenset({State.SUBMITTING, State.WAITING, State.REJECTED, State.CANCELED, State.FAILED}),
    State.SUBMITTING: frozenset({State.SUBMITTING, State.WAITING, State.RUNNING, State.FAILED, State.CANCELED}),
    State.WAITING: frozenset({State.SUBMITTING, State.RUNNING, State.FAILED, State.CANCELED}),
    State.RUNNING: frozenset({State.WAITING, State.RUNNING, State.SUCCEEDED, State.FAILED, State.CANCELED}),
    State.SUCCEEDED: frozenset(),
    State.FAILED: frozenset(),
    State.CANCELED: frozenset(),
    State.REJECTED: frozenset(),
}

#: How far on an attempt is; whatever has ended is further, and what was only taken in has none.
ORDER = {State.RECEIVED: 0, State.SUBMITTING: 1, State.WAITING: 2, State.RUNNING: 3}
