"""The eight states of a generation, and every step allowed between them. ``generation.stepped`` checks the steps."""

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
        """Whether this state is final."""
        return not NEXT[self]


#: The state machine. A step to WAITING may open the next attempt; a step to the same state records a requested end,
#: or what is waited for.
NEXT: dict[State | None, frozenset[State]] = {
    None: frozenset(
        {State.RECEIVED, State.SUBMITTING, State.WAITING, State.REJECTED, State.CANCELED, State.FAILED},
    ),
    State.RECEIVED: frozenset(
        {State.RECEIVED, State.SUBMITTING, State.WAITING, State.REJECTED, State.CANCELED, State.FAILED}
    ),
    State.SUBMITTING: frozenset({State.SUBMITTING, State.WAITING, State.RUNNING, State.FAILED, State.CANCELED}),
    State.WAITING: frozenset({State.WAITING, State.SUBMITTING, State.RUNNING, State.FAILED, State.CANCELED}),
    State.RUNNING: frozenset({State.WAITING, State.RUNNING, State.SUCCEEDED, State.FAILED, State.CANCELED}),
    State.SUCCEEDED: frozenset(),
    State.FAILED: frozenset(),
    State.CANCELED: frozenset(),
    State.REJECTED: frozenset(),
}

#: How far a generation that has not ended has got. Every end is further.
ORDER = {State.RECEIVED: 0, State.SUBMITTING: 1, State.WAITING: 2, State.RUNNING: 3}
ENDED_ORDER = 4
