"""What the whole app uses: sums by time, which any number of instances add to and which are added up.

Rules of this file:
1. A tally has slots of 15 minutes of the last 24 h, and days (UTC) before that. All windows of the app's limits follow
   from it, in UTC. It is a plain sum: tallies of instances are added, in any order.
2. The windows of accounts show the same slots, so a tally can be computed anew from them (``rebuilt``). Days cannot:
   a day is what its slots were when they became old.
3. While accounts are read, others move. Where somebody may have moved, the base is never lowered, and is raised only by
   what no time in between explains. Where nobody has, it is exact.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from shared.core.money.windows import CALENDAR, SLOT_S, SLOTS, Counted, Slot, Usage, Window, calendar_period

_DAY_S = 86400
_SLOTS_A_DAY = _DAY_S // SLOT_S

#: No month is longer, and the day in which it began may be partly out.
_DAYS = 32

#: Credits and USD micros by the number of a slot or of a day.
Sums = Mapping[int, Counted]


@dataclass(frozen=True, slots=True)
class Tally:
    """Sums by slot, and by day where the slots are old."""

    slots: Sums = field(default_factory=dict)
    days: Sums = field(default_factory=dict)

    def __bool__(self) -> bool:
        return any(any(each) for sums in (self.slots, self.days) for each in sums.values())

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(_added(self.slots, other.slots), _added(self.days, other.days))

    def aged(self, now: datetime) -> "Tally":
        """The same, with the slots that are old in their days. What no window can count is dropped."""
        first, last_day = slot_of(now) - SLOTS, int(now.timestamp()) // _DAY_S
        old: dict[int, Counted] = {}
        for number, sums in self.slots.items():
            if number < first:
                old = _added(old, {number // _SLOTS_A_DAY: sums})
        slots = {number: sums for number, sums in self.slots.items() if number >= first and any(sums)}
        days = {day: sums for day, sums in _added(self.days, old).items() if day > last_day - _DAYS and any(sums)}
        return Tally(slots, days)

    def usage(self, at: datetime) -> Usage:
        """The windows of this time, as limits are checked against them."""
        calendar = tuple([self._window(*calendar_period(span, at, UTC)) for span in CALENDAR])
        first = slot_of(at) - SLOTS
        slots = tuple(sorted((number, *sums) for number, sums in self.slots.items() if number >= first))
        total = (sum([each[1] for each in slots]), sum([each[2] for each in slots]))
        return Usage(calendar, slots, total)

    def _window(self, start: datetime, end: datetime) -> Window:
        begins, ends = int(start.timestamp()), int(end.timestamp())
        parts = [sums for number, sums in self.slots.items() if begins <= number * SLOT_S < ends]
        parts += [sums for day, sums in self.days.items() if begins <= day * _DAY_S < ends]
        return Window(start, end, sum([each[0] for each in parts]), sum([each[1] for each in parts]))


#: Nothing.
EMPTY = Tally()


def slot_of(at: datetime) -> int:
    """The number of the slot that contains a time."""
    return int(at.timestamp()) // SLOT_S


def tallied(at: datetime, credits_: int, usd_micros: int) -> Tally:
    """One hold, or what became of it: it counts at the time of the hold."""
    return Tally({slot_of(at): (credits_, usd_micros)})


def of_accounts(slots: Iterable[Slot]) -> Tally:
    """What accounts used: the slots of all of them."""
    sums: dict[int, list[int]] = {}
    for number, credits_, usd_micros in slots:
        had = sums.setdefault(number, [0, 0])
        had[0] += credits_
        had[1] += usd_micros
    return Tally({number: (had[0], had[1]) for number, had in sums.items()})


def rebuilt(
    base: Tally | None, used: Tally, before: Tally, after: Tally, now: datetime, settled: Callable[[int], bool]
) -> Tally:
    """The base, with which the instances' tallies add up to what the accounts have used.

    ``before`` and ``after`` are the instances' sums before and after the accounts were read. ``settled`` says of a slot
    that nobody moved in it meanwhile, and that nobody has a move of it left to write (rule 3). The first base, which
    is None before, is the higher of both.
    """
    had, slots, first = (base or EMPTY).aged(now), {}, slot_of(now) - SLOTS
    for number in {*had.slots, *used.slots, *before.slots, *after.slots}:
        if number < first:
            continue
        real = used.slots.get(number, (0, 0))
        one, other = (_less(real, each.slots.get(number, (0, 0))) for each in (before, after))
        if settled(number):
            slots[number] = other
        elif base is None:
            slots[number] = _each(max, one, other)
        else:
            slots[number] = _each(max, had.slots.get(number, (0, 0)), _each(min, one, other))
    return Tally(slots, had.days).aged(now)


def _less(one: Counted, other: Counted) -> Counted:
    return (one[0] - other[0], one[1] - other[1])


def _each(choose: Callable[[int, int], int], one: Counted, other: Counted) -> Counted:
    """One of both, for each unit."""
    return (choose(one[0], other[0]), choose(one[1], other[1]))


def _added(one: Sums, other: Sums) -> dict[int, Counted]:
    sums = dict(one)
    for number, more in other.items():
        had = sums.get(number, (0, 0))
        sums[number] = (had[0] + more[0], had[1] + more[1])
    return sums
