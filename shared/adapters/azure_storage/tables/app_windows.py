"""What the whole app uses, in Azure Tables: implements ``AppWindows``.

It is in the partition of the kill switches, outside every account's: the row ``use:base``, a row ``use:instance:NAME``
for each instance, and a row ``use:warned:DIGEST`` for each step of a limit that was published. They are one query.
"""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from shared.adapters.azure_storage.errors import Answered, answered_by_sdk
from shared.adapters.azure_storage.tables.columns import Columns, Row, json_columns
from shared.adapters.azure_storage.tables.errors import is_rivalry, is_row_missing, sdk_translated, translated
from shared.adapters.azure_storage.tables.service import TableService
from shared.core.dependency import Dependency
from shared.core.money.limits import Scope, Warned
from shared.ports import Conflict, Unavailable
from shared.ports.app_windows import WRITE_S, AppRows, TallyRow

#: No account has such an id: ids have no ";".
_PARTITION = ";app"

_BASE, _INSTANCE, _WARNED = "use:base", "use:instance:", "use:warned:"

#: All rows, and no other of the partition. ";" is the character after ":".
_QUERY = "PartitionKey eq @app and RowKey ge 'use:' and RowKey lt 'use;'"


if TYPE_CHECKING:
    from shared.core.money.tally import Sums


class TableAppWindows:
    """The tallies in the table of the state. The caller closes the service."""

    def __init__(self, service: TableService, table: str) -> None:
        self._service = service
        self.table = table

    async def read(self) -> AppRows:
        """Implements ``AppWindows``."""
        base, instances, warned = None, [], []
        table = self._service.sdk.get_table_client(self.table)
        with sdk_translated(self.table, self._service.role):
            async for row in table.query_entities(_QUERY, parameters={"app": _PARTITION}):
                name = str(row["RowKey"])
                if name == _BASE:
                    base = _tally_of(row, "")
                elif name.startswith(_INSTANCE):
                    instances.append(_tally_of(row, name.removeprefix(_INSTANCE)))
                else:
                    warned.append(_warned_of(row))
        return AppRows(base, tuple(instances), tuple(warned))

    async def save(self, row: TallyRow) -> TallyRow:
        """Implements ``AppWindows``."""
        with translated(self.table, self._service.role):
            try:
                async with asyncio.timeout(WRITE_S):
                    if row.etag:
                        etag = await self._service.rest.replace(self.table, _row(row), row.etag)
                    else:
                        etag = await self._service.rest.insert(self.table, _row(row))
            except TimeoutError:
                raise Unavailable(Dependency.TABLES, "a write of what the app uses takes too long") from None
            except Answered as answered:
                if is_rivalry(answered) or is_row_missing(answered):
                    raise Conflict from None
                raise
        return TallyRow(row.name, row.tally, row.at, etag)

    async def fold(self, base: TallyRow, gone: Sequence[TallyRow]) -> None:
        """Implements ``AppWindows``."""
        from azure.core import MatchConditions  # noqa: PLC0415  # see service.py
        from azure.core.exceptions import HttpResponseError  # noqa: PLC0415  # as above
        from azure.data.tables import UpdateMode  # noqa: PLC0415  # as above

        unmodified = {"match_condition": MatchConditions.IfNotModified}
        changed = {"mode": UpdateMode.REPLACE, "etag": base.etag, **unmodified}
        acts: list[Any] = [("update", _row(base), changed) if base.etag else ("create", _row(base))]
        acts += [("delete", _keys(each.name), {"etag": each.etag, **unmodified}) for each in gone]
        table = self._service.sdk.get_table_client(self.table)
        with sdk_translated(self.table, self._service.role):
            try:
                await table.submit_transaction(acts)
            except HttpResponseError as error:
                answered = answered_by_sdk(error)
                if is_rivalry(answered) or is_row_missing(answered):
                    raise Conflict from None
                raise

    async def remember(self, warned: Warned) -> None:
        """Implements ``AppWindows``. Whoever writes the row writes the same."""
        columns = {"limit_id": warned.limit_id, "step": warned.step, "until": warned.until}
        with translated(self.table, self._service.role):
            await self._service.rest.replace(self.table, {**_warned_keys(warned), **columns})

    async def forget(self, warned: Warned) -> None:
        """Implements ``AppWindows``."""
        with translated(self.table, self._service.role):
            try:
                await self._service.rest.delete(self.table, _warned_keys(warned))
            except Answered as answered:
                if not is_row_missing(answered):
                    raise


def _keys(name: str) -> Row:
    return {"PartitionKey": _PARTITION, "RowKey": f"{_INSTANCE}{name}" if name else _BASE}


def _warned_keys(warned: Warned) -> Row:
    named = f"{warned.limit_id}/{warned.step}/{warned.until.isoformat()}"
    return {"PartitionKey": _PARTITION, "RowKey": f"{_WARNED}{hashlib.sha256(named.encode()).hexdigest()}"}


def _warned_of(row: Mapping[str, Any]) -> Warned:
    columns = Columns(row)
    return Warned(columns.get("limit_id", str), Scope.APP, columns.get("step", int), columns.time("until"))


def _row(row: TallyRow) -> Row:
    """A tally as a row: lists of number, credits and USD micros."""
    slots, days = ([[number, *sums] for number, sums in each.items()] for each in (row.tally.slots, row.tally.days))
    return {**_keys(row.name), "at": row.at, **json_columns("slots", slots), **json_columns("days", days)}


def _tally_of(row: Mapping[str, Any], name: str) -> TallyRow:
    from shared.core.money.tally import Tally  # noqa: PLC0415  # only an app with limits of its own has tallies

    columns = Columns(row)
    tally = Tally(_sums_of(columns, "slots"), _sums_of(columns, "days"))
    return TallyRow(name, tally, columns.time("at"), str(row.metadata["etag"]))  # type: ignore[attr-defined]  # the SDK's


def _sums_of(columns: Columns, name: str) -> "Sums":
    try:
        return {int(number): (int(one), int(other)) for number, one, other in columns.json(name, list) or []}
    except (TypeError, ValueError):
        raise columns.unreadable(name) from None
