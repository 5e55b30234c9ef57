"""One thing that is asked of Replicate, and the circuit breaker in front of it.

Rules of this file:
1. What fails is told by what is raised: Unavailable of Replicate's own is a failure, OutputUnfit is an answer, and
   everything else (another dependency's trouble, a canceled invocation) says nothing.
2. The log has a line when a breaker opens and one when it closes, and none for each message in between.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from shared.core.dependency import Dependency
from shared.core.provider.breaker import Breaker, BreakerRule
from shared.core.provider.prediction import DeferReason
from shared.ports import OutputUnfit, Unavailable

_log = logging.getLogger("darkroom.replicate")

T = TypeVar("T")

#: How the corridor knows it.
NEIGHBOUR = Dependency.REPLICATE


class CircuitBreaker:
    """One breaker as it stands now, and what it is about."""

    def __init__(self, what: str, rule: BreakerRule, now: Callable[[], float], chance: Callable[[], float]) -> None:
        self.what = what
        self._breaker = Breaker(rule=rule)
        self._now = now
        self._chance = chance

    @property
    def state(self) -> str:
        """closed, open or half-open."""
        return self._breaker.state(self._now())

    def wait_s(self) -> float:
        """0 if one may ask now, else the seconds for which one may not."""
        return self._breaker.wait_s(self._now())

    def asked(self, at: float) -> None:
        """Somebody asks; it has to be said how it went."""
        self._breaker = self._breaker.asked(at)

    def succeeded(self, asked_at: float) -> bool:
        """It was answered. True: that has ended a pause."""
        before, self._breaker = self._breaker, self._breaker.succeeded(asked_at, self._now())
        ended = before.probe_at is not None and self._breaker.probe_at is None
        if ended:
            _log.warning("replicate answers again: its %s are asked for as usual", self.what)
        return ended

    def failed(self, asked_at: float, why: str, hint_s: float = 0) -> None:
        """It was not answered."""
        before, now = self._breaker, self._now()
        self._breaker = before.failed_at(asked_at, now, self._chance(), hint_s)
        if self._breaker.opened > before.opened:
            wait_s = self._breaker.wait_s(now)
            _log.warning("replicate's %s are left alone for %.0f s: %s", self.what, wait_s, why)

    def given_up(self, asked_at: float) -> None:
        """Whoever asked was gone before the answer."""
        self._breaker = self._breaker.given_up(asked_at)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Callable[[], object]]:
        """Ask inside. Unavailable where one may not; what is raised inside tells how it went.

        Yields what may be called as soon as there is an answer, of which more is to come.
        """
        if (wait_s := self.wait_s()) > 0:
            raise Unavailable(NEIGHBOUR, DeferReason.CIRCUIT_OPEN, wait_s)
        asked_at = self._now()
        self.asked(asked_at)
        try:
            yield lambda: self.succeeded(asked_at)
        except Unavailable as trouble:
            if trouble.dependency == NEIGHBOUR:
                self.failed(asked_at, trouble.why, trouble.retry_after_s or 0)
            else:
                self.given_up(asked_at)
            raise
        except OutputUnfit:
            self.succeeded(asked_at)  # it did answer
            raise
        except BaseException:
            self.given_up(asked_at)
            raise
        self.succeeded(asked_at)

    async def told(self, ask: Callable[[], Awaitable[T]]) -> T:
        """The answer to one question."""
        async with self.open():
            return await ask()
