"""What generations used: credits of ours, money of the provider's. Sums over any number of them.

Rules of this file:
1. Integers only: credits, and USD micros. Where they are printed, they become decimal; nowhere else.
2. A sum holds groups and never generations: its size is that of its table, however many were added.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import TypeVar

#: A user, as sums are kept: account and user.
User = tuple[str, str]

G = TypeVar("G", str, User)


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """What one generation used. ``model`` is the one that answered last; empty: none was ever asked.

    ``cost_usd_micros`` is an estimate, summed over its attempts, those on other models too.
    """

    account_id: str
    user_id: str
    model: str
    succeeded: bool
    outputs: int
    captured_credits: int
    cost_usd_micros: int


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
        """The sum of one."""
        return cls(
            generations=1,
            succeeded=int(used.succeeded),
            outputs=used.outputs,
            captured_credits=used.captured_credits,
            cost_usd_micros=used.cost_usd_micros,
        )


class Usage:
    """Sums by user and model; a user is named by account and id. Order of adding does not matter."""

    def __init__(self) -> None:
        self._sums: dict[tuple[User, str], Sum] = {}

    def add(self, used: Used) -> None:
        """Count one generation."""
        group = ((used.account_id, used.user_id), used.model)
        self._sums[group] = self._sums.get(group, Sum()) + Sum.of(used)

    def by_user_and_model(self) -> Iterator[tuple[User, str, Sum]]:
        """Each user's sum of each model, in the order of their names."""
        for (user, model), total in sorted(self._sums.items()):
            yield user, model, total

    def by_user(self) -> Mapping[User, Sum]:
        """Each user's sum, in the order of their ids."""
        return _by((user, total) for (user, _), total in self._sums.items())

    def by_model(self) -> Mapping[str, Sum]:
        """Each model's sum, in the order of their names."""
        return _by((model, total) for (_, model), total in self._sums.items())

    def total(self) -> Sum:
        """Everything."""
        return sum(self._sums.values(), Sum())


def _by(parts: Iterable[tuple[G, Sum]]) -> dict[G, Sum]:
    sums: dict[G, Sum] = {}
    for group, part in sorted(parts, key=itemgetter(0)):
        sums[group] = sums.get(group, Sum()) + part
    return sums


def usd(micros: int) -> str:
    """USD micros as dollars, exactly: ``0.003000``."""
    sign, whole = ("-" if micros < 0 else ""), abs(micros)
    return f"{sign}{whole // 1_000_000}.{whole % 1_000_000:06d}"
