"""The kill switches and the app's limits, in Azure Tables: implements ``SwitchBoard``.

All of it is one row, outside every account's partition. So a create costs at most one point read, whatever is
paused, and two commands at once are decided by the row's ETag.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from shared.adapters.azure_storage.errors import Answered
from shared.adapters.azure_storage.tables.columns import Columns, Row, json_columns
from shared.adapters.azure_storage.tables.errors import is_rivalry, is_row_missing, translated
from shared.adapters.azure_storage.tables.rows_money import app_limits_of, limit_columns
from shared.adapters.azure_storage.tables.service import TableService
from shared.core.switches import Order, PauseScope, Span, Switch, Switches, Target
from shared.ports import Conflict
from shared.ports.switches import Board

#: No account has such an id: ids have no ";".
_KEYS: Mapping[str, str] = {"PartitionKey": ";app", "RowKey": "switches"}

#: The form of a switch in JSON. A version that cannot read the row must not create as if nothing were paused.
_TARGET = ("scope", "account_id", "user_id", "model")


class TableSwitches:
    """The kill switches in the table of the state. The caller closes the service."""

    def __init__(self, service: TableService, table: str) -> None:
        self._service = service
        self.table = table

    async def read(self) -> Board:
        """Implements ``SwitchBoard``."""
        with translated(self.table, self._service.role):
            try:
                row, etag = await self._service.rest.read(self.table, _KEYS)
            except Answered as answered:
                if is_row_missing(answered):
                    return Board()
                raise
        return Board(_switches(row), app_limits_of(Columns(row)), etag)

    async def save(self, board: Board) -> None:
        """Implements ``SwitchBoard``."""
        switches = json_columns("switches", [_plain(each) for each in board.switches])
        row: Row = {**_KEYS, **switches, **limit_columns(board.limits)}
        with translated(self.table, self._service.role):
            try:
                if board.etag:
                    await self._service.rest.replace(self.table, row, board.etag)
                else:
                    await self._service.rest.insert(self.table, row)
            except Answered as answered:
                if is_rivalry(answered):
                    raise Conflict from None
                raise


def _plain(switch: Switch) -> Mapping[str, object]:
    order = switch.order
    plain: dict[str, object] = {
        **{name: getattr(order.target, name) for name in _TARGET if getattr(order.target, name)},
        "issued_at": order.issued_at.isoformat(),
        "command_id": order.command_id,
        "until": order.until.isoformat() if order.until else None,
        "by": order.by,
        "why": order.why,
        "reason": order.reason,
        "spans": [[span.since.isoformat(), span.until.isoformat()] for span in switch.spans],
    }
    return plain


def _switches(row: Mapping[str, Any]) -> Switches:
    columns = Columns(row)
    try:
        return tuple(_switch(each) for each in columns.json("switches", list) or [])
    except (KeyError, TypeError, ValueError, AttributeError):
        raise columns.unreadable("switches") from None


def _switch(plain: Mapping[str, Any]) -> Switch:
    ids = {name: str(plain.get(name, "")) for name in _TARGET[1:]}
    order = Order(
        target=Target(PauseScope(plain["scope"]), **ids),
        issued_at=datetime.fromisoformat(plain["issued_at"]),
        command_id=str(plain["command_id"]),
        until=datetime.fromisoformat(plain["until"]) if plain["until"] else None,
        by=str(plain["by"]),
        why=str(plain["why"]),
        reason=str(plain["reason"]),
    )
    spans = tuple(Span(datetime.fromisoformat(since), datetime.fromisoformat(until)) for since, until in plain["spans"])
    return Switch(order, spans)
