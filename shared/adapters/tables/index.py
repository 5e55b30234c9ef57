"""The open index in Azure Tables: implements ``OpenIndex``.

A table of its own, of the size of what is open. PartitionKey is a hash of the key, RowKey ``user_id:generation_id``.
No ETags: a row is a reminder, and whoever acts on it looks at the generation itself.
"""

import heapq
from collections.abc import Sequence
from datetime import datetime

from azure.core.exceptions import HttpResponseError
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableServiceClient

from shared.adapters.tables import rows
from shared.adapters.tables.errors import is_row_missing, translated
from shared.core.messages import Key
from shared.ports import OpenRow


class TableIndex:
    """What is not finished and announced. The client belongs to the caller."""

    def __init__(self, service: TableServiceClient, table: str) -> None:
        self._service = service
        self._name = table
        self._table = service.get_table_client(table)

    async def ensure(self) -> None:
        """Create the table if it is missing. In production the deployment does that."""
        with translated(self._name):
            await self._service.create_table_if_not_exists(self._name)

    async def put(self, row: OpenRow) -> None:
        """See ``OpenIndex``."""
        with translated(self._name):
            await self._table.upsert_entity(rows.open_row(row), mode=UpdateMode.REPLACE)

    async def move(self, key: Key, due_at: datetime) -> None:
        """See ``OpenIndex``. A merge of one column, which Tables refuses where there is no row."""
        partition_key, row_key = rows.open_keys(key)
        change = {"PartitionKey": partition_key, "RowKey": row_key, "due_at": due_at}
        with translated(self._name):
            try:
                await self._table.update_entity(change, mode=UpdateMode.MERGE)
            except HttpResponseError as error:
                if not is_row_missing(error):
                    raise

    async def get(self, key: Key) -> OpenRow | None:
        """See ``OpenIndex``."""
        with translated(self._name):
            try:
                row = await self._table.get_entity(*rows.open_keys(key))
            except HttpResponseError as error:
                if is_row_missing(error):
                    return None
                raise
        return rows.open_of(row)

    async def remove(self, key: Key) -> None:
        """See ``OpenIndex``. The SDK takes a missing row for removed."""
        with translated(self._name):
            await self._table.delete_entity(*rows.open_keys(key))

    async def due(self, now: datetime, limit: int) -> Sequence[OpenRow]:
        """See ``OpenIndex``. All that is due is read, a page (1000 rows) at a time, and only ``limit`` rows kept."""
        kept: list[OpenRow] = []
        with translated(self._name):
            async for page in self._table.query_entities("due_at le @now", parameters={"now": now}).by_page():
                rivals = kept + [rows.open_of(row) async for row in page]
                kept = heapq.nsmallest(limit, rivals, key=lambda row: (row.expires_at, row.key))
        return kept
