"""The store in memory: what Azure Tables enforces, on plain dictionaries.

Rules of this file:
1. Everything in one transaction or nothing: all conditions are looked at before anything is written.
2. An update needs the ETag of the row as it is; a row or a ledger entry that exists is not written again.
3. What goes in and out is frozen, and its mappings are read-only by type, so that nobody can change what is saved.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

from shared.core.keys import Key, row_key
from shared.core.lifecycle.generation import AnyGeneration, Transition
from shared.core.money.account import Account, User
from shared.core.money.entries import LedgerEntry, Move
from shared.core.training.versions import TrainedVersion
from shared.ports import Conflict, Loaded, UnreadableRow


class FakeStore:
    """Implements ``Store``. Tests read ``saved_accounts``, ``saved_generations`` and ``entries`` as they are.

    ``before_commit`` are called with what was saved and what is about to be, in each commit that is accepted.
    """

    def __init__(self) -> None:
        self.saved_accounts: dict[str, Account] = {}
        self.saved_generations: dict[Key, AnyGeneration] = {}
        self.saved_users: dict[tuple[str, str], User] = {}
        self.saved_versions: dict[tuple[str, str], TrainedVersion] = {}
        self.entries: list[LedgerEntry] = []
        #: Account, kind and id of commands that were refused or have decided: nothing is made under them any more.
        self.marks: set[tuple[str, str, str]] = set()
        #: The numbers of entries with erased texts, by account, kind and id.
        self.erased: dict[tuple[str, str, str], int] = {}
        self.before_commit: list[Callable[[AnyGeneration | None, Transition[AnyGeneration]], None]] = []
        #: Accounts whose row cannot be read.
        self.unreadable: dict[str, UnreadableRow] = {}
        #: Ledger entries whose row cannot be read, by account and number.
        self.unreadable_entries: dict[tuple[str, int], UnreadableRow] = {}
        #: The sizes of the groups that were saved, and the rows of a transaction.
        self.groups: list[int] = []
        self.most_rows = 100
        self._etags: dict[str | Key | tuple[str, str], str] = {}
        self._written = 0

    def entries_of(self, key: Key) -> dict[Move, LedgerEntry]:
        """The moves of one generation: its hold and, once it has ended, its resolve; or its end without a hold."""
        moves = (Move.HOLD, Move.RESOLVE, Move.ENDED_UNOPENED)
        mine = [entry for entry in self.entries if (entry.account_id, entry.entry_id) == (key.account_id, row_key(key))]
        return {entry.move: entry for entry in mine if entry.move in moves}

    def put_account(self, account: Account) -> None:
        """Set an account without a ledger entry: a shortcut for tests that are not about the books."""
        self.saved_accounts[account.account_id] = account
        self._etags[account.account_id] = self._new_etag()

    def drop_account(self, account_id: str) -> Account:
        """Take an account's row away, as nothing in the app does. Returns what was in it."""
        del self._etags[account_id]
        return self.saved_accounts.pop(account_id)

    def put_generation(self, generation: AnyGeneration) -> None:
        """Set a generation as if it had been saved: a shortcut into the middle of its life."""
        self.saved_generations[generation.key] = generation
        self._etags[generation.key] = self._new_etag()

    async def load(self, key: Key, version: str = "") -> Loaded:
        """See ``Store``."""
        await _turn()
        return self._loaded(key, version)

    async def load_generation(self, key: Key) -> AnyGeneration | None:
        """See ``Store``."""
        await _turn()
        return self.saved_generations.get(key)

    async def load_account(self, account_id: str) -> tuple[Account | None, str]:
        """See ``Store``."""
        await _turn()
        if account_id in self.unreadable:
            raise self.unreadable[account_id]
        return self.saved_accounts.get(account_id), self._etags.get(account_id, "")

    async def commit(self, loaded: Loaded, transition: Transition[AnyGeneration]) -> Loaded:
        """See ``Store``."""
        await _turn()
        generation, account, user = transition.generation, transition.account, transition.user
        key = generation.key
        if any(part.account_id != key.account_id for part in _parts(transition)):
            raise ValueError("a transaction is about one account")
        expected = loaded.generation_etag if loaded.generation is not None else ""
        if self._etags.get(key, "") != expected:
            raise Conflict
        self._expect(account, loaded.account_etag, user, loaded.user_etag, transition.entries)
        mark = (key.account_id, *transition.mark) if transition.mark else None
        if mark in self.marks:
            raise Conflict
        self._expect_new(transition.version)
        for look in self.before_commit:
            look(self.saved_generations.get(key), transition)
        self.marks |= {mark} if mark else set()
        self.put_generation(generation)
        self._put(account, user, transition.entries)
        self._keep(transition.version)
        return self._loaded(key)

    async def commit_group(self, group: Sequence[tuple[Loaded, Transition[AnyGeneration]]]) -> list[Loaded]:
        """See ``Store``."""
        await _turn()
        group = group[: fit(group, self.most_rows)]
        first, last = group[0][0], group[-1][1].account
        users = {made.user.user_id: (made.user, loaded.user_etag) for loaded, made in group if made.user is not None}
        entries = [entry for _, made in group for entry in made.entries]
        if last is None or any(part.account_id != last.account_id for _, made in group for part in _parts(made)):
            raise ValueError("a transaction is about one account")
        for loaded, made in group:
            expected = loaded.generation_etag if loaded.generation is not None else ""
            if self._etags.get(made.generation.key, "") != expected:
                raise Conflict
        self._expect(last, first.account_etag, None, "", entries)
        for _, made in group:
            self._expect_new(made.version)
        for user, etag in users.values():
            if self._etags.get((user.account_id, user.user_id), "") != etag:
                raise Conflict
        for _, made in group:
            for look in self.before_commit:
                look(self.saved_generations.get(made.generation.key), made)
            self.put_generation(made.generation)
            self._put(made.account, made.user, made.entries)
            self._keep(made.version)
        self.groups.append(len(group))
        return [self._loaded(made.generation.key) for _, made in group]

    async def load_user(self, account_id: str, user_id: str) -> tuple[User | None, str]:
        """See ``Store``."""
        await _turn()
        return self.saved_users.get((account_id, user_id)), self._etags.get((account_id, user_id), "")

    async def load_payers(
        self, account_id: str, user_ids: Sequence[str]
    ) -> tuple[tuple[Account | None, str], list[tuple[User | None, str]]]:
        """See ``Store``."""
        users = [await self.load_user(account_id, user_id) for user_id in user_ids]
        return await self.load_account(account_id), users

    async def post(
        self, account: Account, etag: str, entries: Sequence[LedgerEntry], user: User | None = None, user_etag: str = ""
    ) -> None:
        """See ``Store``."""
        await _turn()
        if any(part.account_id != account.account_id for part in (*entries, user) if part is not None):
            raise ValueError("a transaction is about one account")
        self._expect(account, etag, user, user_etag, entries)
        self._put(account, user, entries)

    async def entry(self, account_id: str, move: Move, entry_id: str) -> LedgerEntry | None:
        """See ``Store``."""
        await _turn()
        wanted = (account_id, move, entry_id)
        if wanted in self.marks:
            raise Conflict
        return next((each for each in self.entries if self._is(each, wanted)), None)

    async def ledger(self, account_id: str, after: int = 0) -> AsyncIterator[LedgerEntry]:
        """See ``Store``."""
        await _turn()
        for entry in list(self.entries):
            if entry.account_id == account_id and entry.seq > after:
                if unreadable := self.unreadable_entries.get((account_id, entry.seq)):
                    raise unreadable
                yield entry

    async def erase(self, account_id: str, seq: int, erased: Callable[[LedgerEntry], LedgerEntry | None]) -> None:
        """See ``Store``. The row by the move's own id stays, with its number."""
        await _turn()
        for index, entry in enumerate(self.entries):
            if (entry.account_id, entry.seq) == (account_id, seq) and (bare := erased(entry)) is not None:
                self.erased.setdefault((account_id, entry.move, entry.entry_id), seq)
                self.entries[index] = bare

    async def accounts(self) -> AsyncIterator[Account | UnreadableRow]:
        """See ``Store``."""
        await _turn()
        for account_id, account in list(self.saved_accounts.items()):
            yield self.unreadable.get(account_id, account)

    async def forget_version(self, account_id: str, name: str) -> None:
        """See ``Store``."""
        await _turn()
        self.saved_versions.pop((account_id, name), None)

    async def versions(self, account_id: str) -> AsyncIterator[TrainedVersion]:
        """See ``Store``."""
        await _turn()
        for (owner, _), version in list(self.saved_versions.items()):
            if owner == account_id:
                yield version

    async def generations(self, account_id: str) -> AsyncIterator[AnyGeneration]:
        """See ``Store``."""
        await _turn()
        for key, generation in list(self.saved_generations.items()):
            if key.account_id == account_id:
                yield generation

    def _loaded(self, key: Key, version: str = "") -> Loaded:
        return Loaded(
            account=self.saved_accounts.get(key.account_id),
            account_etag=self._etags.get(key.account_id, ""),
            user=self.saved_users.get((key.account_id, key.user_id)),
            user_etag=self._etags.get((key.account_id, key.user_id), ""),
            generation=self.saved_generations.get(key),
            generation_etag=self._etags.get(key, ""),
            version=self.saved_versions.get((key.account_id, version)),
        )

    def _expect(
        self, account: Account | None, etag: str, user: User | None, user_etag: str, entries: Sequence[LedgerEntry]
    ) -> None:
        if account is not None and self._etags.get(account.account_id, "") != etag:
            raise Conflict
        if user is not None and self._etags.get((user.account_id, user.user_id), "") != user_etag:
            raise Conflict
        for entry in entries:
            if self._is_posted(entry):
                raise Conflict

    def _expect_new(self, version: TrainedVersion | None) -> None:
        if version is not None and (version.key.account_id, version.name) in self.saved_versions:
            raise Conflict

    def _keep(self, version: TrainedVersion | None) -> None:
        if version is not None:
            self.saved_versions[version.key.account_id, version.name] = version

    def _put(self, account: Account | None, user: User | None, entries: Sequence[LedgerEntry]) -> None:
        if account is not None:
            self.put_account(account)
        if user is not None:
            self.saved_users[user.account_id, user.user_id] = user
            self._etags[user.account_id, user.user_id] = self._new_etag()
        self.entries.extend(entries)

    def is_made(self, account_id: str, kind: str, command_id: str) -> bool:
        """Whether there is a move of this kind and id, or a mark in its place."""
        wanted = (account_id, kind, command_id)
        return wanted in self.marks or wanted in self.erased or any(self._is(each, wanted) for each in self.entries)

    def _is_posted(self, entry: LedgerEntry) -> bool:
        """Whether an entry of this number, or a move of this kind and id, is there, or is forbidden."""
        place = (entry.account_id, entry.seq)
        return self.is_made(entry.account_id, entry.move, entry.entry_id) or any(
            (posted.account_id, posted.seq) == place for posted in self.entries
        )

    def _is(self, entry: LedgerEntry, wanted: tuple[str, str, str]) -> bool:
        """Whether an entry is the one of this account, kind and id, though its id was erased."""
        if wanted in self.erased:
            return (entry.account_id, entry.seq) == (wanted[0], self.erased[wanted])
        return (entry.account_id, entry.move, entry.entry_id) == wanted

    def _new_etag(self) -> str:
        self._written += 1
        return f'W/"{self._written}"'


def fit(group: Sequence[tuple[Loaded, Transition[AnyGeneration]]], most_rows: int) -> int:
    """How many of a group's first moves fit a transaction."""
    rows = 1
    for number, (_, made) in enumerate(group):
        rows += 1 + 2 * len(made.entries) + (made.user is not None) + (made.version is not None)
        if rows > most_rows:
            return max(1, number)
    return len(group)


def _parts(transition: Transition[AnyGeneration]) -> list[Account | User | LedgerEntry | Key]:
    made_by = transition.version.key if transition.version else None
    parts = (transition.account, transition.user, made_by, *transition.entries)
    return [part for part in parts if part is not None]


async def _turn() -> None:
    """Let others run first, as any call over a network does: between a load and a commit there may be a rival."""
    await asyncio.sleep(0)
