"""How far the night's audit has come: implements ``Nights``, with one row in the table of moved accounts."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from shared.adapters.azure_storage.errors import Answered
from shared.adapters.azure_storage.tables.columns import Columns
from shared.adapters.azure_storage.tables.errors import is_row_missing, translated
from shared.adapters.azure_storage.tables.service import TableService
from shared.ports import NightProgress

#: No day is named so.
_KEYS = {"PartitionKey": "night", "RowKey": "progress"}


class TableNights:
    """The progress of the night's audit, in one row. The caller closes the service."""

    def __init__(self, service: TableService, table: str) -> None:
        self._service = service
        self._name = table

    async def progress(self) -> NightProgress | None:
        """Implements ``Nights``."""
        with translated(self._name, self._service.role):
            try:
                row, _ = await self._service.rest.read(self._name, _KEYS)
            except Answered as answered:
                if is_row_missing(answered):
                    return None
                raise
        return _progress_of(row)

    async def keep(self, progress: NightProgress) -> None:
        """Implements ``Nights``. Whoever writes last counts."""
        row = {
            **_KEYS,
            "began_at": progress.began_at,
            "day": progress.day.isoformat(),
            "after": progress.after,
            "checked": progress.checked,
            "swept": progress.swept,
            "logged": progress.logged,
        }
        with translated(self._name, self._service.role):
            await self._service.rest.replace(self._name, row)


def _progress_of(row: Mapping[str, Any]) -> NightProgress:
    columns = Columns(row)
    try:
        day = date.fromisoformat(columns.get("day", str))
    except ValueError:
        raise columns.unreadable("day") from None
    return NightProgress(
        began_at=columns.time("began_at"),
        day=day,
        after=columns.get("after", str),
        checked=columns.get("checked", int),
        swept=columns.get("swept", bool),
        logged=columns.get("logged", bool),
    )
