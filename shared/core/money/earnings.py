"""What each model cost and brought on each day.

Rules of this file:
1. A day is one of UTC. A generation belongs to the day on which it was opened, as in usage.py.
2. Credits count less what was refunded. The cost is that of all generations, also of those that did not succeed.
3. Cost and price are per successful generation. They include the cost of failed ones.
4. Whether a model loses money is decided in integers. Without a price of a credit nothing is decided.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date

from shared.core.money.usage import Used


@dataclass(frozen=True, slots=True, kw_only=True)
class Earned:
    """The sum of a model on a day. ``credits`` are those captured and not refunded."""

    generations: int = 0
    succeeded: int = 0
    credits: int = 0
    cost_usd_micros: int = 0

    def with_used(self, used: Used) -> "Earned":
        """The sum with one more generation."""
        return Earned(
            generations=self.generations + 1,
            succeeded=self.succeeded + used.succeeded,
            credits=self.credits + used.captured_credits - used.refunded_credits,
            cost_usd_micros=self.cost_usd_micros + used.cost_usd_micros,
        )

    @property
    def cost_each_usd_micros(self) -> int | None:
        """What one that succeeded cost, rounded up. None: none did."""
        return -(-self.cost_usd_micros // self.succeeded) if self.succeeded else None

    def sold_usd_micros(self, credit_usd_micros: int) -> int:
        """What the credits were sold for."""
        return self.credits * credit_usd_micros

    def sold_each_usd_micros(self, credit_usd_micros: int) -> int | None:
        """What one that succeeded was sold for, rounded down. None: none did."""
        return self.sold_usd_micros(credit_usd_micros) // self.succeeded if self.succeeded else None

    def loses(self, credit_usd_micros: int) -> bool:
        """Whether it cost more than it brought."""
        return self.cost_usd_micros > self.sold_usd_micros(credit_usd_micros)


class Earnings:
    """Sums by day and model. The order of adding does not matter."""

    def __init__(self) -> None:
        self._sums: dict[tuple[date, str], Earned] = {}

    def add(self, used: Used) -> None:
        """Count one generation. One that was refused before a model was called neither cost nor brought anything."""
        if used.model:
            group = (used.opened_at.astimezone(UTC).date(), used.model)
            self._sums[group] = self._sums.get(group, Earned()).with_used(used)

    def by_day(self) -> Iterator[tuple[date, str, Earned]]:
        """Yields (day, model, sum), by day and name."""
        for (day, model), earned in sorted(self._sums.items()):
            yield day, model, earned
