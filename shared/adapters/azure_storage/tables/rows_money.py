"""Turns accounts, users, ledger entries and holds into rows of Azure Tables, and rows into them.

The rules are those of ``rows.py``. What has many parts (buckets, windows, limits) is JSON in its shortest form: lists,
not objects, because the row of an account is read with every message.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TypeVar

from shared.adapters.azure_storage.tables.columns import Columns, Row, json_columns
from shared.core.money.account import NEVER_MOVED, Account, Hold, Stamp, Standing, User
from shared.core.money.allowance import Running
from shared.core.money.app_limits import AppLimits
from shared.core.money.buckets import Bucket, Change, Part, Terms
from shared.core.money.credits import MOST_SUM, SUMS, Sums, whole
from shared.core.money.entries import LedgerEntry, Move
from shared.core.money.limits import Effect, Limit, Scope, Unit, Warned
from shared.core.money.linking import StandIns
from shared.core.money.windows import CALENDAR, Span, Usage, Window

ACCOUNT = "account"

_STAND_INS = ("account", "entry", "user", "who", "why", "asked")

#: So many buckets' terms are remembered: those of the accounts that move now.
_TERMS = 4096

T = TypeVar("T")


def user_key(user_id: str) -> str:
    """The RowKey of a user, within its account's partition."""
    return f"user:{user_id}"


def entry_key(seq: int) -> str:
    """The RowKey of a ledger entry: keys are in the order of numbers."""
    return f"entry:{seq:016d}"


def move_key(move: str, entry_id: str) -> str:
    """The RowKey of the row that forbids a second move of this kind and id."""
    return f"move:{move}:{entry_id}"


def mark_row(account_id: str, kind: str, command_id: str) -> Row:
    """The row that forbids a move of this kind and id, without one: its command was refused, or is no move."""
    return {"PartitionKey": account_id, "RowKey": move_key(kind, command_id)}


# Accounts and users.


def account_row(account: Account) -> Row:
    """An account as a row."""
    running = account.running
    return {
        "PartitionKey": account.account_id,
        "RowKey": ACCOUNT,
        "name": account.name or None,
        "plan": account.plan or None,
        "standing": account.standing.value,
        "suspended_for": account.suspended_for or None,
        "zone": account.zone,
        **_sums(account),
        **(json_columns("approvers", account.approvers) if account.approvers else {}),
        **_listed("buckets", [[*_terms(each.terms), each.available, each.held] for each in account.buckets]),
        **_use(account),
        "shared": True if account.own is not None else None,
        **(_windows(account.own, "own_") if account.own is not None else {}),
        **_listed("own_limits", _limits(account.own_limits)),
        "running": json_columns("running", _running(running))["running"] if running else None,
        "seq": account.seq,
        "head": account.head or None,
        "moved_at": account.moved_at if account.seq else None,
    }


def account_of(row: Mapping[str, Any]) -> Account:
    """A row as an account."""
    columns = Columns(row)
    try:
        return Account(
            account_id=columns.get("PartitionKey", str),
            name=columns.maybe("name", str) or "",
            plan=columns.maybe("plan", str) or "",
            standing=columns.one_of("standing", Standing),
            suspended_for=columns.maybe("suspended_for", str) or "",
            zone=columns.get("zone", str),
            **_sums_of(columns),
            approvers=columns.texts("approvers"),
            buckets=_items(columns, "buckets", lambda each: Bucket(_terms_of(each), _int(each[4]), _int(each[5]))),
            **_use_of(columns),
            own=_windows_of(columns, "own_") if columns.maybe("shared", bool) else None,
            own_limits=_items(columns, "own_limits", _limit_of),
            running=next(iter(_items(columns, "running", _running_of)), None),
            seq=columns.get("seq", int),
            head=columns.maybe("head", str) or "",
            moved_at=columns.maybe_time("moved_at") or NEVER_MOVED,
        )
    except ValueError:
        raise columns.unreadable("a sum or a bucket") from None


def user_row(user: User) -> Row:
    """A user as a row."""
    return {"PartitionKey": user.account_id, "RowKey": user_key(user.user_id), "user_id": user.user_id, **_use(user)}


def user_of(row: Mapping[str, Any]) -> User:
    """A row as a user."""
    columns = Columns(row)
    return User(account_id=columns.get("PartitionKey", str), user_id=columns.get("user_id", str), **_use_of(columns))


def _use(holder: Account | User) -> Row:
    """The columns that accounts and users share: windows, limits, warnings, stamps."""
    return {
        **_windows(holder.usage),
        **limit_columns(holder),
        **_listed("warned", [_warned(each) for each in holder.warned]),
    }


def limit_columns(holder: Account | User | AppLimits) -> Row:
    """Limits and the stamps of settings: those of the app, as those of an account or a user."""
    return {
        **_listed("limits", _limits(holder.limits)),
        **_listed("stamps", [[each.setting, _text(each.issued_at), each.command_id] for each in holder.stamps]),
    }


def _limits(limits: tuple[Limit, ...]) -> list[Any]:
    return [[each.limit_id, each.window, each.amount, each.unit, each.effect, each.scope] for each in limits]


def _windows(usage: Usage, prefix: str = "") -> Row:
    """The columns of windows. Those of the user with the account's id have a prefix."""
    calendar = [[_text(each.start), _text(each.end), each.credits, each.usd_micros] for each in usage.calendar]
    slots = [list(slot) for slot in usage.slots]
    return {**_listed(f"{prefix}calendar", calendar), **_listed(f"{prefix}slots", slots)}


def _windows_of(columns: Columns, prefix: str = "") -> Usage:
    name = f"{prefix}calendar"
    slots = _items(columns, f"{prefix}slots", lambda each: (_int(each[0]), _int(each[1]), _int(each[2])))
    calendar = _items(columns, name, lambda each: Window(_time(each[0]), _time(each[1]), _int(each[2]), _int(each[3])))
    if len(calendar) not in (0, len(CALENDAR)):
        raise columns.unreadable(name)
    return Usage(calendar, slots, (sum(slot[1] for slot in slots), sum(slot[2] for slot in slots)))


def app_limits_of(columns: Columns) -> AppLimits:
    """The app's limits from a row. Raises UnreadableRow if they cannot be read."""
    return AppLimits(_items(columns, "limits", _limit_of), _items(columns, "stamps", _stamp_of))


def _use_of(columns: Columns) -> dict[str, Any]:
    return {
        "usage": _windows_of(columns),
        "limits": _items(columns, "limits", _limit_of),
        "warned": _items(columns, "warned", _warned_of),
        "stamps": _items(columns, "stamps", _stamp_of),
    }


def _warned(each: Warned) -> list[Any]:
    return [each.limit_id, each.scope, each.step, _text(each.until), *([each.terms] if each.terms else [])]


def _warned_of(each: list[Any]) -> Warned:
    terms = str(each[4]) if len(each) > 4 else ""
    return Warned(str(each[0]), Scope(each[1]), _int(each[2]), _time(each[3]), terms)


def _stamp_of(each: list[Any]) -> Stamp:
    return Stamp(str(each[0]), _time(each[1]), str(each[2]))


def _limit_of(each: list[Any]) -> Limit:
    return Limit(
        limit_id=str(each[0]),
        window=Span(each[1]),
        amount=_int(each[2]),
        unit=Unit(each[3]),
        effect=Effect(each[4]),
        scope=Scope(each[5]),
    )


def _running(running: Running) -> list[list[str | int]]:
    lapsed = [1] if running.lapsed else []
    return [[_text(running.end), _text(running.since), running.whole_s, running.credits, running.got, *lapsed]]


def _running_of(each: list[Any]) -> Running:
    end, since = _time(each[0]), _time(each[1])
    whole_s, credits_, got = (_int(number) for number in each[2:5])
    return Running(end=end, since=since, whole_s=whole_s, credits=credits_, got=got, lapsed=each[5:] == [1])


# The ledger.


def entry_rows(entry: LedgerEntry) -> tuple[Row, Row]:
    """A ledger entry as two rows: one by its number, and one that forbids a second move of its kind and id."""
    moved = {"PartitionKey": entry.account_id, "RowKey": move_key(entry.move, entry.entry_id), "seq": entry.seq}
    return entry_row(entry), moved


def entry_row(entry: LedgerEntry) -> Row:
    """A ledger entry as its row by number."""
    return {
        "PartitionKey": entry.account_id,
        "RowKey": entry_key(entry.seq),
        "seq": entry.seq,
        "move": entry.move.value,
        "entry_id": entry.entry_id or None,
        "at": entry.at,
        **_sums(entry),
        **_listed("buckets", [[*_terms(each.terms), each.available, each.held] for each in entry.buckets]),
        "by": entry.by,
        "why": entry.why or None,
        "asked": entry.asked or None,
        "superseded": entry.superseded or None,
        "user_id": entry.user_id or None,
        "generation_id": entry.generation_id or None,
        "usd_micros": entry.usd_micros or None,
        "held_at": entry.held_at,
        "previous": entry.previous or None,
        **_stand_ins(entry.stand_ins),
        "digest": entry.digest or None,
    }


def entry_of(row: Mapping[str, Any]) -> LedgerEntry:
    """A row as a ledger entry."""
    columns = Columns(row)
    try:
        return LedgerEntry(
            account_id=columns.get("PartitionKey", str),
            seq=columns.get("seq", int),
            move=columns.one_of("move", Move),
            entry_id=columns.maybe("entry_id", str) or "",
            at=columns.time("at"),
            **_sums_of(columns),
            buckets=_items(columns, "buckets", lambda each: Change(_terms_of(each), _int(each[4]), _int(each[5]))),
            by=columns.get("by", str),
            why=columns.maybe("why", str) or "",
            asked=columns.maybe("asked", str) or "",
            superseded=columns.maybe("superseded", bool) or False,
            user_id=columns.maybe("user_id", str) or "",
            generation_id=columns.maybe("generation_id", str) or "",
            usd_micros=columns.maybe("usd_micros", int) or 0,
            held_at=columns.maybe_time("held_at"),
            previous=columns.maybe("previous", str) or "",
            stand_ins=_stand_ins_of(columns),
            digest=columns.maybe("digest", str) or "",
        )
    except ValueError:
        raise columns.unreadable("a sum") from None


def _stand_ins(saved: StandIns | None) -> Row:
    """The keyed digests that stand for an entry's texts, as columns. Texts can be erased, and these stay."""
    return {f"{name}_digest": getattr(saved, name) or None for name in _STAND_INS} if saved else {}


def _stand_ins_of(columns: Columns) -> StandIns | None:
    found = {name: columns.maybe(f"{name}_digest", str) or "" for name in _STAND_INS}
    return StandIns(**found) if found["account"] else None


# Holds.


def hold_columns(hold: Hold) -> Row:
    """A generation's hold as columns."""
    return {
        "held_credits": hold.credits,
        **_listed("hold", [[*_terms(part.terms), part.credits] for part in hold.parts]),
        "held_at": hold.at,
        "worst_cost_usd_micros": hold.worst_cost_usd_micros or None,
    }


def hold_of(columns: Columns) -> Hold:
    """The hold of a generation's row."""
    parts = _items(columns, "hold", lambda each: Part(_terms_of(each), _int(each[4])))
    hold = Hold(parts, columns.time("held_at"), columns.maybe("worst_cost_usd_micros", int) or 0)
    if hold.credits != columns.get("held_credits", int):
        raise columns.unreadable("held_credits")
    return hold


# Parts.


def _sums(holder: Sums) -> Row:
    return {name: getattr(holder, name) for name in SUMS}


def _sums_of(columns: Columns) -> dict[str, Any]:
    return {name: columns.get(name, int) for name in SUMS}


@lru_cache(_TERMS)
def _terms(terms: Terms) -> tuple[str | int | None, ...]:
    expires_at = _text(terms.expires_at) if terms.expires_at else None
    return (terms.bucket_id, _text(terms.granted_at), expires_at, terms.priority)


def _terms_of(each: list[Any]) -> Terms:
    return _known_terms(each[0], each[1], each[2], each[3])


@lru_cache(_TERMS, typed=True)
def _known_terms(bucket_id: Any, granted_at: Any, expires_at: Any, priority: Any) -> Terms:
    """The terms of a bucket never change, and an account's row is read with every message (typed: True is not 1)."""
    ends = None if expires_at is None else _time(expires_at)
    return Terms(str(bucket_id), _time(granted_at), ends, _int(priority))


def _listed(name: str, values: list[Any]) -> Row:
    """A list as JSON columns; an empty one has none."""
    return json_columns(name, values) if values else {}


def _items(columns: Columns, name: str, read: Callable[[Any], T]) -> tuple[T, ...]:
    """The items of a JSON list, each read by a function. Whatever cannot be read makes the row unreadable."""
    try:
        return tuple(read(each) for each in columns.json(name, list) or [])
    except (TypeError, ValueError, LookupError):
        raise columns.unreadable(name) from None


def _text(at: datetime) -> str:
    return at.isoformat()


def _time(text: str) -> datetime:
    """A time in UTC. One without a zone could not be compared with others."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(text)
    return at if at.tzinfo is UTC else at.astimezone(UTC)


def _int(value: object) -> int:
    if type(value) is int and -MOST_SUM <= value <= MOST_SUM:  # without a call: a row has hundreds
        return value
    return whole("a number", value, -MOST_SUM, MOST_SUM)
