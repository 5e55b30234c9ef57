"""Limits of what may be used in a window: for a user, an account or the whole app.

Rules of this file:
1. A limit counts what its window counts (windows.py). What costs nothing in the limit's unit never exceeds it, even if
   the limit was lowered below what is used.
2. ``block`` refuses, ``approve`` asks first, ``warn`` never stops anything: it says once per window that 50, 80 or
   100 % are reached. For the rolling window it says so at most once in 24 h.
3. If several limits block, the one that is free again last is named. Waiting for another one would be in vain.
4. A sentence about a limit in USD speaks of percent, because what Darkroom pays is never quoted (core/reasons.py). So
   does one about the app's limit: what all customers use together is no customer's business.
5. A user's own limits are in the user's row. An account's limits of scope ``user`` hold for each of its users. A user
   whose account has the same id has no row: its own limits and its own use are in the account's.
6. A limit on generations in flight is no window: nothing of it is checked here, because it never refuses. What is
   beyond it waits for a turn (core/turns). Of several the smallest counts.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from shared.core.keys import is_id
from shared.core.money.credits import MOST_CREDITS, MOST_USD_MICROS, whole
from shared.core.money.windows import CALENDAR, Span, Usage
from shared.core.reasons import counted

#: The shares of a limit, in percent, at which ``warn`` says so.
STEPS = (50, 80, 100)

#: The most that a limit on generations in flight can allow. It allows one at least: at none, nothing would ever go on.
MOST_IN_FLIGHT = 100_000

#: The windows in sentences.
_PER = {span: f"per {span}" for span in CALENDAR} | {Span.ROLLING_24H: "in 24 hours"}

#: A row has at most this many limits and memories of removed ones, because all of it is read with every message. No
#: memory is forgotten for its age: a command waits for as long as a dependency is down, and a dead letter is sent again
#: whenever somebody does it, so an older ``set_limit`` may come at any time.
MOST_LIMITS = 50


class Scope(StrEnum):
    """Whose use a limit counts."""

    USER = "user"
    ACCOUNT = "account"
    APP = "app"


class Unit(StrEnum):
    """What a limit counts."""

    CREDITS = "credits"
    USD = "usd_micros"
    GENERATIONS = "generations"


class Effect(StrEnum):
    """What a limit does when something would exceed it."""

    WARN = "warn"
    BLOCK = "block"
    APPROVE = "approve"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """At most ``amount`` (credits or USD micros) in each window, or so many generations in flight."""

    limit_id: str
    window: Span
    amount: int
    unit: Unit = Unit.CREDITS
    effect: Effect = Effect.BLOCK
    scope: Scope = Scope.ACCOUNT

    def __post_init__(self) -> None:
        if not is_id(self.limit_id):
            raise ValueError("limit_id must be a valid id")
        if (self.window is Span.IN_FLIGHT) != (self.unit is Unit.GENERATIONS):
            raise ValueError("a limit in generations has the window in_flight, and no other limit has it")
        if self.unit is not Unit.GENERATIONS:
            whole("amount", self.amount, 0, MOST_CREDITS if self.unit is Unit.CREDITS else MOST_USD_MICROS)
            return
        whole("amount", self.amount, 1, MOST_IN_FLIGHT)
        if self.effect is not Effect.BLOCK or self.scope is Scope.APP:
            raise ValueError("what is beyond a limit in flight waits: it has no effect, and the app's is a setting")


@dataclass(frozen=True, slots=True)
class Cost:
    """What a generation may cost at most."""

    credits: int
    usd_micros: int = 0

    def of(self, unit: Unit) -> int:
        """The cost in a unit."""
        return self.credits if unit is Unit.CREDITS else self.usd_micros


@dataclass(frozen=True, slots=True)
class Approval:
    """An approval overrides one limit of one scope, for at most this many credits."""

    limit_id: str
    most_credits: int
    scope: Scope = Scope.ACCOUNT


@dataclass(frozen=True, slots=True)
class Exceeded:
    """A limit that a generation would exceed. ``free_at`` is None if waiting does not help."""

    limit: Limit
    used: int
    cost: int
    free_at: datetime | None


@dataclass(frozen=True, slots=True)
class Warned:
    """The highest step of a ``warn`` limit that was published, to be remembered until a time.

    ``terms`` are the limit's at that time: one of another amount or window warns anew, whoever changed it (a command or
    the file of plans), and in whatever row its memory is. Empty terms are those of any limit of this scope and id.
    """

    limit_id: str
    scope: Scope
    step: int
    until: datetime
    terms: str = ""


@dataclass(frozen=True, slots=True)
class Notice:
    """A ``warn`` limit has reached a step: what to publish. ``until`` is when its window ends."""

    limit: Limit
    step: int
    used: int
    until: datetime


@dataclass(frozen=True, slots=True)
class Checked:
    """The limits' answer: what blocks, what asks for an approval, and what is to be published if it opens."""

    blocked: Exceeded | None = None
    to_approve: tuple[Exceeded, ...] = ()
    notices: tuple[Notice, ...] = ()
    warned: tuple[Warned, ...] = ()


@dataclass(frozen=True, slots=True)
class Ground:
    """What limits are checked against: one row's windows, its memory of warnings, its zone and the time."""

    usage: Usage
    warned: tuple[Warned, ...]
    zone: str
    at: datetime


def check_room(settings: Iterable[str], setting: str) -> None:
    """Raise ValueError if a limit would be one too many for its row, whether it is set or removed.

    A removal that is refused is not missed: an older command for that id is one too many as well.
    """
    names = set(settings)
    if setting not in names and len(names) >= MOST_LIMITS:
        raise ValueError(f"there are at most {MOST_LIMITS} limits, removed ones among them: use the id of an old one")


def laid_over(*layers: Iterable[Limit]) -> tuple[Limit, ...]:
    """The limits of several layers. A limit replaces one of the same scope and id of a layer before it."""
    limits = {(limit.scope, limit.limit_id): limit for layer in layers for limit in layer}
    return tuple(limits.values())


def most_in_flight(limits: Iterable[Limit], scope: Scope) -> int | None:
    """How many generations of this scope may be in flight; None: no limit says so."""
    return min((each.amount for each in limits if each.window is Span.IN_FLIGHT and each.scope is scope), default=None)


def free_again(limit: Limit, ground: Ground) -> datetime | None:
    """When there is more room than now, and some at all, if nothing more is used. None: nothing is used, or never."""
    used = ground.usage.counted(limit.window, ground.at)[limit.unit is Unit.USD]
    if not used or not limit.amount:
        return None
    return _free_at(limit, ground, max(used + 1, limit.amount + 1), Cost(1, 1))


def check(limits: Iterable[Limit], ground: Ground, cost: Cost, approvals: tuple[Approval, ...] = ()) -> Checked:
    """Check a generation of this cost against limits of one row."""
    blocked: list[Exceeded] = []
    to_approve: list[Exceeded] = []
    notices: list[Notice] = []
    for limit in limits:
        if limit.window is Span.IN_FLIGHT:
            continue
        asked, total = _asked_and_total(limit, ground, cost)
        if limit.effect is Effect.WARN:
            if total * 100 >= limit.amount * STEPS[0] and (notice := _notice(limit, total, ground)):
                notices.append(notice)
        elif asked and total > limit.amount and not _approved(limit, cost, approvals):
            exceeded = Exceeded(limit, total - asked, asked, _free_at(limit, ground, total, cost))
            (blocked if limit.effect is Effect.BLOCK else to_approve).append(exceeded)
    return Checked(_last_free(blocked), tuple(to_approve), tuple(notices), _remembered(notices, ground))


def both(one: Checked, other: Checked) -> Checked:
    """The answer for an account and a user together. ``warned`` belongs to one row, so it is left out."""
    blocked = _last_free([each for each in (one.blocked, other.blocked) if each])
    return Checked(blocked, one.to_approve + other.to_approve, one.notices + other.notices)


def sentence(exceeded: Exceeded, *, advice: bool = True) -> str:
    """Which limit, how much of it is used, what this would cost, and (``advice``) when it is free again."""
    limit = exceeded.limit
    if _is_quoted(limit):
        said = f"This needs up to {counted(exceeded.cost, 'credit')}. Used or held: {exceeded.used} of {limit.amount}"
    else:
        said = f"This needs up to {_percent(exceeded.cost, limit)}. Used or held: {_percent(exceeded.used, limit)}"
    said += f" of the {limit.scope}'s limit {limit.limit_id!r} {_PER[limit.window]}."
    if not advice:
        return said
    if exceeded.free_at is None:
        return f"{said} Ask for less, or have the limit raised."
    until = f"{exceeded.free_at:%Y-%m-%d %H:%M} UTC"
    return f"{said} Send it again with a new id after {until}, ask for less, or have the limit raised."


def warning(notice: Notice) -> str:
    """Which limit, and how much of it is used. Rule 4 holds here too."""
    limit = notice.limit
    said = f"{notice.step} % of the {limit.scope}'s limit {limit.limit_id!r} {_PER[limit.window]} are used or held"
    return f"{said}: {notice.used} of {limit.amount}." if _is_quoted(limit) else f"{said}."


def warned(notice: Notice) -> dict[str, object]:
    """A warning in the answer to whoever asked for the generation: without what Darkroom pays (rule 4)."""
    limit = notice.limit
    named = {"id": limit.limit_id, "scope": limit.scope.value, "window": limit.window.value}
    return {"limit": named, "percent": notice.step, "text": warning(notice)}


def _is_quoted(limit: Limit) -> bool:
    """Whether a sentence has numbers (rule 4)."""
    return limit.unit is Unit.CREDITS and limit.scope is not Scope.APP


def _percent(number: int, limit: Limit) -> str:
    """A number as a share of the limit, rounded up. A limit of zero has no shares."""
    return f"{-(-number * 100 // limit.amount)} %" if limit.amount else "more than 100 %"


def _asked_and_total(limit: Limit, ground: Ground, cost: Cost) -> tuple[int, int]:
    """What is asked in the limit's unit, and what would count in its window with it."""
    used = ground.usage.counted(limit.window, ground.at)
    if limit.unit is Unit.CREDITS:
        return cost.credits, used[0] + cost.credits
    return cost.usd_micros, used[1] + cost.usd_micros


def _notice(limit: Limit, total: int, ground: Ground) -> Notice | None:
    """The highest step that a total has reached, if it was not published before."""
    step = max((step for step in STEPS if total and total * 100 >= step * limit.amount), default=0)
    return Notice(limit, step, total, _until(limit, ground)) if step > _published(limit, ground) else None


def _published(limit: Limit, ground: Ground) -> int:
    """The highest step that was published in this window."""
    highest = 0
    for each in ground.warned:
        mine = each.limit_id == limit.limit_id and each.scope is limit.scope and each.terms in ("", _terms(limit))
        if mine and ground.at < each.until:
            highest = max(highest, each.step)
    return highest


def _remembered(notices: list[Notice], ground: Ground) -> tuple[Warned, ...]:
    """The memory of warnings after these notices. What is over is forgotten."""
    if not notices:
        return ground.warned
    replaced = {(notice.limit.scope, notice.limit.limit_id) for notice in notices}
    kept = [each for each in ground.warned if ground.at < each.until and (each.scope, each.limit_id) not in replaced]
    limits = [each.limit for each in notices]
    new = [
        Warned(limit.limit_id, limit.scope, each.step, each.until, _terms(limit))
        for limit, each in zip(limits, notices, strict=True)
    ]
    return (*kept, *new)


def _terms(limit: Limit) -> str:
    """What makes a limit's steps others."""
    return f"{limit.amount} {limit.unit} in {limit.window}"


def _until(limit: Limit, ground: Ground) -> datetime:
    if limit.window is Span.ROLLING_24H:
        return ground.at + timedelta(hours=24)
    return ground.usage.end(limit.window, ground.at, ground.zone)


def _approved(limit: Limit, cost: Cost, approvals: tuple[Approval, ...]) -> bool:
    """Whether a limit that asks for an approval has one. A limit that blocks cannot be approved."""
    if limit.effect is not Effect.APPROVE:
        return False
    named = (limit.limit_id, limit.scope)
    mine = [each for each in approvals if (each.limit_id, each.scope) == named]
    return any(cost.credits <= each.most_credits for each in mine)


def _free_at(limit: Limit, ground: Ground, total: int, cost: Cost) -> datetime | None:
    """When the limit lets this cost through, if nothing more is used; None if it never does."""
    asked = cost.of(limit.unit)
    if asked > limit.amount:
        return None
    if limit.window is not Span.ROLLING_24H:
        return ground.usage.end(limit.window, ground.at, ground.zone)
    excess = total - limit.amount
    return ground.usage.rolls_free(ground.at, (excess, 0) if limit.unit is Unit.CREDITS else (0, excess))


def _last_free(blocked: list[Exceeded]) -> Exceeded | None:
    """Rule 3. A limit that never lets it through is free last of all."""
    never = [each for each in blocked if each.free_at is None]
    last = None
    for each in blocked:
        if each.free_at is not None and (last is None or last.free_at is None or each.free_at > last.free_at):
            last = each
    return never[0] if never else last
