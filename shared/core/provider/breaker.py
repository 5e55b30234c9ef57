"""A circuit breaker: a dependency that fails several times in a row is not called for a while.

Rules of this file:
1. Closed: every caller may call. Open: no caller may, until the pause is over. Half-open: one call is made, the probe.
   Its result closes the breaker, or opens it for a longer pause.
2. Ignore the result of a call that started before the breaker last opened or closed: it describes the previous period.
3. A successful probe closes the breaker on probation: one failure opens it again, and the pause keeps growing. Only a
   second success resets the pause.
4. A breaker is a value. The time is an argument, in seconds of any monotonic clock; so is the random number.
"""

from dataclasses import dataclass
from enum import StrEnum

from shared.core.values import replace

#: A pause is extended at random by up to this part of it, so that breakers of one dependency do not probe in step.
JITTER = 0.25


class Circuit(StrEnum):
    """The state of a breaker (rule 1). The values are the words of logs."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerRule:
    """``failures`` in a row open the breaker. The first pause is ``pause_s``; each further one is twice as long.

    ``longest_pause_s`` bounds the pauses.

    A probe without a result after ``probe_s`` counts as dead, and another caller may probe.
    """

    failures: int
    pause_s: float
    longest_pause_s: float
    probe_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """The state of one breaker.

    ``failed`` counts the failures in a row, ``opened`` how often in a row it opened. ``probe_at`` is the end of
    the pause (None: closed). ``probing_since`` is when the probe began (None: there is no probe).
    """

    rule: BreakerRule
    failed: int = 0
    opened: int = 0
    changed_at: float = float("-inf")
    probe_at: float | None = None
    probing_since: float | None = None

    def state(self, now: float) -> Circuit:
        """Whether a caller may call, may not, or makes the probe."""
        if self.probe_at is None:
            return Circuit.CLOSED
        return Circuit.HALF_OPEN if now >= self.probe_at else Circuit.OPEN

    def wait_s(self, now: float) -> float:
        """0 if the caller may call: it then calls ``asked`` and reports the result. Otherwise the seconds to wait."""
        if self.probe_at is None:
            return 0.0
        if now < self.probe_at:
            return self.probe_at - now
        probing = self.probing_since is not None and now < self.probing_since + self.rule.probe_s
        return self.rule.pause_s if probing else 0.0

    def asked(self, now: float) -> "Breaker":
        """A caller that may call does so now. Unless the breaker is closed, this call is the probe."""
        return self if self.probe_at is None else replace(self, probing_since=now)

    def succeeded(self, asked_at: float, now: float) -> "Breaker":
        """The call that began at ``asked_at`` succeeded."""
        if asked_at < self.changed_at:
            return self
        if self.probe_at is None:
            return replace(self, failed=0, opened=0) if self.failed or self.opened else self
        return replace(self, failed=self.rule.failures - 1, changed_at=now, probe_at=None, probing_since=None)

    def failed_at(self, asked_at: float, now: float, chance: float, hint_s: float = 0) -> "Breaker":
        """The call that began at ``asked_at`` failed; ``hint_s`` is the pause that the dependency asked for."""
        if asked_at < self.changed_at:
            return self
        failed = self.failed + 1
        if self.probe_at is None and failed < self.rule.failures:
            return replace(self, failed=failed)
        grown_s = min(self.rule.longest_pause_s, self.rule.pause_s * 2 ** min(self.opened, 30))
        probe_at = now + max(grown_s, hint_s) * (1 + JITTER * chance)
        return replace(
            self, failed=failed, opened=self.opened + 1, changed_at=now, probe_at=probe_at, probing_since=None
        )

    def given_up(self, asked_at: float) -> "Breaker":
        """The call that began at ``asked_at`` was cancelled: this says nothing about the dependency."""
        return replace(self, probing_since=None) if self.probing_since == asked_at else self
