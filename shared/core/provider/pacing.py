"""A pace: how many creates one instance may send, and when a create that has to wait is retried.

Replicate counts the creates of an account: 600 a minute, with short bursts above, or 6 a minute with a burst of 1 while
its credit is low (replicate.com/docs/topics/predictions/rate-limits, and the texts of its 429s).

Rules of this file:
1. Tokens decide whether a create may be sent now: so many a minute. Tokens unused for some seconds may be used at once.
2. A virtual queue decides when a waiting create is retried: each gets the next slot at which a token will be there. So
   retries arrive at the pace at which they can be served, however many there are, and never all at once.
3. Retries take precedence over first requests. A first request takes a token only if no retry is queued, or if the
   bucket is full (capacity > 1), i.e. the queued retries are not using it. So no request is overtaken for ever.
4. A 429 empties the bucket for as long as it says, and lowers the pace: to the number that it names, or to a half.
   After a while without another 429 the pace climbs back to the normal one.
5. A pace is a value. The time is an argument, in seconds of any monotonic clock.
"""

from dataclasses import dataclass

from shared.core.values import replace

#: The capacity of the bucket, in seconds: a tenth of a minute's creates may be sent at once.
BURST_S = 6.0

#: Upper bound of a returned wait. Requests further back return early and queue again; otherwise they would keep waiting
#: after the limit was raised.
LONGEST_WAIT_S = 1800.0

#: How long a lowered pace lasts after the wait that a 429 asked for, and how long it then takes to climb back.
LOWERED_S, CLIMB_S = 60.0, 300.0

#: A 429 that names no number halves the pace, but not below this part of the normal pace: 6 of 600.
LEAST_PART = 1 / 100

#: A token counts as available if this much of it is missing: sums of fractions are not exact.
_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """The state of a pace. Made by ``pace_of``. Times are seconds of the caller's clock.

    ``tokens`` were available at ``counted_at``, which is in the future while a 429 forbids creates. ``last_slot_at`` is
    the end of the virtual queue. ``low_per_minute`` applies until ``low_until``; it was set at ``lowered_at``.
    """

    per_minute: float
    tokens: float
    counted_at: float
    last_slot_at: float = float("-inf")
    low_per_minute: float = 0.0
    lowered_at: float = float("-inf")
    low_until: float = float("-inf")

    def per_s(self, now: float) -> float:
        """How many creates a second are allowed now."""
        climbed = max(0.0, (now - self.low_until) / CLIMB_S)
        return min(self.per_minute, self.low_per_minute + self.per_minute * climbed) / 60

    def asked(self, now: float, *, waited: bool) -> "tuple[Pace, float]":
        """Ask for a token; ``waited``: this is a retry. Returns the pace after it and the seconds to wait (0: none)."""
        there, most = self._counted(now), self.most(now)
        overtakes = not waited and self.last_slot_at > now
        if there.tokens + _ROUNDING >= (most if overtakes else 1.0) and not (overtakes and most == 1.0):
            return replace(there, tokens=there.tokens - 1), 0.0
        return there.queued(now)

    def queued(self, now: float) -> "tuple[Pace, float]":
        """Take the next slot of the virtual queue. Returns the pace after it, and the seconds until the slot."""
        there, per_s = self._counted(now), self.per_s(now)
        token_at = max(now, there.counted_at) + max(0.0, 1 - there.tokens) / per_s
        slot_at = min(max(token_at, there.last_slot_at + 1 / per_s), now + LONGEST_WAIT_S)
        return replace(there, last_slot_at=slot_at), slot_at - now

    def emptied(self, now: float) -> "Pace":
        """Remove the burst: after an outage the dependency gets calls at an even pace."""
        return replace(self._counted(now), tokens=0.0)

    def throttled(self, asked_at: float, now: float, hint_s: float, per_minute: float | None = None) -> "Pace":
        """A create that began at ``asked_at`` got a 429: wait ``hint_s``, then use the ``per_minute`` that it names.

        Creates that were in flight together are throttled together. They lower the pace once, not once each.
        """
        if per_minute is not None:
            low = min(per_minute, self.per_minute)
        elif asked_at <= self.lowered_at:
            low = self.low_per_minute
        else:
            low = max(self.per_s(now) * 60 / 2, self.per_minute * LEAST_PART)
        until = max(self.counted_at, now + hint_s)
        return replace(
            self, tokens=0.0, counted_at=until, low_per_minute=low, lowered_at=now, low_until=until + LOWERED_S
        )

    def most(self, now: float) -> float:
        """The capacity of the bucket now: a full burst, in tokens."""
        return max(1.0, self.per_s(now) * BURST_S)

    def left(self, now: float) -> float:
        """The tokens that are there now. Below 0 nothing is there for some time."""
        return self._counted(now).tokens if now >= self.counted_at else -1.0

    def _counted(self, now: float) -> "Pace":
        """This pace with its tokens counted up to now."""
        if now <= self.counted_at:
            return self
        tokens = min(self.most(now), self.tokens + (now - self.counted_at) * self.per_s(now))
        return replace(self, tokens=tokens, counted_at=now)


def pace_of(per_minute: float, now: float) -> Pace:
    """The pace of an instance that has just started: its bucket is full.

    Raises:
        ValueError: ``per_minute`` is not above 0, so that no create could ever be sent.
    """
    if per_minute <= 0:
        raise ValueError("a pace of nothing a minute")
    tokens = max(1.0, per_minute / 60 * BURST_S)
    return Pace(per_minute=per_minute, tokens=tokens, counted_at=now, low_per_minute=per_minute)
