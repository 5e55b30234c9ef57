"""What one account shows after the load, and the table that is printed.

Rules of this file:
1. Overshoot is what was used at the worst moment beyond the room, never what is left over at the end.
2. A figure is a measurement: what was read back from the tables and the simulator, never what was counted in between.
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """``requests`` to each account, of ``senders`` at once, where there is room for ``room``."""

    requests: int
    senders: int
    room: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One account after the load.

    ``most_used`` is the most that was used or held at any moment, in generations. ``made`` are the predictions that the
    provider made for it.
    """

    who: str
    bound: str
    account_id: str
    room: int
    sent: int
    opened: int
    refused: int
    most_used: int
    made: int

    @property
    def overshoot(self) -> int:
        """How many generations too many were opened (rule 1)."""
        return max(0, self.most_used - self.room, self.opened - self.room)

    @property
    def unanswered(self) -> int:
        """The requests that were neither opened nor refused."""
        return self.sent - self.opened - self.refused


#: Whose figures decide. The others are there to be compared.
OURS = "Darkroom"


def kept(figures: Iterable[Figure]) -> bool:
    """Whether none of Darkroom's accounts has one generation too many or a request without an answer."""
    ours = [figure for figure in figures if figure.who == OURS]
    return bool(ours) and all(figure.overshoot == figure.unanswered == 0 for figure in ours)


_HEADS = ("who", "bound", "room", "sent", "opened", "refused", "overshoot", "predictions")


def table(figures: Iterable[Figure]) -> str:
    """The figures as lines of text."""
    rows = [_HEADS, *(_row(figure) for figure in figures)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(_HEADS))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if place < 2 else cell.rjust(width)  # two columns of words
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )


def _row(figure: Figure) -> tuple[str, ...]:
    numbers = (figure.room, figure.sent, figure.opened, figure.refused, figure.overshoot, figure.made)
    return (figure.who, figure.bound, *(f"{number:,}" for number in numbers))
