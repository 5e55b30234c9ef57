"""The hosts of outputs, a circuit breaker for each.

Rules of this file:
1. What counts is the host: that it is not reached, does not answer, or says that it is too busy. A file that is
   missing, forbidden, broken off or slow once it came says nothing of the host: five of them of one user are five
   files. And one file that is tried five times is one, as long as nobody was put off for it.
2. A data URI needs no host, and is never put off.
3. The hosts are Replicate's own (downloads.py), but their names are theirs: only a bounded number is remembered.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from shared.adapters.replicate.resilience.circuit import NEIGHBOUR, CircuitBreaker
from shared.core.provider.breaker import BreakerRule
from shared.core.provider.prediction import DeferReason
from shared.ports import OutputUnfit, Unavailable

#: So many hosts are remembered. Replicate has a handful.
MOST_HOSTS = 64

#: So many files that a host did not give are remembered, until it gives one.
MOST_FILES = 1000

_WORST = ("open", "half-open", "closed")


class FileTrouble(Unavailable):
    """One file is not to be had now, and its host does answer."""


class Outputs:
    """The breakers, by host. ``now`` is a clock in seconds that only goes forward; ``chance`` is from 0 to 1."""

    def __init__(self, rule: BreakerRule, now: Callable[[], float], chance: Callable[[], float]) -> None:
        self._rule = rule
        self._now = now
        self._chance = chance
        self._hosts: dict[str, tuple[CircuitBreaker, set[str]]] = {}

    @property
    def state(self) -> str:
        """closed, open or half-open: the worst of them."""
        states = {watch.state for watch, _ in self._hosts.values()}
        return next((state for state in _WORST if state in states), "closed")

    @asynccontextmanager
    async def open(self, uri: str) -> AsyncIterator[None]:
        """Fetch the file inside. Unavailable where its host is left alone."""
        host = _host(uri)
        if host is None:
            yield
            return
        watch, failed = self._of(host)
        if (wait_s := watch.wait_s()) > 0:
            raise Unavailable(NEIGHBOUR, DeferReason.CIRCUIT_OPEN, wait_s)
        asked_at = self._now()
        watch.asked(asked_at)
        try:
            yield
        except (FileTrouble, OutputUnfit):  # for the host this is an answer
            self._answered(host, asked_at)
            raise
        except Unavailable as trouble:
            again = watch.state == "closed" and uri in failed
            if again or trouble.dependency != NEIGHBOUR:
                watch.given_up(asked_at)
            else:
                failed.add(uri)
                watch.failed(asked_at, trouble.why, trouble.retry_after_s or 0)
            raise
        except BaseException:
            watch.given_up(asked_at)
            raise
        self._answered(host, asked_at)

    def _answered(self, host: str, asked_at: float) -> None:
        watch, failed = self._of(host)
        failed.clear()
        watch.succeeded(asked_at)

    def _of(self, host: str) -> tuple[CircuitBreaker, set[str]]:
        """The breaker of a host, and the files that it did not give since it last gave one."""
        made = self._hosts.pop(host, None) or (CircuitBreaker("outputs", self._rule, self._now, self._chance), set())
        self._hosts[host] = made
        if len(self._hosts) > MOST_HOSTS:
            del self._hosts[next(iter(self._hosts))]
        if len(made[1]) > MOST_FILES:
            made[1].clear()
        return made


def _host(uri: str) -> str | None:
    """Whom to ask for it; None where nobody has to be asked, or nobody will be."""
    if uri[:5].lower() == "data:":
        return None
    try:
        return urlsplit(uri).hostname
    except ValueError:
        return None
