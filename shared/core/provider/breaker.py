"""A circuit breaker: a dependency that fails several times in a row is left alone for a while.

Rules of this file:
1. Closed: everybody may ask. Open: nobody, until the pause is over. Half-open: one asks, the probe, and its answer
   closes the breaker, or opens it for a longer pause.
2. What a call came to that began before the breaker last opened or closed changes nothing: it tells of a time that
   is over.
3. The probe's success closes on probation: one failure opens again, and the pause goes on growing from where it was.
   Only a second success forgets the pauses.
4. A breaker is a value. Time is an argument, in seconds of any clock that only goes forward; so is chance.
"""

from dataclasses import dataclass, replace

#: A pause is longer by up to this part of it, by chance: many breakers of one dependency must not probe in step.
JITTER = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerRule:
    """``failures`` in a row open it; the first pause is ``pause_s``, each further one twice as long, up to the longest.

    A probe that has not come to anything after ``probe_s`` is taken for dead, and another may ask.
    """

    failures: int
    pause_s: float
    longest_pause_s: float
    probe_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """One breaker as it stands.

    ``failed`` are the failures in a row, ``opened`` how often in a row it opened. ``probe_at`` is when the pause is
    over (None: it is closed), ``probing_since`` when the probe began (None: nobody probes).
    """

    rule: BreakerRule
    failed: int = 0
    opened: int = 0
    changed_at: float = float("-inf")
    probe_at: float | None = None
    probing_since: float | None = None

    def state(self, now: float) -> str:
        """closed, open or half-open."""
        if self.probe_at is None:
            return "closed"
        return "half-open" if now >= self.probe_at else "open"

    def wait_s(self, now: float) -> float:
        """0: the caller may ask, if it calls ``asked`` and tells how it went. Else the seconds for which it may not."""
        if self.probe_at is None:
            return 0.0
        if now < self.probe_at:
            return self.probe_at - now
        probing = self.probing_since is not None and now < self.probing_since + self.rule.probe_s
        return self.rule.pause_s if probing else 0.0

    def asked(self, now: float) -> "Breaker":
        """Somebody who may ask does so now: the probe, unless it is closed."""
        return self if self.probe_at is None else replace(self, probing_since=now)

    def succeeded(self, asked_at: float, now: float) -> "Breaker":
        """The call that began at ``asked_at`` was answered."""
        if asked_at < self.changed_at:
            return self
        if self.probe_at is None:
            return replace(self, failed=0, opened=0) if self.failed or self.opened else self
        return replace(self, failed=self.rule.failures - 1, changed_at=now, probe_at=None, probing_since=None)

    def failed_at(self, asked_at: float, now: float, chance: float, hint_s: float = 0) -> "Breaker":
        """The call that began at ``asked_at`` was not answered; ``hint_s`` is the pause it asked for."""
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
        """The call that began at ``asked_at`` was canceled before there was an answer: that says nothing."""
        return replace(self, probing_since=None) if self.probing_since == asked_at else self
