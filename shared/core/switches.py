"""Kill switches: what is paused, by whom and until when, and for how long it has been.

Rules of this file:
1. A switch belongs to the command that was issued last; equal times: the greater id. So two commands leave the same
   switch in whatever order they come.
2. A pause ends at its ``until``, at the latest a fixed time after its command was issued, whatever becomes of the
   operator. A later command may renew it.
3. Deadlines of what waits move by the length of the pauses. So ended pauses are remembered, and pauses that overlap are
   counted once. Where two spans have to be joined to save room, the time between them counts as paused: what waits is
   given up too late rather than too early.
4. What can be forgotten is forgotten by the next command. An ended pause is remembered until nothing that waited in it
   can be waiting still (``spent``). Its stamp is not needed then: what was commanded before it is over by itself.
5. A pause of the app or of a model is never refused. Pauses of accounts and users are bounded, and only those that are
   running count, because all switches are one row. Models are those of the catalogue, so they are few.
6. So many ended pauses are remembered. Beyond that the oldest count as pauses of the whole app: what waits is given up
   too late rather than too early.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import pairwise

from shared.core.keys import Key
from shared.core.values import replace

#: How many accounts and users may be paused at once. All switches are one row, so that whoever creates reads one row.
MOST_PAUSED = 100

#: How many switches that have ended are remembered, the app's besides. With the others they fit into the row (1 MiB).
MOST_ENDED = 100

#: The most spans that one switch remembers. Beyond that the two with the shortest time between them become one.
MOST_SPANS = 10

#: Added to the longest wait before an ended pause is forgotten: a message may come late, and clocks differ.
_SLACK = timedelta(days=1)


class PauseScope(StrEnum):
    """What a switch is about."""

    APP = "app"
    MODEL = "model"
    ACCOUNT = "account"
    USER = "user"


@dataclass(frozen=True, slots=True)
class Target:
    """What is paused: the whole app, a model of the catalogue, an account, or one user of an account."""

    scope: PauseScope
    account_id: str = ""
    user_id: str = ""
    model: str = ""

    def covers(self, models: Collection[str], key: Key) -> bool:
        """Whether a create for this generation, on one of these models, is paused with it."""
        match self.scope:
            case PauseScope.APP:
                return True
            case PauseScope.MODEL:
                return self.model in models
            case PauseScope.ACCOUNT:
                return self.account_id == key.account_id
            case PauseScope.USER:
                return (self.account_id, self.user_id) == (key.account_id, key.user_id)

    @property
    def said(self) -> str:
        """It in words."""
        match self.scope:
            case PauseScope.APP:
                return "the whole app"
            case PauseScope.MODEL:
                return f"the model {self.model}"
            case PauseScope.ACCOUNT:
                return f"the account {self.account_id}"
            case PauseScope.USER:
                return f"the user {self.user_id} of the account {self.account_id}"


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """From when until when something was, or is, paused."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A command for a switch. ``until`` is None for one that ends a pause. ``reason`` is what users read."""

    target: Target
    issued_at: datetime
    command_id: str
    until: datetime | None = None
    by: str = ""
    why: str = ""
    reason: str = ""

    @property
    def stamp(self) -> tuple[datetime, str]:
        """The greater one counts (rule 1)."""
        return self.issued_at, self.command_id


@dataclass(frozen=True, slots=True)
class Switch:
    """A switch: the command that it belongs to, and its spans, the oldest first. The last one may be running."""

    order: Order
    spans: tuple[Span, ...] = ()

    def running(self, now: datetime) -> Span | None:
        """The pause that is running."""
        return self.spans[-1] if self.spans and now < self.spans[-1].until else None


Switches = tuple[Switch, ...]


def latest_until(issued_at: datetime, until: datetime | None, most: timedelta) -> datetime:
    """When a pause ends that was asked for until ``until``, or without a time (rule 2)."""
    return issued_at + most if until is None else min(until, issued_at + most)


def ordered(switches: Switches, order: Order, now: datetime, remember: timedelta) -> Switches | None:
    """The switches after a command; None if a newer command is in force. What is spent is forgotten.

    Raises ValueError if more than ``MOST_PAUSED`` accounts and users would be paused.
    """
    found = next((each for each in switches if each.order.target == order.target), None)
    if found is not None and found.order.stamp >= order.stamp:
        return switches if found.order.stamp == order.stamp else None
    spans = (span for span in _spans_after(found, order, now) if not _past(span.until, switches, now, remember))
    changed = Switch(order, _bounded(tuple(spans)))
    others = tuple(each for each in switches if each is not found)
    if _is_small(changed, now) and sum(_is_small(each, now) for each in others) >= MOST_PAUSED:
        raise ValueError(f"{MOST_PAUSED} accounts and users are paused: resume one, or pause a model or the whole app")
    kept = tuple(each for each in others if not spent(each, switches, now, remember))
    return _remembered((*kept, changed), now)


def _is_small(switch: Switch, now: datetime) -> bool:
    """Whether it pauses an account or a user now (rule 5)."""
    return switch.order.target.scope in {PauseScope.ACCOUNT, PauseScope.USER} and switch.running(now) is not None


def _remembered(switches: Switches, now: datetime) -> Switches:
    """The switches, with as many that have ended as may be remembered (rule 6)."""
    app = Target(PauseScope.APP)
    ended = sorted((each for each in switches if not each.running(now) and each.order.target != app), key=_last)
    forgotten = ended[: max(0, len(ended) - MOST_ENDED)]
    kept = tuple(_without_texts(each, now) for each in switches if each not in forgotten)
    spans = [span for each in forgotten for span in each.spans]
    if not spans:
        return kept
    found = next((each for each in kept if each.order.target == app), None)
    # No command is older than the order that is made here.
    whole = found or Switch(Order(target=app, issued_at=datetime.min.replace(tzinfo=UTC), command_id=""))
    others = tuple(each for each in kept if each is not found)
    return (replace(whole, spans=_bounded(_joined([*whole.spans, *spans]))), *others)


def _without_texts(switch: Switch, now: datetime) -> Switch:
    """The switch; if it has ended, without the texts that nobody reads any more."""
    return switch if switch.running(now) else replace(switch, order=replace(switch.order, why="", reason=""))


def _last(switch: Switch) -> datetime:
    """The last moment that a switch is about."""
    return max([switch.order.issued_at, *(span.until for span in switch.spans)])


def _joined(spans: Iterable[Span]) -> tuple[Span, ...]:
    """The spans in order, those that overlap as one."""
    joined: list[Span] = []
    for span in sorted(spans):
        if joined and span.since <= joined[-1].until:
            joined[-1] = Span(joined[-1].since, max(joined[-1].until, span.until))
        else:
            joined.append(span)
    return tuple(joined)


def _spans_after(found: Switch | None, order: Order, now: datetime) -> tuple[Span, ...]:
    before = found.spans if found else ()
    until = order.until or now
    running = found.running(now) if found else None
    if running is not None:
        return (*before[:-1], replace(running, until=max(until, now)))
    return (*before, Span(now, until)) if until > now else before


def _bounded(spans: tuple[Span, ...]) -> tuple[Span, ...]:
    """The spans, joined where the time between two is shortest if there are too many (rule 3)."""
    while len(spans) > MOST_SPANS:
        gaps = [after.since - before.until for before, after in pairwise(spans)]
        place = gaps.index(min(gaps))
        joined = Span(spans[place].since, spans[place + 1].until)
        spans = (*spans[:place], joined, *spans[place + 2 :])
    return spans


def spent(switch: Switch, switches: Switches, now: datetime, remember: timedelta) -> bool:
    """Whether a switch can be forgotten (rule 4).

    What waited in its last pause may wait for ``remember`` of time that was not paused. ``remember`` is the longest
    wait there is, or the longest pause if that is longer, so the stamp is kept long enough too.
    """
    return _past(_last(switch), switches, now, remember)


def _past(moment: datetime, switches: Switches, now: datetime, remember: timedelta) -> bool:
    """Whether more than ``remember`` of time that was not paused has passed since a moment."""
    paused = length((span for each in switches for span in each.spans), moment, now)
    return now - moment - paused > remember + _SLACK


def pause_of(switches: Switches, models: Collection[str], key: Key, now: datetime) -> Switch | None:
    """The pause that stops a create now; of several the one that ends last."""
    found = [each for each in switches if each.running(now) and each.order.target.covers(models, key)]
    return max(found, key=lambda each: (each.spans[-1].until, each.order.stamp), default=None)


def paused_for(switches: Switches, models: Collection[str], key: Key, since: datetime, until: datetime) -> timedelta:
    """For how long of the time from ``since`` to ``until`` a create was paused. Overlapping pauses count once."""
    covering = (each for each in switches if each.order.target.covers(models, key))
    return length((span for each in covering for span in each.spans), since, until)


def moved(switches: Switches, models: Collection[str], key: Key, since: datetime, ends: datetime) -> datetime:
    """When a wait ends that began at ``since`` and would end at ``ends``: it moves by the length of its pauses."""
    reached = since
    for span in sorted(span for each in switches if each.order.target.covers(models, key) for span in each.spans):
        start = max(span.since, reached)
        if start < min(span.until, ends):
            ends, reached = ends + (span.until - start), span.until
    return ends


def length(spans: Iterable[Span], since: datetime, until: datetime) -> timedelta:
    """The length of what the spans cover between two times, each moment once."""
    total, reached = timedelta(), since
    for span in sorted(spans):
        start, end = max(span.since, reached), min(span.until, until)
        if start < end:
            total, reached = total + (end - start), end
    return total
