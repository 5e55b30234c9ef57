"""The faults of the simulation, all drawn from one seeded generator.

Rules of this file:
1. Rates are per effect or per message, and far above real ones, so that a run of three hours has many faults.
2. After ``calm`` no new fault is drawn. Faults that already began go on.
"""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from dev.simulation.effects import READS, Mode, dependency_of
from shared.core.provider.prediction import CreateOutcome, CreateRefused, DeferReason, NotCreated, OutcomeUnknown
from shared.core.reasons import Reason

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """The rate of each fault: a probability, unless its comment says otherwise."""

    crash: float = 0.003
    fails: float = 0.01
    reply_lost: float = 0.005
    stall: float = 0.002  # a handler sleeps for minutes
    outages: int = 6  # of one dependency each, some minutes long
    create_deferred: float = 0.12  # 429, 401, 402
    create_refused: float = 0.02
    create_lost: float = 0.12  # really made or not, at even chance
    redelivered: float = 0.05  # a lock is lost: the same message comes again while the first delivery works
    slow: float = 0.05  # a message comes minutes late
    copy_lost: float = 0.05
    webhook_lost: float = 0.15
    webhook_doubled: float = 0.15
    webhook_late: float = 0.1
    list_lags: float = 0.15
    expires_early: float = 0.02
    output_late: float = 0.05  # it is 404 for a while
    not_known: float = 0.05  # a prediction is 404 for a while
    webhook_empty: float = 0.1  # its outputs were left out, or it has none to show
    sticks: float = 0.05  # a prediction never ends by itself


CALM = Rates(**dict.fromkeys(Rates.__dataclass_fields__, 0))


class Weather:
    """Draws the faults, and counts them by kind."""

    def __init__(self, seed: int, rates: Rates) -> None:
        self.random = random.Random(seed)
        self.rates = rates
        self.faults: Counter[str] = Counter()
        self.down: set[str] = set()

    def calm(self) -> None:
        """Draw no more faults."""
        self.rates = CALM
        self.down.clear()

    def strikes(self, kind: str) -> bool:
        """Draw whether a fault of this kind happens now."""
        rate: float = getattr(self.rates, kind)
        if rate and self.random.random() < rate:
            self.faults[kind] += 1
            return True
        return False

    def between(self, low: float, high: float) -> float:
        """Draw a number of seconds between two bounds."""
        return self.random.uniform(low, high)

    def one_of(self, choices: Sequence[T]) -> T:
        """Draw one of several values."""
        return choices[self.random.randrange(len(choices))]

    def latency_s(self) -> float:
        """Draw how long an effect takes: milliseconds, or so long that the lock expires and the timer runs twice."""
        return self.between(60, 400) if self.strikes("stall") else self.between(0.001, 0.3)

    def mode(self, effect: str) -> Mode | None:
        """Draw how an effect goes wrong; None: it does not."""
        if self.strikes("crash"):
            return self.one_of((Mode.CRASH_BEFORE, Mode.CRASH_AFTER))
        if dependency_of(effect) in self.down:
            self.faults["during an outage"] += 1
            return Mode.FAILS
        if effect not in READS and self.strikes("reply_lost"):
            return Mode.REPLY_LOST
        return Mode.FAILS if self.strikes("fails") else None

    def create(self) -> tuple[CreateOutcome, bool] | None:
        """Draw the outcome of a create, and whether the prediction was created; None: it succeeds."""
        if self.strikes("create_deferred"):
            why = self.one_of((DeferReason.THROTTLED, DeferReason.NO_CREDIT, DeferReason.UNAUTHORIZED))
            return NotCreated(why, self.between(1, 300)), False
        if self.strikes("create_refused"):
            return CreateRefused(Reason.PROVIDER_REFUSED, "The model did not accept these settings."), False
        if self.strikes("create_lost"):
            return OutcomeUnknown("answered 502"), self.random.random() < 0.5
        return None
