"""A circuit breaker: a neighbour that fails several times in a row is left alone for a while.

Rules of this file:
1. Closed: everybody may ask. Open: nobody, until the pause is over. Half-open: one asks, the probe, and its answer
   closes or opens it again.
2. Time is an argument. Within one event loop nothing here is interrupted, so there is no lock.
"""

from collections.abc import Callable


class Breaker:
    """Counts failures in a row; ``failures`` of them open it for ``pause_s`` seconds of the clock ``now``."""

    def __init__(self, failures: int, pause_s: float, now: Callable[[], float]) -> None:
        self._most = failures
        self._pause_s = pause_s
        self._now = now
        self._failed = 0
        self._opened_at: float | None = None
        self._probing = False

    @property
    def state(self) -> str:
        """closed, open or half-open."""
        if self._opened_at is None:
            return "closed"
        return "half-open" if self._now() >= self._opened_at + self._pause_s else "open"

    def may_ask(self) -> bool:
        """Whether the caller may ask now. Who may has to say how it went, or that it was given up."""
        if self._opened_at is None:
            return True
        if self._probing or self.state == "open":
            return False
        self._probing = True
        return True

    def wait_s(self) -> float:
        """Seconds until the next probe; 0 where it is one's turn already."""
        if self._opened_at is None:
            return 0.0
        return max(0.0, self._opened_at + self._pause_s - self._now())

    def succeeded(self) -> None:
        """It answered: closed."""
        self._failed, self._opened_at, self._probing = 0, None, False

    def failed(self) -> None:
        """It did not answer: one more in a row, or the probe's failure."""
        self._failed += 1
        if self._probing or self._failed >= self._most:
            self._opened_at = self._now()
        self._probing = False

    def given_up(self) -> None:
        """The caller was canceled before there was an answer: that says nothing about the neighbour."""
        self._probing = False
