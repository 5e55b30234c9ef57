"""The state in Azure Tables: implements ``Store``.

One table, PartitionKey = user_id, so that all of a user's rows can be part of one transaction:

    account                          the balances
    generation:{generation_id}       the generation
    ledger:{generation_id}:hold      credits set aside when it opened
    ledger:{generation_id}:resolve   captured and released when it ended
    grant:{id}, correction:{id}      what operators and the app post

Rules of this file:
1. A ledger row is inserted, never updated: the table itself refuses a second hold or resolve.
2. Every update carries the ETag of what was read.
3. Every write carries a random ``write_id``. The SDK sends a request again after a 5xx, so the refusal of the second
   may be about our own first: the row says whose write it was.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError
from azure.data.tables import TransactionOperation, UpdateMode
from azure.data.tables.aio import TableServiceClient

from shared.adapters.tables import rows
from shared.adapters.tables.errors import is_rivalry, is_row_missing, translated
from shared.core.credits import Account, LedgerEntry
from shared.core.generation import Generation, Transition
from shared.core.messages import Key
from shared.ports import Conflict, Loaded

#: For TableServiceClient. The SDK's own defaults wait for minutes, and a function call has none: a message that
#: fails is put off and comes again, so 3 quick retries (0, 0.6 and 1.2 s apart) are enough.
CLIENT_OPTIONS: Mapping[str, Any] = {
    "retry_total": 3,
    "retry_backoff_factor": 0.3,
    "connection_timeout": 5,
    "read_timeout": 15,
}

#: What one write of a transaction is: the row, and the ETag it replaces ("": the row must be new).
_Write = tuple[rows.Row, str]

#: Each kind of row is a range of RowKeys: ";" is the character after ":".
_GENERATIONS = "PartitionKey eq @user and RowKey ge 'generation:' and RowKey lt 'generation;'"
_LEDGER = (
    "PartitionKey eq @user and ("
    "(RowKey ge 'correction:' and RowKey lt 'correction;')"
    " or (RowKey ge 'grant:' and RowKey lt 'grant;')"
    " or (RowKey ge 'ledger:' and RowKey lt 'ledger;'))"
)


class TableStore:
    """Accounts, generations and ledger in one table. The client belongs to the caller."""

    def __init__(self, service: TableServiceClient, table: str) -> None:
        self._service = service
        self._name = table
        self._table = service.get_table_client(table)

    async def ensure(self) -> None:
        """Create the table if it is missing. In production the deployment does that."""
        with translated(self._name):
            await self._service.create_table_if_not_exists(self._name)

    async def load(self, key: Key) -> Loaded:
        """See ``Store``. Two point reads at once."""
        generation, account = await asyncio.gather(
            self._row(key.user_id, rows.generation_key(key.generation_id)), self._row(key.user_id, rows.ACCOUNT)
        )
        return Loaded(
            account=rows.account_of(account) if account else None,
            account_etag=_etag(account),
            generation=rows.generation_of(generation) if generation else None,
            generation_etag=_etag(generation),
        )

    async def load_account(self, user_id: str) -> tuple[Account | None, str]:
        """See ``Store``."""
        row = await self._row(user_id, rows.ACCOUNT)
        return (rows.account_of(row) if row else None), _etag(row)

    async def commit(self, loaded: Loaded, transition: Transition) -> Loaded:
        """See ``Store``. Where no credits move it is one conditional write, and no transaction."""
        generation, account, entry = transition.generation, transition.account, transition.entry
        writes: list[_Write] = [(rows.generation_row(generation), loaded.generation_etag)]
        if account is not None:
            writes.append((rows.account_row(account), loaded.account_etag))
        if entry is not None:
            writes.append((rows.entry_row(entry), ""))
        etags = await self._write(writes)
        if etags is None:
            return await self.load(generation.key)
        return Loaded(
            account=account or loaded.account,
            account_etag=etags[1] if account is not None else loaded.account_etag,
            generation=generation,
            generation_etag=etags[0],
        )

    async def post(self, account: Account, etag: str, entry: LedgerEntry) -> bool:
        """See ``Store``."""
        try:
            await self._write([(rows.account_row(account), etag), (rows.entry_row(entry), "")])
        except Conflict:
            if await self._row(entry.user_id, rows.entry_key(entry)) is None:
                raise
            return False
        return True

    async def ledger(self, user_id: str) -> AsyncIterator[LedgerEntry]:
        """See ``Store``."""
        async for row in self._query(_LEDGER, user=user_id):
            yield rows.entry_of(row)

    async def accounts(self) -> AsyncIterator[Account]:
        """See ``Store``. Reads the whole table, on the server: for audits."""
        async for row in self._query("RowKey eq @account", account=rows.ACCOUNT):
            yield rows.account_of(row)

    async def generations(self, user_id: str) -> AsyncIterator[Generation]:
        """See ``Store``."""
        async for row in self._query(_GENERATIONS, user=user_id):
            yield rows.generation_of(row)

    async def find(self, generation_id: str) -> list[Generation]:
        """The generations of this id, whoever's they are. Reads the whole table, on the server: for operators."""
        query = self._query("RowKey eq @row", row=rows.generation_key(generation_id))
        return [rows.generation_of(row) async for row in query]

    async def _write(self, writes: Sequence[_Write]) -> list[str] | None:
        """Write all or nothing; returns the new ETags, or None where an earlier sending of this write succeeded.

        The last write says whose a refused one was: it is the ledger row where there is one, which nobody changes.
        Raises Conflict.
        """
        write_id = secrets.token_hex(8)
        for row, _ in writes:
            row["write_id"] = write_id
        with translated(self._name):
            try:
                return await self._send(writes)
            except HttpResponseError as error:
                if not is_rivalry(error):
                    raise
        witness, _ = writes[-1]
        stored = await self._row(witness["PartitionKey"], witness["RowKey"])
        if stored is None or stored.get("write_id") != write_id:
            raise Conflict
        return None

    async def _send(self, writes: Sequence[_Write]) -> list[str]:
        if len(writes) > 1:
            answers = await self._table.submit_transaction([_operation(row, etag) for row, etag in writes])
            return [answer["etag"] for answer in answers]
        row, etag = writes[0]
        if etag:
            answer = await self._table.update_entity(row, **_replacing(etag))
        else:
            answer = await self._table.create_entity(row)
        return [answer["etag"]]

    async def _row(self, partition_key: str, row_key: str) -> Mapping[str, Any] | None:
        with translated(self._name):
            try:
                return await self._table.get_entity(partition_key, row_key)
            except HttpResponseError as error:
                if is_row_missing(error):
                    return None
                raise

    async def _query(self, query: str, **parameters: str) -> AsyncIterator[Mapping[str, Any]]:
        with translated(self._name):
            async for row in self._table.query_entities(query, parameters=parameters):
                yield row


def _operation(row: rows.Row, etag: str) -> tuple[TransactionOperation, rows.Row, dict[str, Any]]:
    if etag:
        return TransactionOperation.UPDATE, row, _replacing(etag)
    return TransactionOperation.CREATE, row, {}


def _replacing(etag: str) -> dict[str, Any]:
    """Replace the whole row, so that what became None goes; and only if nobody did it before."""
    return {"mode": UpdateMode.REPLACE, "etag": etag, "match_condition": MatchConditions.IfNotModified}


def _etag(row: Mapping[str, Any] | None) -> str:
    metadata = getattr(row, "metadata", {})
    return metadata.get("etag") or ""
