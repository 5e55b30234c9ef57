"""The open index in Azure Tables: implements ``OpenIndex``.

It is a table of its own, with a row for each generation that is not finished and announced. PartitionKey is a hash of
the key. RowKey is ``account;user;generation``, or has a digest if the ids are too long. The ids are columns too.
Writes carry no ETag, because a row is only a reminder: the message handler reads the generation itself.
"""

import heapq
from collections.abc import Sequence
from datetime import datetime

from shared.adapters.azure_storage.errors import Answered, answered_by_sdk
from shared.adapters.azure_storage.tables import rows
from shared.adapters.azure_storage.tables.errors import is_row_missing, sdk_translated, translated
from shared.adapters.azure_storage.tables.service import TableService
from shared.core.keys import Key
from shared.ports import OpenRow


class TableIndex:
    """The open index in one table. The caller closes the service."""

    def __init__(self, service: TableService, table: str) -> None:
        self._service = service
        self._name = table

    async def ensure(self) -> None:
        """Create the table if it is missing. In production the deployment creates it."""
        with sdk_translated(self._name, self._service.role):
            await self._service.sdk.create_table_if_not_exists(self._name)

    async def put(self, row: OpenRow) -> None:
        """Implements ``OpenIndex``."""
        with translated(self._name, self._service.role):
            await self._service.rest.replace(self._name, rows.open_row(row))

    async def move(self, key: Key, due_at: datetime) -> None:
        """Implements ``OpenIndex``. It merges one column, which Tables refuses if there is no row."""
        from azure.core.exceptions import HttpResponseError  # noqa: PLC0415  # see service.py
        from azure.data.tables import UpdateMode  # noqa: PLC0415  # as above

        table = self._service.sdk.get_table_client(self._name)
        with sdk_translated(self._name, self._service.role):
            try:
                await table.update_entity({**_keys(key), "due_at": due_at}, mode=UpdateMode.MERGE)
            except HttpResponseError as error:
                if not is_row_missing(answered_by_sdk(error)):
                    raise

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
