"""A circuit breaker for one kind of call to Replicate.

Rules of this file:
1. The exception decides: ``Unavailable`` from Replicate counts as a failure, ``OutputUnfit`` as a success. Any other
   exception (another dependency is unavailable, the invocation was canceled) is not counted.
2. The log has one line when a breaker opens and one when it closes. It has none for the messages in between.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from shared.core.dependency import Dependency
from shared.core.provider.breaker import Breaker, BreakerRule, Circuit
from shared.core.provider.prediction import DeferReason
from shared.ports import OutputUnfit, Unavailable

_log = logging.getLogger("darkroom.replicate")

T = TypeVar("T")


class CircuitBreaker:
    """The state of one breaker. ``what`` names its calls in the log; ``chance`` returns a number from 0 to 1."""

    def __init__(self, what: str, rule: BreakerRule, now: Callable[[], float], chance: Callable[[], float]) -> None:
        self.what = what
        self._breaker = Breaker(rule=rule)
        self._now = now
        self._chance = chance

    @property
    def state(self) -> Circuit:
        """Whether a call may be made, may not, or is the probe."""
        return self._breaker.state(self._now())

    def wait_s(self) -> float:
        """0 if a call may be made now, else the seconds until one may."""
        return self._breaker.wait_s(self._now())

    def asked(self, at: float) -> None:
        """Record that a call began. Its result must follow: ``succeeded``, ``failed`` or ``given_up``."""
        self._breaker = self._breaker.asked(at)

    def succeeded(self, asked_at: float) -> bool:
        """Record that the call was answered. True if that closed the circuit."""
        before, self._breaker = self._breaker, self._breaker.succeeded(asked_at, self._now())
        ended = before.probe_at is not None and self._breaker.probe_at is None
        if ended:
            _log.warning("replicate answers again: its %s are asked for as usual", self.what)
        return ended

    def failed(self, asked_at: float, why: str, hint_s: float = 0) -> None:
        """Record that the call failed. ``hint_s`` is the pause that Replicate asked for, or 0."""
        before, now = self._breaker, self._now()
        self._breaker = before.failed_at(asked_at, now, self._chance(), hint_s)
        if self._breaker.opened > before.opened:
            wait_s = self._breaker.wait_s(now)
            _log.warning("replicate's %s: circuit open for %.0f s: %s", self.what, wait_s, why)

    def given_up(self, asked_at: float) -> None:
        """Record that the call has no result that counts, such as a canceled one."""
        self._breaker = self._breaker.given_up(asked_at)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Callable[[], object]]:
        """Make the call inside this block. What the block raises is recorded as the call's result.

        Yields a function that records a success before the block ends, for an answer that takes long to read.

        Raises:
            Unavailable: the circuit is open; nothing may be sent.
        """
        if (wait_s := self.wait_s()) > 0:
            raise Unavailable(Dependency.REPLICATE, DeferReason.CIRCUIT_OPEN, wait_s)
        asked_at = self._now()
        self.asked(asked_at)
        try:
            yield lambda: self.succeeded(asked_at)
        except Unavailable as trouble:
            if trouble.dependency == Dependency.REPLICATE:
                self.failed(asked_at, trouble.why, trouble.retry_after_s or 0)
            else:
                self.given_up(asked_at)
            raise
        except OutputUnfit:
            self.succeeded(asked_at)  # an answer
            raise
        except BaseException:
            self.given_up(asked_at)
            raise
        self.succeeded(asked_at)

    async def call(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Make one call through the breaker and return its answer."""
        async with self.open():
            return await ask()
