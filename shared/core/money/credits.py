"""Numbers of the money: credits and USD micros are whole numbers within bounds.

Rules of this file:
1. Numbers from outside are whole numbers within their bounds, or are refused by name before anything is written. A
   bool, 10.0 or 2**63 in a row would make a row that cannot be read again.
2. The six sums of an account add up: ``granted == available + held + captured + expired + revoked``. A ledger entry is
   a change of the six, and its changes add up in the same way.
"""

from dataclasses import dataclass

#: The most credits of one move, and of one limit. A larger number is a typing error.
MOST_CREDITS = 1_000_000_000

#: The most USD micros of one hold or one limit: a billion dollars.
MOST_USD_MICROS = 10**15

#: The largest integer of a table column (Int64). A sum of moves stays within it, or is refused.
MOST_SUM = 2**63 - 1

#: The sums of an account, and the changes of an entry, by name.
SUMS = ("granted", "available", "held", "captured", "expired", "revoked")


def whole(name: str, value: object, low: int, high: int) -> int:
    """Check that a value is an integer within its bounds. Raises ValueError, with the name and the rule, if not."""
    if type(value) is not int or not low <= value <= high:
        raise ValueError(f"{name} must be a whole number from {low} to {high}")
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """The six sums of an account, or the changes of them by one ledger entry."""

    granted: int = 0
    available: int = 0
    held: int = 0
    captured: int = 0
    expired: int = 0
    revoked: int = 0

    @property
    def add_up(self) -> bool:
        """Whether every granted credit is in exactly one of the other five sums."""
        return self.granted == self.available + self.held + self.captured + self.expired + self.revoked

    def check(self, low: int) -> None:
        """Raise ValueError if a sum is not a whole number from ``low`` on that a table column holds."""
        for name in SUMS:
            whole(name, getattr(self, name), low, MOST_SUM)

    def plus(self, change: "Sums") -> "Sums":
        """These sums after a change."""
        return Sums(
            granted=self.granted + change.granted,
            available=self.available + change.available,
            held=self.held + change.held,
            captured=self.captured + change.captured,
            expired=self.expired + change.expired,
            revoked=self.revoked + change.revoked,
        )
