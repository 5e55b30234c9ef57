"""The open index in Azure Tables: implements ``OpenIndex``.

It is a table of its own, with a row for each generation that is not finished and announced. PartitionKey is a hash of
the account. RowKey is ``account;user;generation``, or has a digest if the ids are too long. The ids are columns too.
Writes carry no ETag, because a row is only a reminder: the message handler reads the generation itself.
"""

import heapq
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from shared.adapters.azure_storage.errors import Answered, answered_by_sdk
from shared.adapters.azure_storage.tables import rows
from shared.adapters.azure_storage.tables.errors import is_row_missing, sdk_translated, translated
from shared.adapters.azure_storage.tables.service import TableService
from shared.core.keys import Key
from shared.core.turns.shares import Turn
from shared.ports import OpenRow


class TableIndex:
    """The open index in one table. The caller closes the service."""

    def __init__(self, service: TableService, table: str) -> None:
        self._service = service
        self._name = table

    async def ensure(self) -> None:
        """Create the table if it is missing."""
        await self._service.ensure(self._name)

    async def put(self, row: OpenRow) -> None:
        """Implements ``OpenIndex``."""
        with translated(self._name, self._service.role):
            await self._service.rest.replace(self._name, rows.open_row(row))

    async def move(self, key: Key, due_at: datetime, expires_at: datetime | None = None) -> None:
        """Implements ``OpenIndex``. It merges columns, which Tables refuses if there is no row."""
        moved = {"expires_at": expires_at} if expires_at else {}
        await self._merge(key, {"due_at": due_at, **moved})

    async def give(self, turn: Turn, due_at: datetime) -> bool:
        """Implements ``OpenIndex``."""
        return await self._merge(turn.key, {"due_at": due_at, **rows.turn_columns(turn)})

    async def release(self, key: Key, due_at: datetime, expires_at: datetime, asked: int = 0) -> None:
        """Implements ``OpenIndex``. A merge cannot remove a column, so a time long ago says that there is no turn."""
        published = {"asked": asked} if asked else {}
        await self._merge(key, {"due_at": due_at, "expires_at": expires_at, "turn_at": rows.NO_TURN, **published})

    async def of_account(self, account_id: str = "") -> AsyncIterator[Key]:
        """Implements ``OpenIndex``, by pages of 1000."""
        async for row in self._rows_of(account_id, "", {}):
            yield rows.open_of(row).key

    async def turns(self, account_id: str = "") -> Sequence[Turn]:
        """Implements ``OpenIndex``. A row without the column does not match."""
        found = self._rows_of(account_id, "turn_at gt @none", {"none": rows.NO_TURN})
        return [turn async for row in found if (turn := rows.turn_of(row))]

    async def awaiting_approval(self, account_id: str = "") -> Sequence[OpenRow]:
        """Implements ``OpenIndex``. A row without the column does not match."""
        found = self._rows_of(account_id, "asked ge @least", {"least": 1})
        return [rows.open_of(row) async for row in found]

    async def _rows_of(
        self, account_id: str, query: str, parameters: Mapping[str, Any]
    ) -> AsyncIterator[Mapping[str, Any]]:
        """The rows that a query finds of one account, or of all. "<" is the character after ";"."""
        of_account: dict[str, Any] = {}
        if account_id:
            query += " and " if query else ""
            query += "PartitionKey eq @partition and RowKey ge @from and RowKey lt @to"
            partition = rows.open_partition(account_id)
            of_account = {"partition": partition, "from": f"{account_id};", "to": f"{account_id}<"}
        table = self._service.sdk.get_table_client(self._name)
        with sdk_translated(self._name, self._service.role):
            async for row in table.query_entities(query, parameters={**parameters, **of_account}):
                yield row

    async def _merge(self, key: Key, changed: dict[str, Any]) -> bool:
        """Change columns of a row. Returns False if there is none."""
        from azure.core.exceptions import HttpResponseError  # noqa: PLC0415  # see service.py
        from azure.data.tables import UpdateMode  # noqa: PLC0415  # as above

        table = self._service.sdk.get_table_client(self._name)
        with sdk_translated(self._name, self._service.role):
            try:
                await table.update_entity({**_keys(key), **changed}, mode=UpdateMode.MERGE)
            except HttpResponseError as error:
                if not is_row_missing(answered_by_sdk(error)):
                    raise
                return False
        return True

    async def get(self, key: Key) -> OpenRow | None:
        """Implements ``OpenIndex``."""
        with translated(self._name, self._service.role):
            try:
                row, _ = await self._service.rest.read(self._name, _keys(key))
            except Answered as answered:
                if is_row_missing(answered):
                    return None
                raise
        return rows.open_of(row)

    async def remove(self, key: Key) -> None:
        """Implements ``OpenIndex``."""
        with translated(self._name, self._service.role):
            try:
                await self._service.rest.delete(self._name, _keys(key))
            except Answered as answered:
                if not is_row_missing(answered):
                    raise

    async def due(self, now: datetime, limit: int) -> Sequence[OpenRow]:
        """Implements ``OpenIndex``. All due rows are read, by pages of 1000, and the ``limit`` most urgent are kept."""
        kept: list[OpenRow] = []
        table = self._service.sdk.get_table_client(self._name)
        with sdk_translated(self._name, self._service.role):
            async for page in table.query_entities("due_at le @now", parameters={"now": now}).by_page():
                candidates = kept + [rows.open_of(row) async for row in page]
                kept = heapq.nsmallest(limit, candidates, key=lambda row: (row.expires_at, row.key))
        return kept


def _keys(key: Key) -> dict[str, str]:
    partition_key, row_key = rows.open_keys(key)
    return {"PartitionKey": partition_key, "RowKey": row_key}
