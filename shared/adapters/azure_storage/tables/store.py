"""The state in Azure Tables: implements ``Store``.

One table, PartitionKey = account id, so that all that an account pays for can be part of one transaction:

    account                       the sums, the buckets, the windows, the settings
    user:{id}                     a user's limits and windows, unless the account has the user's id
    generation:{user;id}          the generation
    entry:{number}                the ledger, in its order
    version:{owner;name:version}  a version that the account has trained, inserted with the training's end
    move:{kind}:{id}              forbids a second move: {id} is {user;id}, or what operators and the app name

``{user;id}`` is ``row_key`` of core/keys.py.

Rules of this file:
1. The two rows of a ledger entry are inserted, never updated, but that texts of it can be erased. So the table itself
   refuses a second hold or resolve, and two entries of one number.
2. Every update carries the ETag of the row that was read (optimistic concurrency).
3. Every write carries a random ``write_id``. A request is repeated after a 5xx, so the second try may be refused
   because the first one succeeded. The stored ``write_id`` shows whose write it was.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from shared.adapters.azure_storage.errors import Answered
from shared.adapters.azure_storage.tables import bounds, rows, versions
from shared.adapters.azure_storage.tables import rows_money as money
from shared.adapters.azure_storage.tables.columns import Columns
from shared.adapters.azure_storage.tables.entities import Write
from shared.adapters.azure_storage.tables.errors import is_rivalry, is_row_missing, sdk_translated, translated
from shared.adapters.azure_storage.tables.service import TableService
from shared.core.keys import Key
from shared.core.lifecycle.generation import AnyGeneration, Transition
from shared.core.money.account import Account, User
from shared.core.money.entries import LedgerEntry, Move
from shared.core.money.usage import Used
from shared.core.training.versions import TrainedVersion
from shared.ports import Conflict, Loaded, UnreadableRow

#: What is saved of one generation: the rows that were read, and the transition.
Commit: TypeAlias = tuple[Loaded, Transition[AnyGeneration]]

#: Each kind of row is a range of RowKeys, because ";" is the character after ":".
_GENERATIONS = "PartitionKey eq @account and RowKey ge 'generation:' and RowKey lt 'generation;'"
_ALL_GENERATIONS = "RowKey ge 'generation:' and RowKey lt 'generation;'"
_VERSIONS = "PartitionKey eq @account and RowKey ge 'version:' and RowKey lt 'version;'"
_LEDGER = "PartitionKey eq @account and RowKey ge @first and RowKey lt 'entry;'"


def _writes(loaded: Loaded, transition: Transition[AnyGeneration]) -> list[Write]:
    """The rows of a transition with the ETags that they replace: the generation's first, the ledger's last."""
    writes: list[Write] = [(rows.generation_row(transition.generation), loaded.generation_etag)]
    if transition.account is not None:
        writes += _of_account(transition.account, loaded.account_etag, transition.user, loaded.user_etag)
    if transition.mark is not None:
        kind, command_id = transition.mark
        writes.append((money.mark_row(transition.generation.key.account_id, kind, command_id), ""))
    return writes + _of_version(transition) + _of_ledger(transition.entries)


def _of_version(transition: Transition[AnyGeneration]) -> list[Write]:
    return [(versions.version_row(transition.version), "")] if transition.version is not None else []


@dataclass(frozen=True, slots=True)
class _OwnRows:
    """The rows of a move in a group, but for the account's: they are made once, also where not all moves fit."""

    account: Account
    generation: Write
    users: list[Write]
    trained: list[Write]
    ledger: list[Write]

    @classmethod
    def of(cls, loaded: Loaded, made: Transition[AnyGeneration]) -> "_OwnRows":
        """Those of a move of credits."""
        if made.account is None:
            raise ValueError("a group is of moves of credits")
        users: list[Write] = [(money.user_row(made.user), loaded.user_etag)] if made.user is not None else []
        generation = (rows.generation_row(made.generation), loaded.generation_etag)
        return cls(made.account, generation, users, _of_version(made), _of_ledger(made.entries))

    def all(self) -> list[Write]:
        """In any order."""
        return [self.generation, *self.users, *self.trained, *self.ledger]


def _that_fit(own: Sequence[_OwnRows]) -> int:
    """How many moves fit into one transaction with the account's row, as large as the first's or the last's."""
    accounts: list[Write] = [(money.account_row(each.account), "") for each in (own[0], own[-1])]
    return bounds.most_that_fit([[*accounts, *own[0].all()], *(each.all() for each in own[1:])])


def _group_writes(own: Sequence[_OwnRows], account_etag: str) -> list[Write]:
    """The rows of a group: the generations, the account and each user once (as the last leaves them), the ledger."""
    users = {str(row["RowKey"]): (row, etag) for each in own for row, etag in each.users}
    account = (money.account_row(own[-1].account), account_etag)
    trained = [write for each in own for write in each.trained]
    ledger = [write for each in own for write in each.ledger]
    return [*(each.generation for each in own), account, *users.values(), *trained, *ledger]


def _of_account(account: Account, etag: str, user: User | None, user_etag: str) -> list[Write]:
    users = [(money.user_row(user), user_etag)] if user is not None else []
    return [(money.account_row(account), etag), *users]


def _of_ledger(entries: Sequence[LedgerEntry]) -> list[Write]:
    return [(row, "") for entry in entries for row in money.entry_rows(entry)]


class TableStore:
    """Accounts, generations and ledger in one table. The caller closes the service."""

    def __init__(self, service: TableService, table: str) -> None:
        self._service = service
        self.name = table

    async def ensure(self) -> None:
        """Create the table if it is missing."""
        await self._service.ensure(self.name)

    async def load(self, key: Key, version: str = "") -> Loaded:
        """Implements ``Store``, with two concurrent point reads, and one each for another user's row and a version."""
        reads = [self._row(key.account_id, rows.generation_key(key)), self._row(key.account_id, money.ACCOUNT)]
        if key.user_id != key.account_id:
            reads.append(self._row(key.account_id, money.user_key(key.user_id)))
        if version:
            reads.append(self._row(key.account_id, versions.version_key(version)))
        (generation, generation_etag), (account, account_etag), *more = await asyncio.gather(*reads)
        trained, _ = more.pop() if version else (None, "")
        user, user_etag = more[0] if more else (None, "")
        return Loaded(
            account=money.account_of(account) if account else None,
            account_etag=account_etag,
            user=money.user_of(user) if user else None,
            user_etag=user_etag,
            generation=rows.generation_of(generation) if generation else None,
            generation_etag=generation_etag,
            version=versions.version_of(trained) if trained else None,
        )

    async def load_generation(self, key: Key) -> AnyGeneration | None:
        """Implements ``Store``, with one point read."""
        row, _ = await self._row(key.account_id, rows.generation_key(key))
        return rows.generation_of(row) if row else None

    async def load_account(self, account_id: str) -> tuple[Account | None, str]:
        """Implements ``Store``."""
        row, etag = await self._row(account_id, money.ACCOUNT)
        return (money.account_of(row) if row else None), etag

    async def load_user(self, account_id: str, user_id: str) -> tuple[User | None, str]:
        """Implements ``Store``."""
        row, etag = await self._row(account_id, money.user_key(user_id))
        return (money.user_of(row) if row else None), etag

    async def load_payers(
        self, account_id: str, user_ids: Sequence[str]
    ) -> tuple[tuple[Account | None, str], list[tuple[User | None, str]]]:
        """Implements ``Store``, with concurrent point reads."""
        users = asyncio.gather(*(self.load_user(account_id, user_id) for user_id in user_ids))
        return await asyncio.gather(self.load_account(account_id), users)

    async def commit(self, loaded: Loaded, transition: Transition[AnyGeneration]) -> Loaded:
        """Implements ``Store``. If no credits move, it is one conditional write instead of a transaction."""
        generation, account, user = transition.generation, transition.account, transition.user
        etags = await self._write(_writes(loaded, transition))
        if etags is None:
            return await self.load(generation.key)
        return Loaded(
            account=account or loaded.account,
            account_etag=etags.get(money.ACCOUNT, loaded.account_etag),
            user=user or loaded.user,
            user_etag=etags.get(money.user_key(generation.key.user_id), loaded.user_etag),
            generation=generation,
            generation_etag=etags[rows.generation_key(generation.key)],
        )

    async def commit_group(self, group: Sequence[Commit]) -> list[Loaded]:
        """Implements ``Store``."""
        own = [_OwnRows.of(*each) for each in group]
        fits = _that_fit(own)
        group = group[:fits]
        etags = await self._write(_group_writes(own[:fits], group[0][0].account_etag))
        if etags is None:
            return list(await asyncio.gather(*(self.load(made.generation.key) for _, made in group)))
        account = group[-1][1].account
        users = {made.user.user_id: made.user for _, made in group if made.user is not None}
        return [
            Loaded(
                account=account,
                account_etag=etags[money.ACCOUNT],
                user=users.get(made.generation.key.user_id, loaded.user),
                user_etag=etags.get(money.user_key(made.generation.key.user_id), loaded.user_etag),
                generation=made.generation,
                generation_etag=etags[rows.generation_key(made.generation.key)],
            )
            for loaded, made in group
        ]

    async def post(
        self, account: Account, etag: str, entries: Sequence[LedgerEntry], user: User | None = None, user_etag: str = ""
    ) -> None:
        """Implements ``Store``."""
        await self._write([*_of_account(account, etag, user, user_etag), *_of_ledger(entries)])

    async def entry(self, account_id: str, move: Move, entry_id: str) -> LedgerEntry | None:
        """Implements ``Store``, with two point reads. The row of a refused command has no number."""
        moved, _ = await self._row(account_id, money.move_key(move, entry_id))
        if moved is None:
            return None
        seq = Columns(moved).maybe("seq", int)
        if seq is None:
            raise Conflict
        row, _ = await self._row(account_id, money.entry_key(seq))
        return money.entry_of(row) if row else None

    async def ledger(self, account_id: str, after: int = 0) -> AsyncIterator[LedgerEntry]:
        """Implements ``Store``. Rows come in the order of their keys, so entries in the order of their numbers."""
        async for row in self._query(_LEDGER, account=account_id, first=money.entry_key(after + 1)):
            yield money.entry_of(row)

    async def erase(self, account_id: str, seq: int, erased: Callable[[LedgerEntry], LedgerEntry | None]) -> None:
        """Implements ``Store``. The row keeps its ``write_id``: it is still of the write that inserted it."""
        while True:
            row, etag = await self._row(account_id, money.entry_key(seq))
            bare = erased(money.entry_of(row)) if row else None
            if row is None or bare is None:
                return
            with translated(self.name, self._service.role):
                try:
                    kept = {**money.entry_row(bare), "write_id": row.get("write_id")}
                    await self._service.rest.replace(self.name, kept, etag)
                except Answered as answered:
                    if not is_rivalry(answered):
                        raise

    async def accounts(self) -> AsyncIterator[Account | UnreadableRow]:
        """Implements ``Store``. The server scans the whole table; for audits."""
        async for row in self._query("RowKey eq @row", row=money.ACCOUNT):
            found: Account | UnreadableRow
            try:
                found = money.account_of(row)
            except UnreadableRow as unreadable:
                found = unreadable
            yield found

    async def forget_version(self, account_id: str, name: str) -> None:
        """Implements ``Store``."""
        with translated(self.name, self._service.role):
            try:
                await self._service.rest.delete(
                    self.name, {"PartitionKey": account_id, "RowKey": versions.version_key(name)}
                )
            except Answered as answered:
                if not is_row_missing(answered):
                    raise

    async def versions(self, account_id: str) -> AsyncIterator[TrainedVersion]:
        """Implements ``Store``."""
        async for row in self._query(_VERSIONS, account=account_id):
            yield versions.version_of(row)

    async def generations(self, account_id: str) -> AsyncIterator[AnyGeneration]:
        """Implements ``Store``."""
        async for row in self._query(_GENERATIONS, account=account_id):
            yield rows.generation_of(row)

    async def find(self, generation_id: str) -> list[AnyGeneration]:
        """The generations with this id, of any user. The server scans the whole table; for operators."""
        query = self._query(f"{_ALL_GENERATIONS} and generation_id eq @id", id=generation_id)
        return [rows.generation_of(row) async for row in query]

    async def used(
        self, account_id: str = "", user_id: str = "", model: str = "", since: datetime | None = None
    ) -> AsyncIterator[Used]:
        """What generations used, optionally of one account, by one user, on one model, or opened since a time.

        The server selects rows and columns, so no prompt is read. Without an account it scans the whole table; for
        operators.
        """
        query = _GENERATIONS if account_id else _ALL_GENERATIONS
        if user_id:
            query += " and user_id eq @user"
        if model:
            query += " and model eq @model"
        if since is not None:
            query += " and opened_at ge @since"
        asked = {"account": account_id, "user": user_id, "model": model, "since": since}
        async for row in self._query(query, rows.USED_COLUMNS, **asked):
            yield rows.used_of(row)

    async def _write(self, writes: Sequence[Write]) -> dict[str, str] | None:
        """Write all rows or none, each on the condition of its ETag (empty: the row must be new).

        Returns the new ETags by RowKey, or None if an earlier try of this write succeeded. After a refusal the last row
        shows whose write was stored. It is a row of the ledger if there is one, because that never changes.

        Raises:
            Conflict: another writer was faster.
        """
        write_id = secrets.token_hex(8)
        writes = [({**row, "write_id": write_id}, etag) for row, etag in writes]
        with translated(self.name, self._service.role):
            try:
                etags = await self._send(writes)
                return {row["RowKey"]: etag for (row, _), etag in zip(writes, etags, strict=True)}
            except Answered as answered:
                if not is_rivalry(answered):
                    raise
        witness, _ = writes[-1]
        stored, _ = await self._row(witness["PartitionKey"], witness["RowKey"])
        if stored is None or stored.get("write_id") != write_id:
            raise Conflict
        return None

    async def _send(self, writes: Sequence[Write]) -> list[str]:
        rest = self._service.rest
        if len(writes) > 1:
            return await rest.transact(self.name, writes)
        row, etag = writes[0]
        if etag:  # replace and not merge, so that columns which became None are removed
            return [await rest.replace(self.name, row, etag)]
        return [await rest.insert(self.name, row)]

    async def _row(self, partition_key: str, row_key: str) -> tuple[Mapping[str, Any] | None, str]:
        """A row and its ETag; None and "" if there is no such row."""
        with translated(self.name, self._service.role):
            try:
                return await self._service.rest.read(self.name, {"PartitionKey": partition_key, "RowKey": row_key})
            except Answered as answered:
                if is_row_missing(answered):
                    return None, ""
                raise

    async def _query(
        self, query: str, columns: Sequence[str] = (), **parameters: object
    ) -> AsyncIterator[Mapping[str, Any]]:
        with sdk_translated(self.name, self._service.role):
            table = self._service.sdk.get_table_client(self.name)
            async for row in table.query_entities(query, parameters=parameters, select=list(columns) or None):
                yield row
