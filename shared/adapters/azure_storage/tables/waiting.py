"""What waits for a turn, in Azure Tables: implements ``WaitingList``.

It is a table of its own. The partition ``places`` has a row for each account of which something waits. The partition
``waiting:ACCOUNT`` has a row for each of its parked requests. Its RowKey is ``user;time;generation``, so the rows of a
user stand together, the oldest first; a digest stands for the generation if the ids are too long. The ids are columns.
Azure Storage answers a query in the order of the keys, so the first row is the next one. Cosmos DB does not: there all
rows of the account are read, and the least is taken.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Any

from shared.adapters.azure_storage.errors import Answered
from shared.adapters.azure_storage.tables.columns import Columns, Row
from shared.adapters.azure_storage.tables.errors import is_rivalry, is_row_missing, sdk_translated, translated
from shared.adapters.azure_storage.tables.service import TableService
from shared.core.keys import IDS_BYTES, Key
from shared.core.turns.shares import Place
from shared.ports import Conflict, PlaceRow, Waiting

_PLACES = "places"


class TableWaitingList:
    """The waiting list in one table. The caller closes the service."""

    def __init__(self, service: TableService, table: str) -> None:
        self._service = service
        self._name = table

    async def ensure(self) -> None:
        """Create the table if it is missing."""
        await self._service.ensure(self._name)

    async def wait(self, waiting: Waiting, place: Place) -> None:
        """Implements ``WaitingList``."""
        with translated(self._name, self._service.role):
            await self._service.rest.replace(self._name, {**_keys(waiting), **_columns(waiting)})
            try:
                await self._service.rest.insert(self._name, _place_row(place))
            except Answered as answered:
                if not is_rivalry(answered):
                    raise

    async def places(self) -> Sequence[PlaceRow]:
        """Implements ``WaitingList``."""
        table = self._service.sdk.get_table_client(self._name)
        with sdk_translated(self._name, self._service.role):
            rows = table.query_entities("PartitionKey eq @places", parameters={"places": _PLACES})
            return [PlaceRow(_place_of(row), str(row.metadata["etag"])) async for row in rows]

    async def place(self, account_id: str) -> PlaceRow | None:
        """Implements ``WaitingList``."""
        with translated(self._name, self._service.role):
            try:
                row, etag = await self._service.rest.read(self._name, _place_keys(account_id))
            except Answered as answered:
                if is_row_missing(answered):
                    return None
                raise
        return PlaceRow(_place_of(row), etag)

    async def next_waiting(self, account_id: str, after_user: str) -> Waiting | None:
        """Implements ``WaitingList``. "<" is the character after ";", so it is behind all rows of a user."""
        found = await self._first(account_id, f"{after_user}<") if after_user else None
        return found or await self._first(account_id, "")

    async def save_place(self, row: PlaceRow, place: Place) -> PlaceRow:
        """Implements ``WaitingList``."""
        with translated(self._name, self._service.role):
            try:
                return PlaceRow(place, await self._service.rest.replace(self._name, _place_row(place), row.etag))
            except Answered as answered:
                raise _rivalry(answered) from None

    async def remove_place(self, row: PlaceRow) -> None:
        """Implements ``WaitingList``."""
        keys = _place_keys(row.place.account_id)
        with translated(self._name, self._service.role):
            try:
                await self._service.rest.delete(self._name, keys, row.etag)
            except Answered as answered:
                raise _rivalry(answered) from None

    async def remove_waiting(self, waiting: Waiting) -> None:
        """Implements ``WaitingList``."""
        with translated(self._name, self._service.role):
            try:
                await self._service.rest.delete(self._name, _keys(waiting))
            except Answered as answered:
                if not is_row_missing(answered):
                    raise

    async def _first(self, account_id: str, from_key: str) -> Waiting | None:
        table = self._service.sdk.get_table_client(self._name)
        parameters = {"partition": _partition(account_id), "from": from_key}
        query = "PartitionKey eq @partition and RowKey ge @from"
        with sdk_translated(self._name, self._service.role):
            if self._service.is_cosmos:
                rows = [row async for row in table.query_entities(query, parameters=parameters)]
                return _waiting_of(min(rows, key=lambda row: str(row["RowKey"]))) if rows else None
            async for row in table.query_entities(query, parameters=parameters, results_per_page=1):
                return _waiting_of(row)
        return None


def _rivalry(answered: Answered) -> Exception:
    return Conflict() if is_rivalry(answered) else answered


def _partition(account_id: str) -> str:
    return f"waiting:{account_id}"


def _keys(waiting: Waiting) -> Row:
    key, time = waiting.key, f"{waiting.asked_at.astimezone(UTC):%Y%m%dT%H%M%S.%f}"
    row_key = f"{key.user_id};{time};{key.generation_id}"
    if len(row_key) > IDS_BYTES:
        row_key = f"{key.user_id};{time};;{hashlib.sha256(key.generation_id.encode()).hexdigest()}"
    return {"PartitionKey": _partition(key.account_id), "RowKey": row_key}


def _columns(waiting: Waiting) -> Row:
    return {**waiting.key.properties, "asked_at": waiting.asked_at}


def _waiting_of(row: Mapping[str, Any]) -> Waiting:
    columns = Columns(row)
    user_id, generation_id, account_id = (columns.get(name, str) for name in ("user_id", "generation_id", "account_id"))
    return Waiting(Key(user_id, generation_id, account_id), columns.time("asked_at"))


def _place_keys(account_id: str) -> Mapping[str, str]:
    return {"PartitionKey": _PLACES, "RowKey": account_id}


def _place_row(place: Place) -> Row:
    return {
        **_place_keys(place.account_id),
        "asked_at": place.asked_at,
        "weight": place.weight,
        "concurrency": place.concurrency,
        "served": place.served,
        "after_user": place.after_user,
    }


def _place_of(row: Mapping[str, Any]) -> Place:
    columns = Columns(row)
    return Place(
        account_id=columns.get("RowKey", str),
        asked_at=columns.time("asked_at"),
        weight=columns.get("weight", int),
        concurrency=columns.maybe("concurrency", int),
        served=columns.get("served", int),
        after_user=columns.get("after_user", str),
    )
