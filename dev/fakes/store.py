"""The store in memory: what Azure Tables enforces, on plain dictionaries.

Rules of this file:
1. Everything in one transaction or nothing: all conditions are looked at before anything is written.
2. An update needs the ETag of the row as it is; a row or a ledger entry that exists is not written again.
3. What goes in and out is frozen, and its mappings are read-only by type, so that nobody can change what is saved.
"""

import asyncio
from collections.abc import AsyncIterator, Callable

from shared.core.keys import Key, row_key
from shared.core.lifecycle.generation import AnyGeneration, Transition
from shared.core.money.ledger import Account, LedgerEntry, Move
from shared.ports import Conflict, Loaded, UnreadableRow


class FakeStore:
    """Implements ``Store``. Tests read ``saved_accounts``, ``saved_generations`` and ``entries`` as they are.

    ``before_commit`` are called with what was saved and what is about to be, in each commit that is accepted.
    """

    def __init__(self) -> None:
        self.saved_accounts: dict[str, Account] = {}
        self.saved_generations: dict[Key, AnyGeneration] = {}
        self.entries: list[LedgerEntry] = []
        self.before_commit: list[Callable[[AnyGeneration | None, Transition[AnyGeneration]], None]] = []
        #: Accounts whose row cannot be read.
        self.unreadable: dict[str, UnreadableRow] = {}
        self._etags: dict[str | Key, str] = {}
        self._written = 0

    def entries_of(self, key: Key) -> dict[Move, LedgerEntry]:
        """The moves of one generation: its hold and, once it has ended, its resolve."""
        moves = (Move.HOLD, Move.RESOLVE)
        mine = [entry for entry in self.entries if (entry.account_id, entry.entry_id) == (key.account_id, row_key(key))]
        return {entry.move: entry for entry in mine if entry.move in moves}

    def put_account(self, account: Account) -> None:
        """Set an account without a ledger entry: a shortcut for tests that are not about the books."""
        self.saved_accounts[account.account_id] = account
        self._etags[account.account_id] = self._new_etag()

    def put_generation(self, generation: AnyGeneration) -> None:
        """Set a generation as if it had been saved: a shortcut into the middle of its life."""
        self.saved_generations[generation.key] = generation
        self._etags[generation.key] = self._new_etag()

    async def load(self, key: Key) -> Loaded:
        """See ``Store``."""
        await _turn()
        return self._loaded(key)

    async def load_account(self, account_id: str) -> tuple[Account | None, str]:
        """See ``Store``."""
        await _turn()
        if account_id in self.unreadable:
            raise self.unreadable[account_id]
        return self.saved_accounts.get(account_id), self._etags.get(account_id, "")

    async def commit(self, loaded: Loaded, transition: Transition[AnyGeneration]) -> Loaded:
        """See ``Store``."""
        await _turn()
        generation, account, entry = transition.generation, transition.account, transition.entry
        key = generation.key
        if any(part.account_id != key.account_id for part in (account, entry) if part is not None):
            raise ValueError("a transaction is about one account")
        expected = loaded.generation_etag if loaded.generation is not None else ""
        if self._etags.get(key, "") != expected:
            raise Conflict
        if account is not None:
            self._expect_account(account.account_id, loaded.account_etag)
        if entry is not None and self._is_posted(entry):
            raise Conflict
        for look in self.before_commit:
            look(self.saved_generations.get(key), transition)
        self.put_generation(generation)
        if account is not None:
            self.put_account(account)
        if entry is not None:
            self.entries.append(entry)
        return self._loaded(key)

    async def post(self, account: Account, etag: str, entry: LedgerEntry) -> bool:
        """See ``Store``."""
        await _turn()
        if account.account_id != entry.account_id:
            raise ValueError("a transaction is about one account")
        if self._is_posted(entry):
            return False
        self._expect_account(account.account_id, etag)
        self.put_account(account)
        self.entries.append(entry)
        return True

    async def ledger(self, account_id: str) -> AsyncIterator[LedgerEntry]:
        """See ``Store``."""
        await _turn()
        for entry in list(self.entries):
            if entry.account_id == account_id:
                yield entry

    async def accounts(self) -> AsyncIterator[Account | UnreadableRow]:
        """See ``Store``."""
        await _turn()
        for account_id, account in list(self.saved_accounts.items()):
            yield self.unreadable.get(account_id, account)

    async def generations(self, account_id: str) -> AsyncIterator[AnyGeneration]:
        """See ``Store``."""
        await _turn()
        for key, generation in list(self.saved_generations.items()):
            if key.account_id == account_id:
                yield generation

    def _loaded(self, key: Key) -> Loaded:
        return Loaded(
            account=self.saved_accounts.get(key.account_id),
            account_etag=self._etags.get(key.account_id, ""),
            generation=self.saved_generations.get(key),
            generation_etag=self._etags.get(key, ""),
        )

    def _expect_account(self, account_id: str, etag: str) -> None:
        if self._etags.get(account_id, "") != etag:
            raise Conflict

    def _is_posted(self, entry: LedgerEntry) -> bool:
        wanted = (entry.account_id, entry.entry_id, entry.move)
        return any(wanted == (posted.account_id, posted.entry_id, posted.move) for posted in self.entries)

    def _new_etag(self) -> str:
        self._written += 1
        return f'W/"{self._written}"'


async def _turn() -> None:
    """Let others run first, as any call over a network does: between a load and a commit there may be a rival."""
    await asyncio.sleep(0)
