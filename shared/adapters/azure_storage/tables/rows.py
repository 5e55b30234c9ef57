"""Turns our types into rows of Azure Tables, and rows into our types.

Rules of this file:
1. Every column is named here, for writing and for reading; an attempt's in attempt_columns.py, those of accounts and
   the ledger in rows_money.py. None is left out.
2. Reading ignores unknown columns, because a newer version may have written them, and uses defaults for columns that
   were added later. A required column that is missing, or of a wrong type, raises UnreadableRow (columns.py).
3. No key is split to read its parts, because ids may contain the separators of keys.
4. Integers are 64-bit, times are UTC. Structured values are JSON in a text column.
"""

import zlib
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from shared.adapters.azure_storage.tables.approval_columns import approval_columns, approval_of
from shared.adapters.azure_storage.tables.attempt_columns import attempt_columns, attempt_of
from shared.adapters.azure_storage.tables.columns import Columns, Row, json_columns, text_columns
from shared.adapters.azure_storage.tables.notice_columns import notice_columns, notices_of
from shared.adapters.azure_storage.tables.rows_money import hold_columns, hold_of
from shared.core.events.generation_event import ChosenBy, Output, PassedOver
from shared.core.keys import Key, index_key, row_key
from shared.core.lifecycle.attempt import Attempt
from shared.core.lifecycle.generation import (
    AnyGeneration,
    Closed,
    ClosedState,
    Generation,
    OpenedState,
    Received,
)
from shared.core.lifecycle.state import State
from shared.core.lifecycle.steps import Entry, History
from shared.core.money.chain import LedgerRef
from shared.core.money.usage import Used
from shared.core.reasons import Reason
from shared.core.requests.messages import GenerationRequest
from shared.core.safety.screening_record import ScreeningRecord, read_record
from shared.core.turns.shares import Turn
from shared.core.values import replace
from shared.ports import OpenRow


def generation_key(key: Key) -> str:
    """The RowKey of a generation, within its account's partition."""
    return f"generation:{row_key(key)}"


# Generations.


def generation_row(generation: AnyGeneration) -> Row:
    """A generation as a row. All three types have one family of columns; what a type lacks is not written."""
    key, request, history = generation.key, generation.request, generation.history
    return {
        "PartitionKey": key.account_id,
        "RowKey": generation_key(key),
        "user_id": key.user_id,
        "generation_id": key.generation_id,
        "state": generation.state.value,
        "opened_at": generation.opened_at,
        **(json_columns("request", _request_json(request)) if request else {}),
        "request_digest": request.digest or None if request else None,
        "captured_credits": 0,
        **json_columns("ignored_fields", generation.ignored_fields),
        "reason": generation.reason.value if generation.reason else None,
        "text": generation.text,
        "trace_parent": generation.trace_parent,
        **(json_columns("history", [_entry_json(each) for each in history]) if history else {}),
        **(approval_columns(generation.approval) if generation.approval else {}),
        **(_screening_columns(generation.screenings) if generation.screenings else {}),
        **({} if isinstance(generation, Received) else _ended_columns(generation)),
        **(_opened_columns(generation) if isinstance(generation, Generation) else {}),
    }


def _screening_columns(records: tuple[ScreeningRecord, ...]) -> Row:
    return json_columns("screenings", [record.to_json() for record in records])


def _ended_columns(generation: Generation | Closed) -> Row:
    return {
        **_screening_columns(generation.screenings),
        "ended_at": generation.ended_at,
        **(text_columns("receipt", generation.receipt) if generation.receipt else {}),
    }


def _opened_columns(generation: Generation) -> Row:
    passed, metrics = [asdict(each) for each in generation.passed_over], dict(generation.metrics)
    return {
        **attempt_columns(generation.attempt),
        **json_columns("chain", generation.chain),
        **json_columns("ledger", [[each.move, each.seq, each.digest] for each in generation.ledger]),
        **hold_columns(generation.hold),
        **notice_columns(generation.notices),
        "captured_credits": generation.captured_credits,
        "refunded_credits": generation.refunded_credits or None,
        **json_columns("outputs", [asdict(output) for output in generation.outputs]),
        "refused_outputs": generation.refused_outputs,
        "plan": generation.plan or None,
        "chosen_by": generation.chosen_by.value if generation.chosen_by else None,
        **(json_columns("passed_over", passed) if passed else {}),
        **(json_columns("metrics", metrics) if metrics else {}),
        "cost_usd_micros": generation.cost_usd_micros or None,
        "unmeasured_usd_micros": generation.unmeasured_usd_micros or None,
        "provider_error": generation.provider_error or None,
        "requested_end": generation.requested_end.value if generation.requested_end else None,
    }


def generation_of(row: Mapping[str, Any]) -> AnyGeneration:
    """A row as a generation: its state, and whether it has an attempt, say which of the three types it is.

    Raises UnreadableRow for a mixture that no transition makes: as any of the types it would lose something.
    """
    columns = Columns(row)
    key, state, attempt = _key(columns, "PartitionKey"), columns.one_of("state", State), attempt_of(columns)
    held = columns.maybe("held_credits", int) or 0
    if held and attempt is None:
        raise columns.unreadable("a hold without an attempt")
    match state:
        case State.RECEIVED if attempt is None:
            return _received(columns, key)
        case State.REJECTED | State.CANCELED | State.FAILED if attempt is None:
            return _closed(columns, key, state)
        case State.SUBMITTING | State.WAITING | State.RUNNING | State.SUCCEEDED | State.FAILED | State.CANCELED if (
            attempt is not None
        ):
            return _generation(columns, key, state, attempt)
        case _:
            raise columns.unreadable(f"the state {state} {'without' if attempt is None else 'with'} an attempt")


def _received(columns: Columns, key: Key) -> Received:
    return Received(
        key=key,
        opened_at=columns.time("opened_at"),
        request=_needed_request(columns, key),
        ignored_fields=columns.texts("ignored_fields"),
        screenings=_screenings(columns),
        approval=approval_of(columns),
        reason=columns.one_of("reason", Reason),
        text=columns.maybe("text", str) or "",
        trace_parent=columns.maybe("trace_parent", str) or "",
        history=_history(columns),
    )


def _closed(columns: Columns, key: Key, state: ClosedState) -> Closed:
    return Closed(
        key=key,
        state=state,
        opened_at=columns.time("opened_at"),
        request=_request(columns, key),
        ignored_fields=columns.texts("ignored_fields"),
        screenings=_screenings(columns),
        approval=approval_of(columns),
        reason=columns.one_of("reason", Reason),
        text=columns.maybe("text", str) or "",
        ended_at=columns.time("ended_at"),
        trace_parent=columns.maybe("trace_parent", str) or "",
        history=_history(columns),
        receipt=columns.text("receipt"),
    )


def _generation(columns: Columns, key: Key, state: OpenedState, attempt: Attempt) -> Generation:
    return Generation(
        key=key,
        state=state,
        opened_at=columns.time("opened_at"),
        request=_needed_request(columns, key),
        attempt=attempt,
        chain=columns.texts("chain"),
        hold=hold_of(columns),
        notices=notices_of(columns),
        captured_credits=columns.get("captured_credits", int),
        refunded_credits=columns.maybe("refunded_credits", int) or 0,
        outputs=tuple(columns.built("outputs", Output, item) for item in columns.json("outputs", list) or []),
        refused_outputs=columns.maybe("refused_outputs", int) or 0,
        ignored_fields=columns.texts("ignored_fields"),
        screenings=_screenings(columns),
        approval=approval_of(columns),
        plan=columns.maybe("plan", str) or "",
        chosen_by=columns.maybe_one_of("chosen_by", ChosenBy),
        passed_over=_passed_over(columns),
        metrics=columns.json("metrics", dict) or {},
        cost_usd_micros=columns.maybe("cost_usd_micros", int) or 0,
        unmeasured_usd_micros=columns.maybe("unmeasured_usd_micros", int) or 0,
        provider_error=columns.maybe("provider_error", str) or "",
        ledger=_ledger(columns),
        requested_end=columns.maybe_one_of("requested_end", Reason),
        reason=columns.maybe_one_of("reason", Reason),
        text=columns.maybe("text", str) or "",
        ended_at=columns.maybe_time("ended_at"),
        trace_parent=columns.maybe("trace_parent", str) or "",
        history=_history(columns),
        receipt=columns.text("receipt"),
    )


def _ledger(columns: Columns) -> tuple[LedgerRef, ...]:
    try:
        return tuple(
            LedgerRef(str(move), int(seq), str(digest)) for move, seq, digest in columns.json("ledger", list) or []
        )
    except (TypeError, ValueError):
        raise columns.unreadable("ledger") from None


def _screenings(columns: Columns) -> tuple[ScreeningRecord, ...]:
    return tuple(record for raw in columns.json("screenings", list) or [] if (record := read_record(raw)))


_USED_NUMBERS = ("unit_credits", "captured_credits", "refunded_credits", "cost_usd_micros")
_USED_TIMES = ("opened_at", "ended_at")

#: The columns that ``used_of`` reads.
USED_COLUMNS = ("PartitionKey", "RowKey", "user_id", "state", "model", "prediction_id", *_USED_NUMBERS, *_USED_TIMES)


def used_of(row: Mapping[str, Any]) -> Used:
    """What a generation used, from ``USED_COLUMNS`` only.

    The captured credits are the price of one output times the stored outputs. So their number follows by division, and
    the list of outputs need not be read.
    """
    columns = Columns(row)
    captured, unit = columns.get("captured_credits", int), columns.maybe("unit_credits", int) or 0
    opened_at, ended_at = columns.time("opened_at"), columns.maybe_time("ended_at")
    return Used(
        account_id=columns.get("PartitionKey", str),
        user_id=columns.get("user_id", str),
        model=columns.maybe("model", str) or "",
        succeeded=columns.one_of("state", State) is State.SUCCEEDED,
        outputs=captured // (unit or 1),
        captured_credits=captured,
        cost_usd_micros=columns.maybe("cost_usd_micros", int) or 0,
        opened_at=opened_at,
        took_s=round((ended_at - opened_at).total_seconds()) if ended_at else None,
        refunded_credits=columns.maybe("refunded_credits", int) or 0,
        unit_credits=unit,
        prediction_id=columns.maybe("prediction_id", str) or "",
    )


def _key(columns: Columns, account: str) -> Key:
    """The key of a row, from its columns. ``account`` names the column with the account that pays."""
    return Key(columns.get("user_id", str), columns.get("generation_id", str), columns.get(account, str))


def _request_json(request: GenerationRequest) -> dict[str, Any]:
    """The request in the form of its message. The names of unknown fields, which that form lacks, are a field here."""
    unknown = {"unknown_fields": request.unknown_fields} if request.unknown_fields else {}
    return replace(request, unknown_fields=()).to_json() | unknown


def _needed_request(columns: Columns, key: Key) -> GenerationRequest:
    """The request of what waits to open, or has opened: without one it could not."""
    request = _request(columns, key)
    if request is None:
        raise columns.unreadable("request")
    return request


def _request(columns: "Columns", key: Key) -> GenerationRequest | None:
    raw = columns.json("request", dict)
    if raw is None:
        return None
    unknown = tuple(str(name) for name in raw.get("unknown_fields") or ())
    beside = {"key": key, "unknown_fields": unknown, "digest": columns.maybe("request_digest", str) or ""}
    beside |= {"image_urls": tuple(map(str, raw["image_urls"]))} if raw.get("image_urls") else {}
    return columns.built("request", GenerationRequest, {**raw, **beside})


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

#: Stands where there is no turn any more.
NO_TURN = datetime(1980, 1, 1, tzinfo=UTC)


def open_keys(key: Key) -> tuple[str, str]:
    """PartitionKey and RowKey in the open index."""
    return open_partition(key.account_id), index_key(key)


def open_partition(account_id: str) -> str:
    """One of 16 partitions, so that the load is spread over servers. An account's rows are in one: see ``turns``."""
    return f"{zlib.crc32(account_id.encode()) & 0xF:x}"


def open_row(row: OpenRow) -> Row:
    """An ``OpenRow`` as a row."""
    partition_key, row_key = open_keys(row.key)
    times = {"due_at": row.due_at, "expires_at": row.expires_at, "written_at": row.written_at}
    turn = turn_columns(row.turn) if row.turn else {}
    asked = {"asked": row.asked} if row.asked else {}
    return {"PartitionKey": partition_key, "RowKey": row_key, **row.key.properties, **times, **turn, **asked}


def open_of(row: Mapping[str, Any]) -> OpenRow:
    """A row as an ``OpenRow``."""
    columns = Columns(row)
    return OpenRow(
        key=_key(columns, "account_id"),
        due_at=columns.time("due_at"),
        expires_at=columns.time("expires_at"),
        written_at=columns.time("written_at"),
        turn=turn_of(row),
        asked=columns.maybe("asked", int) or 0,
    )


def turn_columns(turn: Turn) -> Row:
    """A turn as columns of its open row."""
    return {"turn_at": turn.since, "turn_begun": turn.begun, "turn_weight": turn.weight}


def turn_of(row: Mapping[str, Any]) -> Turn | None:
    """The turn of an open row, if it has one."""
    columns = Columns(row)
    since = columns.maybe_time("turn_at")
    if since is None or since <= NO_TURN:
        return None
    begun, weight = columns.get("turn_begun", bool), columns.get("turn_weight", int)
    return Turn(key=_key(columns, "account_id"), weight=weight, since=since, begun=begun)
