"""Which accounts moved, in Azure Tables: implements ``MovedAccounts``.

It is a table of its own, with a partition for each day (UTC), such as ``20261129``. It has a row for each account that
moved then; RowKey is the account's id. So the accounts of a day are one range, in the order of their ids.
"""

from collections.abc import AsyncIterator
from datetime import date
from typing import Any

from shared.adapters.azure_storage.tables.errors import sdk_translated, translated
from shared.adapters.azure_storage.tables.service import TableService

#: The most rows of one transaction.
_AT_ONCE = 100


class TableMovedAccounts:
    """The accounts that moved, in one table. The caller closes the service."""

    def __init__(self, service: TableService, table: str) -> None:
        self._service = service
        self._name = table

    async def ensure(self) -> None:
        """Create the table if it is missing."""
        await self._service.ensure(self._name)

    async def note(self, account_id: str, day: date) -> None:
        """Implements ``MovedAccounts``. A replace has no rival: whoever writes the row writes the same."""
        with translated(self._name, self._service.role):
            await self._service.rest.replace(self._name, _keys(account_id, day))

    async def of_day(self, day: date, after: str = "") -> AsyncIterator[str]:
        """Implements ``MovedAccounts``."""
        query = "PartitionKey eq @day and RowKey gt @after"
        parameters: dict[str, Any] = {"day": _partition(day), "after": after}
        table = self._service.sdk.get_table_client(self._name)
        with sdk_translated(self._name, self._service.role):
            async for row in table.query_entities(query, parameters=parameters, select=["RowKey"]):
                yield str(row["RowKey"])

    async def forget(self, day: date) -> None:
        """Implements ``MovedAccounts``."""
        batch: list[str] = []
        async for account_id in self.of_day(day):
            batch.append(account_id)
            if len(batch) == _AT_ONCE:
                await self._delete(day, batch)
                batch = []
        if batch:
            await self._delete(day, batch)

    async def _delete(self, day: date, account_ids: list[str]) -> None:
        table = self._service.sdk.get_table_client(self._name)
        with sdk_translated(self._name, self._service.role):
            await table.submit_transaction([("delete", _keys(each, day)) for each in account_ids])


def _partition(day: date) -> str:
    return f"{day:%Y%m%d}"


def _keys(account_id: str, day: date) -> dict[str, str]:
    return {"PartitionKey": _partition(day), "RowKey": account_id}
