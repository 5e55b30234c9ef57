"""Turns our types into rows of Azure Tables, and rows into our types.

Rules of this file:
1. Every column is named here, for writing and for reading. None is left out.
2. Reading ignores unknown columns, because a newer version may have written them, and uses defaults for columns that
   were added later. A required column that is missing, or of a wrong type, raises UnreadableRow (columns.py).
3. No key is split to read its parts, because ids may contain the separators of keys.
4. Integers are 64-bit, times are UTC. Structured values are JSON in a text column.
"""

import zlib
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import date, datetime
from typing import Any

from shared.adapters.azure_storage.tables.columns import BALANCES, Columns, Row, json_columns
from shared.core.events.generation_event import ChosenBy, Output, PassedOver
from shared.core.keys import Key, index_key, row_key
from shared.core.lifecycle.attempt import Attempt
from shared.core.lifecycle.generation import Generation
from shared.core.lifecycle.state import State
from shared.core.lifecycle.steps import Entry, History
from shared.core.modality import Modality
from shared.core.money.ledger import Account, LedgerEntry, Move, Plan
from shared.core.money.pricing import Price, Unit
from shared.core.money.usage import Used
from shared.core.provider.guarantees import Guarantees, Kind, ProviderName
from shared.core.reasons import Reason
from shared.core.requests.messages import GenerationRequest
from shared.core.safety.screening_record import read_record
from shared.ports import OpenRow

ACCOUNT = "account"


def generation_key(key: Key) -> str:
    """The RowKey of a generation, within its account's partition."""
    return f"generation:{row_key(key)}"


def entry_key(entry: LedgerEntry) -> str:
    """The RowKey of a ledger entry. Move and id make the key, so no such entry can be inserted twice."""
    if entry.move in (Move.HOLD, Move.RESOLVE):
        return f"ledger:{entry.entry_id}:{entry.move}"
    return f"{entry.move}:{entry.entry_id}"


# Accounts and the ledger.


def account_row(account: Account) -> Row:
    """An account as a row."""
    return {
        "PartitionKey": account.account_id,
        "RowKey": ACCOUNT,
        "plan": account.plan.label,
        **_balances(account),
        "daily_limit_credits": account.daily_limit_credits,
        "day": account.day.isoformat() if account.day else None,
        "day_credits": account.day_credits,
    }


def account_of(row: Mapping[str, Any]) -> Account:
    """A row as an account."""
    columns = Columns(row)
    day = columns.maybe("day", str)
    try:
        return Account(
            account_id=columns.get("PartitionKey", str),
            plan=Plan.named(columns.get("plan", str)),
            **columns.balances(),
            daily_limit_credits=columns.maybe("daily_limit_credits", int),
            day=date.fromisoformat(day) if day else None,
            day_credits=columns.maybe("day_credits", int) or 0,
        )
    except ValueError:
        raise columns.unreadable("a plan, a date or a sum") from None


def entry_row(entry: LedgerEntry) -> Row:
    """A ledger entry as a row."""
    return {
        "PartitionKey": entry.account_id,
        "RowKey": entry_key(entry),
        "entry_id": entry.entry_id,
        "user_id": entry.user_id or None,
        "generation_id": entry.generation_id or None,
        "move": entry.move.value,
        "at": entry.at,
        **_balances(entry),
        "note": entry.note,
    }


def entry_of(row: Mapping[str, Any]) -> LedgerEntry:
    """A row as a ledger entry."""
    columns = Columns(row)
    try:
        return LedgerEntry(
            account_id=columns.get("PartitionKey", str),
            entry_id=columns.get("entry_id", str),
            user_id=columns.maybe("user_id", str) or "",
            generation_id=columns.maybe("generation_id", str) or "",
            move=columns.one_of("move", Move),
            at=columns.time("at"),
            **columns.balances(),
            note=columns.maybe("note", str) or "",
        )
    except ValueError:
        raise columns.unreadable("a sum") from None


def _balances(holder: Account | LedgerEntry) -> Row:
    return {name: getattr(holder, name) for name in BALANCES}


# Generations.


def generation_row(generation: Generation) -> Row:
    """A generation as a row."""
    return {
        "PartitionKey": generation.key.account_id,
        "RowKey": generation_key(generation.key),
        "user_id": generation.key.user_id,
        "generation_id": generation.key.generation_id,
        "state": generation.state.value,
        "opened_at": generation.opened_at,
        **(json_columns("request", _request_json(generation.request)) if generation.request else {}),
        **(_attempt_columns(generation.attempt) if generation.attempt else {}),
        **json_columns("chain", generation.chain),
        "held_credits": generation.held_credits,
        "captured_credits": generation.captured_credits,
        **json_columns("outputs", [asdict(output) for output in generation.outputs]),
        "refused_outputs": generation.refused_outputs,
        **json_columns("ignored_fields", generation.ignored_fields),
        **json_columns("screenings", [record.to_json() for record in generation.screenings]),
        "chosen_by": generation.chosen_by.value if generation.chosen_by else None,
        **(
            json_columns("passed_over", [asdict(each) for each in generation.passed_over])
            if generation.passed_over
            else {}
        ),
        **(json_columns("metrics", dict(generation.metrics)) if generation.metrics else {}),
        "cost_usd_micros": generation.cost_usd_micros or None,
        "provider_error": generation.provider_error or None,
        "requested_end": generation.requested_end.value if generation.requested_end else None,
        "reason": generation.reason.value if generation.reason else None,
        "text": generation.text,
        "ended_at": generation.ended_at,
        "trace_parent": generation.trace_parent,
        **(json_columns("history", [_entry_json(each) for each in generation.history]) if generation.history else {}),
    }


def generation_of(row: Mapping[str, Any]) -> Generation:
    """A row as a generation."""
    columns = Columns(row)
    key = _key(columns, "PartitionKey")
    return Generation(
        key=key,
        state=columns.one_of("state", State),
        opened_at=columns.time("opened_at"),
        request=_request(columns, key),
        attempt=_attempt(columns),
        chain=columns.texts("chain"),
        held_credits=columns.get("held_credits", int),
        captured_credits=columns.get("captured_credits", int),
        outputs=tuple(columns.built("outputs", Output, item) for item in columns.json("outputs", list) or []),
        refused_outputs=columns.maybe("refused_outputs", int) or 0,
        ignored_fields=columns.texts("ignored_fields"),
        screenings=tuple(record for raw in columns.json("screenings", list) or [] if (record := read_record(raw))),
        chosen_by=columns.maybe_one_of("chosen_by", ChosenBy),
        passed_over=_passed_over(columns),
        metrics=columns.json("metrics", dict) or {},
        cost_usd_micros=columns.maybe("cost_usd_micros", int) or 0,
        provider_error=columns.maybe("provider_error", str) or "",
        requested_end=columns.maybe_one_of("requested_end", Reason),
        reason=columns.maybe_one_of("reason", Reason),
        text=columns.maybe("text", str) or "",
        ended_at=columns.maybe_time("ended_at"),
        trace_parent=columns.maybe("trace_parent", str) or "",
        history=_history(columns),
    )


_USED_NUMBERS = ("unit_credits", "captured_credits", "cost_usd_micros")

#: The columns that ``used_of`` reads.
USED_COLUMNS = ("PartitionKey", "RowKey", "user_id", "state", "model", *_USED_NUMBERS)


def used_of(row: Mapping[str, Any]) -> Used:
    """What a generation used, from ``USED_COLUMNS`` only.

    The captured credits are the price of one output times the stored outputs. So their number follows by division, and
    the list of outputs need not be read.
    """
    columns = Columns(row)
    captured, unit = columns.get("captured_credits", int), columns.maybe("unit_credits", int) or 1
    return Used(
        account_id=columns.get("PartitionKey", str),
        user_id=columns.get("user_id", str),
        model=columns.maybe("model", str) or "",
        succeeded=columns.one_of("state", State) is State.SUCCEEDED,
        outputs=captured // unit,
        captured_credits=captured,
        cost_usd_micros=columns.maybe("cost_usd_micros", int) or 0,
    )


def _key(columns: Columns, account: str) -> Key:
    """The key of a row, from its columns. ``account`` names the column with the account that pays."""
    return Key(columns.get("user_id", str), columns.get("generation_id", str), columns.get(account, str))


def _request_json(request: GenerationRequest) -> dict[str, Any]:
    """The request in the form of its message. The names of unknown fields, which that form lacks, are a field here."""
    unknown = {"unknown_fields": request.unknown_fields} if request.unknown_fields else {}
    return replace(request, unknown_fields=()).to_json() | unknown


def _request(columns: "Columns", key: Key) -> GenerationRequest | None:
    raw = columns.json("request", dict)
    if raw is None:
        return None
    unknown = tuple(str(name) for name in raw.get("unknown_fields") or ())
    return columns.built("request", GenerationRequest, {**raw, "key": key, "unknown_fields": unknown})


def _attempt_columns(attempt: Attempt) -> Row:
    return {
        "attempt": attempt.number,
        "posts": attempt.posts,
        "model": attempt.model,
        "provider": attempt.provider,
        "target": attempt.target,
        "prediction_kind": attempt.kind,
        **json_columns("guarantees", list(attempt.guarantees.names)),
        "modality": attempt.modality,
        **json_columns("inputs", dict(attempt.inputs)),
        "seed": attempt.seed,
        "own_seed": attempt.own_seed,
        "wanted_outputs": attempt.outputs,
        "unit_credits": attempt.unit_credits,
        **json_columns("prices", {price.unit.value: price.usd_micros for price in attempt.prices}),
        "seconds": attempt.seconds or None,
        "output_bytes": attempt.output_bytes or None,
        "destination": attempt.destination or None,
        "expected_s": attempt.expected_s,
        "cancel_after_s": attempt.cancel_after_s,
        "submitted_at": attempt.submitted_at,
        "retry_at": attempt.retry_at,
        "prediction_id": attempt.prediction_id,
        "missing_since": attempt.missing_since,
        "promised": attempt.promised or None,
    }


def _attempt(columns: "Columns") -> Attempt | None:
    number = columns.maybe("attempt", int)
    if number is None:
        return None
    return Attempt(
        number=number,
        posts=columns.get("posts", int),
        model=columns.get("model", str),
        provider=ProviderName(columns.get("provider", str)),
        target=columns.get("target", str),
        kind=_kind(columns),
        guarantees=_guarantees(columns),
        modality=_modality(columns),
        inputs=columns.json("inputs", dict) or {},
        seed=columns.get("seed", int),
        own_seed=columns.get("own_seed", bool),
        outputs=columns.get("wanted_outputs", int),
        unit_credits=columns.get("unit_credits", int),
        prices=_prices(columns),
        seconds=columns.maybe("seconds", int) or 0,
        output_bytes=columns.maybe("output_bytes", int) or 0,
        destination=columns.maybe("destination", str) or "",
        expected_s=columns.get("expected_s", int),
        cancel_after_s=columns.get("cancel_after_s", int),
        submitted_at=columns.time("submitted_at"),
        retry_at=columns.maybe_time("retry_at"),
        prediction_id=columns.maybe("prediction_id", str),
        missing_since=columns.maybe_time("missing_since"),
        promised=columns.maybe("promised", bool) or False,
    )


def _modality(columns: "Columns") -> Modality:
    try:
        return Modality(columns.maybe("modality", str) or Modality.IMAGE)
    except ValueError:
        raise columns.unreadable("modality") from None


def _kind(columns: "Columns") -> Kind:
    try:
        return Kind(columns.get("prediction_kind", str))
    except ValueError:
        raise columns.unreadable("prediction_kind") from None


def _guarantees(columns: "Columns") -> Guarantees:
    """The provider's guarantees when the attempt was made. A name that this version does not know is ignored."""
    try:
        return Guarantees.of(tuple(columns.json("guarantees", list) or ()))
    except TypeError:
        raise columns.unreadable("guarantees") from None


def _prices(columns: "Columns") -> tuple[Price, ...]:
    """The prices of an attempt. Older rows have a single price, per image."""
    old = columns.maybe("price_usd_micros", int)
    if old is not None:
        return (Price(Unit.IMAGE, old),)
    try:
        return tuple(Price(Unit(unit), int(price)) for unit, price in (columns.json("prices", dict) or {}).items())
    except (TypeError, ValueError):
        raise columns.unreadable("prices") from None


def _entry_json(entry: Entry) -> list[str | int]:
    """An entry of the history in its shortest form, because the row is read with every message."""
    return [entry.step, entry.at.isoformat(), entry.last_at.isoformat(), entry.times, entry.why]


def _history(columns: "Columns") -> History:
    try:
        return tuple(
            Entry(str(step), _aware(at), _aware(last_at), int(times), str(why))
            for step, at, last_at, times, why in columns.json("history", list) or []
        )
    except (TypeError, ValueError):
        raise columns.unreadable("history") from None


def _aware(text: str) -> datetime:
    """A time with its zone, because a time without one could not be compared with others."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(text)
    return at


def _passed_over(columns: "Columns") -> tuple[PassedOver, ...]:
    try:
        return tuple(
            PassedOver(str(raw["model"]), Reason(raw["reason"])) for raw in columns.json("passed_over", list) or []
        )
    except (KeyError, TypeError, ValueError):
        raise columns.unreadable("passed_over") from None


# The open index.


def open_keys(key: Key) -> tuple[str, str]:
    """PartitionKey and RowKey in the open index. There are 16 partitions, so that the load is spread over servers."""
    return f"{zlib.crc32(str(key).encode()) & 0xF:x}", index_key(key)


def open_row(row: OpenRow) -> Row:
    """An ``OpenRow`` as a row."""
    partition_key, row_key = open_keys(row.key)
    times = {"due_at": row.due_at, "expires_at": row.expires_at, "written_at": row.written_at}
    return {"PartitionKey": partition_key, "RowKey": row_key, **row.key.properties, **times}


def open_of(row: Mapping[str, Any]) -> OpenRow:
    """A row as an ``OpenRow``."""
    columns = Columns(row)
    return OpenRow(
        key=_key(columns, "account_id"),
        due_at=columns.time("due_at"),
        expires_at=columns.time("expires_at"),
        written_at=columns.time("written_at"),
    )
