"""Whose a training's destination is, in Azure Tables: implements ``Destinations``.

Each destination is one row, outside every account's partition, because two accounts may ask for the same one. The first
insert decides.
"""

from datetime import datetime

from shared.adapters.azure_storage.errors import Answered
from shared.adapters.azure_storage.tables.columns import Columns
from shared.adapters.azure_storage.tables.errors import is_rivalry, is_row_missing, translated
from shared.adapters.azure_storage.tables.service import TableService

#: No account has such an id: ids have no ";".
_PARTITION = ";destinations"


class TableDestinations:
    """The owners of destinations in the table of the state. The caller closes the service."""

    def __init__(self, service: TableService, table: str) -> None:
        self._service = service
        self.table = table

    async def owner(self, name: str) -> str | None:
        """Implements ``Destinations``."""
        with translated(self.table, self._service.role):
            try:
                row, _ = await self._service.rest.read(self.table, _keys(name))
            except Answered as answered:
                if is_row_missing(answered):
                    return None
                raise
        return Columns(row).get("account_id", str)

    async def give(self, name: str, account_id: str, by: str, now: datetime) -> str:
        """Implements ``Destinations``."""
        row = {**_keys(name), "account_id": account_id, "given_by": by, "given_at": now.isoformat()}
        with translated(self.table, self._service.role):
            try:
                await self._service.rest.insert(self.table, row)
            except Answered as answered:
                if not is_rivalry(answered):
                    raise
            else:
                return account_id
        return await self.owner(name) or account_id


def _keys(name: str) -> dict[str, str]:
    """The keys of a destination's row. A key has no slash, and a name no semicolon."""
    return {"PartitionKey": _PARTITION, "RowKey": name.replace("/", ";")}
