"""The warnings of a generation, as one JSON column of its row."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from shared.adapters.azure_storage.tables.columns import Columns, Row, json_columns
from shared.core.money.limits import Effect, Limit, Notice, Scope, Unit
from shared.core.money.windows import Span


def notice_columns(notices: tuple[Notice, ...]) -> Row:
    """Warnings as columns. Without any there is none."""
    return json_columns("notices", [_notice_json(each) for each in notices]) if notices else {}


def notices_of(columns: Columns) -> tuple[Notice, ...]:
    """The warnings of a row. Raises UnreadableRow if they cannot be read."""
    try:
        return tuple(_notice_of(each) for each in columns.json("notices", list) or [])
    except (KeyError, TypeError, ValueError, AttributeError):
        raise columns.unreadable("notices") from None


def _notice_json(notice: Notice) -> Mapping[str, object]:
    limit = notice.limit
    return {
        "limit_id": limit.limit_id,
        "scope": limit.scope.value,
        "window": limit.window.value,
        "unit": limit.unit.value,
        "amount": limit.amount,
        "step": notice.step,
        "used": notice.used,
        "until": notice.until.isoformat(),
    }


def _notice_of(raw: Mapping[str, Any]) -> Notice:
    until = datetime.fromisoformat(raw["until"])
    if until.tzinfo is None:
        raise ValueError(raw["until"])
    limit = Limit(
        limit_id=str(raw["limit_id"]),
        window=Span(raw["window"]),
        amount=int(raw["amount"]),
        unit=Unit(raw["unit"]),
        effect=Effect.WARN,
        scope=Scope(raw["scope"]),
    )
    return Notice(limit, int(raw["step"]), int(raw["used"]), until)
