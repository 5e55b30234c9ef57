"""A circuit breaker for each host of outputs.

Rules of this file:
1. A failure is a host that is not reached, does not answer, or says that it is too busy. A file that is missing,
   forbidden, broken off or slow says nothing about its host: a user may have five such files. While the circuit is
   closed, a file that fails several times counts once.
2. A data URI needs no host, so no circuit breaker applies to it.
3. The hosts are Replicate's own (downloads.py), but Replicate chooses their names. So only a bounded number is kept.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from shared.adapters.replicate.resilience.circuit import CircuitBreaker
from shared.core.dependency import Dependency
from shared.core.provider.breaker import BreakerRule, Circuit
from shared.core.provider.prediction import DeferReason
from shared.ports import OutputUnfit, Unavailable

#: The most hosts that are remembered. Replicate has a handful.
MOST_HOSTS = 64

#: The most failed files that are remembered for a host, until it delivers one.
MOST_FILES = 1000

_WORST = (Circuit.OPEN, Circuit.HALF_OPEN, Circuit.CLOSED)


class FileTrouble(Unavailable):
    """One file is not available now, although its host answers."""


class Outputs:
    """The breakers, by host. ``now`` returns seconds that only grow; ``chance`` returns a number from 0 to 1."""

    def __init__(self, rule: BreakerRule, now: Callable[[], float], chance: Callable[[], float]) -> None:
        self._rule = rule
        self._now = now
        self._chance = chance
        self._hosts: dict[str, tuple[CircuitBreaker, set[str]]] = {}

    @property
    def state(self) -> Circuit:
        """The worst state of all hosts."""
        states = {breaker.state for breaker, _ in self._hosts.values()}
        return next((state for state in _WORST if state in states), Circuit.CLOSED)

    @asynccontextmanager
    async def open(self, uri: str) -> AsyncIterator[None]:
        """Fetch the file inside this block. Unavailable while the circuit of its host is open."""
        host = _host(uri)
        if host is None:
            yield
            return
        breaker, failed = self._of(host)
        if (wait_s := breaker.wait_s()) > 0:
            raise Unavailable(Dependency.REPLICATE, DeferReason.CIRCUIT_OPEN, wait_s)
        asked_at = self._now()
        breaker.asked(asked_at)
        try:
            yield
        except (FileTrouble, OutputUnfit):  # for the host this is an answer
            self._answered(host, asked_at)
            raise
        except Unavailable as trouble:
            again = breaker.state is Circuit.CLOSED and uri in failed
            if again or trouble.dependency != Dependency.REPLICATE:
                breaker.given_up(asked_at)
            else:
                failed.add(uri)
                breaker.failed(asked_at, trouble.why, trouble.retry_after_s or 0)
            raise
        except BaseException:
            breaker.given_up(asked_at)
            raise
        self._answered(host, asked_at)

    def _answered(self, host: str, asked_at: float) -> None:
        breaker, failed = self._of(host)
        failed.clear()
        breaker.succeeded(asked_at)

    def _of(self, host: str) -> tuple[CircuitBreaker, set[str]]:
        """The breaker of a host, and the files that failed since it last delivered one."""
        made = self._hosts.pop(host, None) or (CircuitBreaker("outputs", self._rule, self._now, self._chance), set())
        self._hosts[host] = made
        if len(self._hosts) > MOST_HOSTS:
            del self._hosts[next(iter(self._hosts))]
        if len(made[1]) > MOST_FILES:
            made[1].clear()
        return made


def _host(uri: str) -> str | None:
    """The host of an address. None for a data URI, and for an address that downloads.py will refuse."""
    if uri[:5].lower() == "data:":
        return None
    try:
        return urlsplit(uri).hostname
    except ValueError:
        return None
