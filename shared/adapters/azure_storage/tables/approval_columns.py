"""What was asked and decided about an approval, as one JSON column of a generation's row."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from shared.adapters.azure_storage.tables.columns import Columns, Row, json_columns
from shared.core.lifecycle.approval import Asked, Decision
from shared.core.money.limits import Scope


def approval_columns(asked: Asked) -> Row:
    """An approval as columns."""
    return json_columns(
        "approval",
        {
            "limit_id": asked.limit_id,
            "scope": asked.scope.value,
            "credits": asked.credits,
            "asked_at": asked.asked_at.isoformat(),
            "until": asked.until.isoformat(),
            "asks": asked.asks,
            **({"again_at": asked.again_at.isoformat()} if asked.again_at else {}),
            "decisions": [_decision_json(each) for each in asked.decisions],
        },
    )


def approval_of(columns: Columns) -> Asked | None:
    """The approval of a row. None if none was ever asked. Raises UnreadableRow if it cannot be read."""
    raw = columns.json("approval", dict)
    if raw is None:
        return None
    try:
        return Asked(
            limit_id=str(raw["limit_id"]),
            scope=Scope(raw["scope"]),
            credits=int(raw["credits"]),
            asked_at=_aware(raw["asked_at"]),
            until=_aware(raw["until"]),
            asks=int(raw["asks"]),
            again_at=_aware(raw["again_at"]) if "again_at" in raw else None,
            decisions=tuple(_decision_of(each) for each in raw["decisions"]),
        )
    except (KeyError, OverflowError, TypeError, ValueError):  # JSON may hold Infinity
        raise columns.unreadable("approval") from None


def _decision_json(decision: Decision) -> dict[str, Any]:
    return {
        "command_id": decision.command_id,
        "by": decision.by,
        "at": decision.at.isoformat(),
        "limit_id": decision.limit_id,
        "scope": decision.scope.value,
        "most_credits": decision.most_credits,
    }


def _decision_of(raw: Mapping[str, Any]) -> Decision:
    most = raw["most_credits"]
    return Decision(
        command_id=str(raw["command_id"]),
        by=str(raw["by"]),
        at=_aware(raw["at"]),
        limit_id=str(raw["limit_id"]),
        scope=Scope(raw["scope"]),
        most_credits=None if most is None else int(most),
    )


def _aware(text: str) -> datetime:
    """A time with its zone."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(text)
    return at
