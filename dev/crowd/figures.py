"""The load of a crowd, what was measured, and the bounds.

Rules of this file:
1. A move's time is from the reading of its rows to its answer, with all that was tried again.
2. Credits and chain are read back from the table at the end.
"""

from collections.abc import Sequence
from dataclasses import dataclass

#: The entities of one partition that Azure serves in a second.
MOST_SERVED = 2000

#: The bounds: p95 of a move, and the entities of a second on average.
MOST_P95_S, MOST_ENTITIES = 1.0, 1500

#: How long a generation is open. That is its provider's time, and not the tables'.
LIFE_S = 1.0

#: The bounds of 100 at once: the time of all their moves, and table requests of each generation.
MOST_AT_ONCE_S, MOST_REQUESTS = 1.8, 12


@dataclass(frozen=True, slots=True)
class Load:
    """So many generations a second for some seconds, or ``at_once`` all at once."""

    seconds: int = 60
    processes: int = 8
    rate: int = 50
    users: int = 0
    at_once: int = 0

    @property
    def generations(self) -> int:
        """How many generations the load has."""
        return self.at_once or self.seconds * self.rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one process has measured. ``moves_s`` are the times of its moves; ``late_s`` is how late they began."""

    moves_s: tuple[float, ...]
    late_s: float
    cpu_s: float
    requests: int
    transactions: int
    refused: int
    conflicts: int
    deferred: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a crowd has measured."""

    load: Load
    took_s: float
    reports: tuple[Report, ...]
    #: Of each second.
    entities: tuple[int, ...]
    azurite_cpu_s: float
    #: What the audit and the walk found; none if all is whole.
    off: tuple[str, ...] = ()
    captured: int = 0
    entries: int = 0

    @property
    def moves(self) -> int:
        """Holds and resolves."""
        return sum(len(each.moves_s) for each in self.reports)

    @property
    def p95_s(self) -> float:
        """95 of 100 moves took no longer."""
        return quantile([each for reports in self.reports for each in reports.moves_s], 0.95)

    @property
    def moving_s(self) -> float:
        """From the begin of the first move to the end of the last, without ``LIFE_S``: all are open together."""
        return self.took_s - LIFE_S

    @property
    def entities_a_second(self) -> float:
        """The mean while the crowd ran."""
        return sum(self.entities) / max(self.took_s, 1.0)

    @property
    def requests_each(self) -> float:
        """Table requests of a generation."""
        return sum(each.requests for each in self.reports) / max(1, self.load.generations)


def quantile(values: Sequence[float], part: float) -> float:
    """The ``part`` quantile of ``values``; 0 without values."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else 0.0


def kept(figures: Figures) -> bool:
    """Whether every bound is kept, no credit is off and the chain is whole."""
    whole = not figures.off and figures.captured == figures.load.generations
    if figures.load.at_once:
        return whole and figures.moving_s <= MOST_AT_ONCE_S and figures.requests_each <= MOST_REQUESTS
    return whole and figures.p95_s <= MOST_P95_S and figures.entities_a_second <= MOST_ENTITIES


def table(figures: Figures) -> str:
    """The figures as lines of text."""
    load, reports, moves = figures.load, figures.reports, max(1, figures.moves)
    times = [each for one in reports for each in one.moves_s]
    sums = {
        name: sum(getattr(each, name) for each in reports)
        for name in ("requests", "transactions", "refused", "conflicts", "deferred", "cpu_s")
    }
    saved = max(1, sums["transactions"] - sums["conflicts"])
    what = f"{load.at_once} at once" if load.at_once else f"{load.rate} a second for {load.seconds} s"
    lines = [
        (f"{what}, {load.processes} processes", f"{figures.took_s:.1f} s"),
        *([("without the second that each is open", f"{figures.moving_s:.1f} s")] if load.at_once else []),
        ("moves", f"{figures.moves:,}"),
        (
            "time of a move, p50 / p95 / p99",
            " / ".join(f"{quantile(times, each):.2f}" for each in (0.5, 0.95, 0.99)) + " s",
        ),
        ("begun late, at most", f"{max((each.late_s for each in reports), default=0):.2f} s"),
        ("entities a second, mean / most", f"{figures.entities_a_second:,.0f} / {max(figures.entities, default=0):,}"),
        ("answered with 503", f"{sums['refused']:,}"),
        ("table requests of a generation", f"{figures.requests_each:.1f}"),
        ("lost tries of 100 moves", f"{100 * sums['conflicts'] / moves:.1f}"),
        ("moves of a transaction", f"{moves / saved:.1f}"),
        ("moves that were retried", f"{sums['deferred']:,}"),
        (
            "CPU of a move, processes / Azurite",
            f"{1000 * sums['cpu_s'] / moves:.2f} / {1000 * figures.azurite_cpu_s / moves:.2f} ms",
        ),
        ("entries of the chain", f"{figures.entries:,}"),
        ("off", "; ".join(figures.off) or "nothing"),
    ]
    return "\n".join(f"  {name:<42}{value:>24}" for name, value in lines)
