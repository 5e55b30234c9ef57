"""Windows of use: how many credits and USD micros count against a limit now.

Rules of this file:
1. Calendar windows (hour, day, week, month) begin and end with the account's calendar. A window keeps its own start and
   end, so another zone starts with the next window. Weeks begin on Monday.
2. The rolling window of 24 h consists of slots of 15 minutes. A slot counts until all of it is more than 24 h ago. So
   while one slot is going out, 97 count.
3. All windows are tallied always, in both units. A limit is only a threshold: one that is set later counts what was
   used before.
4. A window counts what was captured and what is still held, by the time of the hold. What a hold gives back is
   subtracted from the window that contains the time of the hold, and from no other.
5. The zone is looked up only when a window rolls over, because a look-up costs more than all the rest of a move.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from enum import StrEnum


class Span(StrEnum):
    """The windows. The values are those of messages, tables and the CLI. What is in flight is counted, not tallied."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    ROLLING_24H = "rolling_24h"
    IN_FLIGHT = "in_flight"


#: The windows that begin and end with the calendar, and all that are tallied.
CALENDAR = (Span.HOUR, Span.DAY, Span.WEEK, Span.MONTH)
TALLIED = (*CALENDAR, Span.ROLLING_24H)

#: The length of a slot of the rolling window, and how many count beside the one that is going out.
SLOT_S, SLOTS = 15 * 60, 96

#: A zone's name is never longer. The longest of the database has 32 characters.
_ZONE_CHARACTERS = 64


def zone_of(name: str) -> tzinfo:
    """The time zone of this name of the IANA database. Raises ValueError, with the name's rule, if there is none."""
    if name == "UTC":
        return UTC
    from zoneinfo import ZoneInfo  # noqa: PLC0415  # only accounts with a zone of their own need the database

    rule = "zone must be a name of the IANA time zone database, such as Europe/Berlin"
    if len(name) > _ZONE_CHARACTERS or not name.isascii():
        raise ValueError(rule)
    try:
        return ZoneInfo(name)
    except (OSError, KeyError, ValueError):
        raise ValueError(rule) from None


def calendar_period(span: Span, at: datetime, zone: tzinfo) -> tuple[datetime, datetime]:
    """Start and end (UTC) of the calendar hour, day, week or month of the zone that contains a time."""
    local = at.astimezone(zone)
    if span is Span.HOUR:
        past = timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
        start = at.astimezone(UTC) - past
        return start, start + timedelta(hours=1)
    first = local.date()
    if span is Span.WEEK:
        first -= timedelta(days=first.weekday())
    elif span is Span.MONTH:
        first = first.replace(day=1)
    days = {Span.DAY: 1, Span.WEEK: 7}.get(span, 31)
    following = first + timedelta(days=days)
    if span is Span.MONTH:
        following = following.replace(day=1)
    start, end = (datetime.combine(day, time(), zone).astimezone(UTC) for day in (first, following))
    return start, end


@dataclass(frozen=True, slots=True)
class Window:
    """A calendar window and what counts in it. It contains its start, and not its end."""

    start: datetime
    end: datetime
    credits: int = 0
    usd_micros: int = 0

    def plus(self, credits_: int, usd_micros: int) -> "Window":
        """This window with more in it, or less."""
        return Window(self.start, self.end, self.credits + credits_, self.usd_micros + usd_micros)


#: A slot of the rolling window: its number (since 1970), credits, USD micros.
Slot = tuple[int, int, int]

#: What a window counts: credits, USD micros.
Counted = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Usage:
    """All windows of an account or a user. ``calendar`` is in the order of ``CALENDAR``, or empty before the first use.

    ``slots`` are in the order of time, and ``total`` is their sum: nobody adds 97 slots for every check.
    """

    calendar: tuple[Window, ...] = ()
    slots: tuple[Slot, ...] = ()
    total: Counted = (0, 0)

    def used(self, at: datetime) -> dict[Span, Counted]:
        """What counts in each window at this time."""
        return {span: self.counted(span, at) for span in TALLIED}

    def counted(self, span: Span, at: datetime) -> Counted:
        """What counts in one window at this time."""
        if span is Span.ROLLING_24H:
            return _less_gone(self.slots, self.total, _slot(at) - SLOTS)
        if not self.calendar:
            return (0, 0)
        window = self.calendar[CALENDAR.index(span)]
        return (window.credits, window.usd_micros) if at < window.end else (0, 0)

    def plus(self, at: datetime, credits_: int, usd_micros: int, zone: str) -> "Usage":
        """The windows after a hold at this time. A window that has ended rolls over."""
        rolled = self.calendar or _first(at, zone)
        for window in rolled:
            if at >= window.end:
                rolled = _rolled(rolled, at, zone)
                break
        calendar = tuple([window.plus(credits_, usd_micros) for window in rolled])
        number = _slot(at)
        had = _less_gone(self.slots, self.total, number - SLOTS)
        slots = _added(self.slots, number, credits_, usd_micros)
        return Usage(calendar, slots, (had[0] + credits_, had[1] + usd_micros))

    def changed(self, held_at: datetime, credits_: int, usd_micros: int) -> "Usage":
        """The windows after what counts for a hold has changed (rule 4)."""
        calendar = tuple(
            [
                window.plus(credits_, usd_micros) if window.start <= held_at < window.end else window
                for window in self.calendar
            ]
        )
        number, slots = _slot(held_at), self.slots
        for place in range(len(slots) - 1, -1, -1):  # the hold is seldom long ago
            found = slots[place]
            if found[0] == number:
                changed = (number, found[1] + credits_, found[2] + usd_micros)
                total = (self.total[0] + credits_, self.total[1] + usd_micros)
                return Usage(calendar, (*slots[:place], changed, *slots[place + 1 :]), total)
        return Usage(calendar, slots, self.total)

    def end(self, span: Span, at: datetime, zone: str) -> datetime:
        """When the calendar window of this time ends."""
        window = self.calendar[CALENDAR.index(span)] if self.calendar else None
        if window is not None and at < window.end:
            return window.end
        return calendar_period(span, at, zone_of(zone))[1]

    def rolls_free(self, at: datetime, excess: Counted) -> datetime:
        """When the rolling window has let go of at least ``excess`` (of either unit), if nothing more is used."""
        last, gone_credits, gone_usd = _slot(at) - SLOTS, 0, 0
        for slot in (slot for slot in self.slots if slot[0] >= last):
            last, gone_credits, gone_usd = slot[0], gone_credits + slot[1], gone_usd + slot[2]
            if gone_credits >= excess[0] and gone_usd >= excess[1]:
                break
        return datetime.fromtimestamp((last + 1 + SLOTS) * SLOT_S, UTC)


#: The windows of somebody who never used anything.
UNUSED = Usage()


def _slot(at: datetime) -> int:
    return int(at.timestamp()) // SLOT_S


def _less_gone(slots: tuple[Slot, ...], total: Counted, first: int) -> Counted:
    """The total without the slots before the first that counts."""
    for slot in slots:
        if slot[0] >= first:
            break
        total = (total[0] - slot[1], total[1] - slot[2])
    return total


def _added(slots: tuple[Slot, ...], number: int, credits_: int, usd_micros: int) -> tuple[Slot, ...]:
    """The slots with more in the last one. Those that are out are dropped."""
    if slots and slots[0][0] < number - SLOTS:
        slots = tuple(slot for slot in slots if slot[0] >= number - SLOTS)
    if slots and slots[-1][0] == number:
        _, had_credits, had_usd = slots[-1]
        return (*slots[:-1], (number, had_credits + credits_, had_usd + usd_micros))
    return (*slots, (number, credits_, usd_micros))


def _first(at: datetime, zone: str) -> tuple[Window, ...]:
    where = zone_of(zone)
    return tuple(Window(*calendar_period(span, at, where)) for span in CALENDAR)


def _rolled(calendar: Iterable[Window], at: datetime, zone: str) -> tuple[Window, ...]:
    """The windows of this time: those that have ended are replaced. The next one never begins before their end."""
    where, windows = zone_of(zone), []
    for span, window in zip(CALENDAR, calendar, strict=True):
        if at < window.end:
            windows.append(window)
            continue
        start, end = calendar_period(span, at, where)
        windows.append(Window(max(start, window.end), end))
    return tuple(windows)
