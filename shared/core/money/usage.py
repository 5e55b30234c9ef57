"""What generations used: Darkroom's credits, and the provider's money, summed over any number of generations.

Rules of this file:
1. Integers only: credits, and USD micros. Only printing turns them into decimals.
2. A sum keeps groups, never generations: its size is that of the printed table, however many generations were added.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import TypeVar

#: A user in sums: account id and user id.
User = tuple[str, str]

G = TypeVar("G", str, User)


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """What one generation used. ``model`` is that of the last attempt; empty if there was no attempt.

    ``cost_usd_micros`` is an estimate, summed over all attempts, on whichever model. ``took_s`` is the time from its
    opening to its end (None: it has not ended). ``unit_credits`` is the price of one output. ``prediction_id`` is that
    of the last attempt at its provider.
    """

    account_id: str
    user_id: str
    model: str
    succeeded: bool
    outputs: int
    captured_credits: int
    cost_usd_micros: int
    opened_at: datetime
    took_s: int | None = None
    refunded_credits: int = 0
    unit_credits: int = 0
    prediction_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """What several generations used together."""

    generations: int = 0
    succeeded: int = 0
    outputs: int = 0
    captured_credits: int = 0
    cost_usd_micros: int = 0

    def __add__(self, other: "Sum") -> "Sum":
        return Sum(
            generations=self.generations + other.generations,
            succeeded=self.succeeded + other.succeeded,
            outputs=self.outputs + other.outputs,
            captured_credits=self.captured_credits + other.captured_credits,
            cost_usd_micros=self.cost_usd_micros + other.cost_usd_micros,
        )

    @classmethod
    def of(cls, used: Used) -> "Sum":
        """The sum of one generation."""
        return cls(
            generations=1,
            succeeded=int(used.succeeded),
            outputs=used.outputs,
            captured_credits=used.captured_credits,
            cost_usd_micros=used.cost_usd_micros,
        )


class Usage:
    """Sums by user and model. A user is named by account and id. The order of adding does not matter."""

    def __init__(self) -> None:
        self._sums: dict[tuple[User, str], Sum] = {}

    def add(self, used: Used) -> None:
        """Count one generation."""
        group = ((used.account_id, used.user_id), used.model)
        self._sums[group] = self._sums.get(group, Sum()) + Sum.of(used)

    def by_user_and_model(self) -> Iterator[tuple[User, str, Sum]]:
        """Yields (user, model, sum), in the order of the names."""
        for (user, model), total in sorted(self._sums.items()):
            yield user, model, total

    def by_user(self) -> Mapping[User, Sum]:
        """Each user's sum, ordered by account and user id."""
        return _by((user, total) for (user, _), total in self._sums.items())

    def by_model(self) -> Mapping[str, Sum]:
        """Each model's sum, ordered by name."""
        return _by((model, total) for (_, model), total in self._sums.items())

    def total(self) -> Sum:
        """The sum over all users and models."""
        return sum(self._sums.values(), Sum())


def _by(parts: Iterable[tuple[G, Sum]]) -> dict[G, Sum]:
    sums: dict[G, Sum] = {}
    for group, part in sorted(parts, key=itemgetter(0)):
        sums[group] = sums.get(group, Sum()) + part
    return sums


def usd(micros: int) -> str:
    """USD micros as dollars with six decimals, exactly: ``0.003000``."""
    sign, whole = ("-" if micros < 0 else ""), abs(micros)
    return f"{sign}{whole // 1_000_000}.{whole % 1_000_000:06d}"
