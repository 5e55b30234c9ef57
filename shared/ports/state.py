"""The state of accounts and generations, and the open index."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.core.keys import Key
from shared.core.lifecycle.generation import AnyGeneration, Transition
from shared.core.money.account import Account, User
from shared.core.money.entries import LedgerEntry, Move
from shared.core.training.versions import TrainedVersion
from shared.core.turns.shares import Turn
from shared.ports.errors import UnreadableRow


@dataclass(frozen=True, slots=True)
class Loaded:
    """An account and one of its generations, read together with their ETags. What does not exist is None.

    ``user`` is the row of the generation's user. It is not read for a user whose account has the same id. ``version``
    is the account's trained version that was asked for.
    """

    account: Account | None
    account_etag: str
    generation: AnyGeneration | None
    generation_etag: str
    user: User | None = None
    user_etag: str = ""
    version: TrainedVersion | None = None


class Store(Protocol):
    """The state. Each account has a partition with its balances, its users' generations and its ledger."""

    async def load(self, key: Key, version: str = "") -> Loaded:
        """Read the generation, the account that pays for it, its user, and a version that the account has trained."""

    async def load_generation(self, key: Key) -> AnyGeneration | None:
        """Read the generation alone, without an ETag: whoever saves it reads it by ``load``."""

    async def load_account(self, account_id: str) -> tuple[Account | None, str]:
        """Read one account and its ETag. The account is None if it does not exist."""

    async def commit(self, loaded: Loaded, transition: Transition[AnyGeneration]) -> Loaded:
        """Save a transition in one transaction, on the condition that nothing changed since ``loaded``.

        Raises Conflict if something changed, or if the generation or a ledger entry exists already, unless this same
        write made it. Returns what was saved, with its new ETags.
        """

    async def commit_group(self, group: Sequence[tuple[Loaded, Transition[AnyGeneration]]]) -> list[Loaded]:
        """Save transitions of several generations of one account in one transaction: the first ones, as many as fit.

        Each moves credits, and was decided on the account and the user as those before it leave them, with the ETags of
        the rows that are replaced. Returns what was saved of each that fitted, with the account as the last leaves it.
        Raises Conflict as ``commit`` does; then none was saved.
        """

    async def load_user(self, account_id: str, user_id: str) -> tuple[User | None, str]:
        """Read one user of an account of another id, and its ETag. The user is None if it has no row."""

    async def load_payers(
        self, account_id: str, user_ids: Sequence[str]
    ) -> tuple[tuple[Account | None, str], list[tuple[User | None, str]]]:
        """Read one account and some of its users at once, each with its ETag."""

    async def post(
        self, account: Account, etag: str, entries: Sequence[LedgerEntry], user: User | None = None, user_etag: str = ""
    ) -> None:
        """Save an account, perhaps a user, and ledger entries that are about no generation, in one transaction.

        Raises Conflict if something changed, or if an entry exists already, unless this same write made it.
        """

    async def entry(self, account_id: str, move: Move, entry_id: str) -> LedgerEntry | None:
        """Read one ledger entry, by its kind and id. Raises Conflict if its command was refused: see ``Commands``."""

    def ledger(self, account_id: str, after: int = 0) -> AsyncIterator[LedgerEntry]:
        """Iterate over the ledger entries of one account after a number, in the order of their numbers."""

    async def erase(self, account_id: str, seq: int, erased: Callable[[LedgerEntry], LedgerEntry | None]) -> None:
        """Replace the texts of a ledger entry, if it exists, by what ``erased`` makes of it. None: it stays.

        ``erased`` empties texts and changes nothing else. It is called again if the entry changed meanwhile.
        """

    def accounts(self) -> AsyncIterator[Account | UnreadableRow]:
        """Iterate over all accounts. An account that cannot be read is an UnreadableRow."""

    async def forget_version(self, account_id: str, name: str) -> None:
        """Delete the row of a version, if the account has it."""

    def versions(self, account_id: str) -> AsyncIterator[TrainedVersion]:
        """Iterate over all versions that one account has trained."""

    def generations(self, account_id: str) -> AsyncIterator[AnyGeneration]:
        """Iterate over all generations of one account, opened or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRow:
    """One generation that is not finished and announced.

    ``due_at``: when the timer should check it. ``expires_at``: when outputs of it may be lost for good; for what waits
    and has no prediction, an hour after its next check. ``written_at``: when the generation was taken in;
    without one, when the row was written. ``turn``: its turn, if it has one (shared/core/turns). ``asked``: which of
    its requests for an approval was published last; 0: none.
    """

    key: Key
    due_at: datetime
    expires_at: datetime
    written_at: datetime
    turn: Turn | None = None
    asked: int = 0


class OpenIndex(Protocol):
    """The open index: written before a generation opens, removed after its event was published."""

    async def put(self, row: OpenRow) -> None:
        """Write the row, or replace it."""

    async def move(self, key: Key, due_at: datetime, expires_at: datetime | None = None) -> None:
        """Change ``due_at``, and ``expires_at`` if it is given, of an existing row.

        Does nothing without a row: a removed one must stay removed.
        """

    async def awaiting_approval(self, account_id: str = "") -> Sequence[OpenRow]:
        """The rows of one account, or of all, whose request for an approval was published."""

    async def get(self, key: Key) -> OpenRow | None:
        """Read one row, or None if it does not exist."""

    async def remove(self, key: Key) -> None:
        """Remove the row, if it exists."""

    async def give(self, turn: Turn, due_at: datetime) -> bool:
        """Write a turn, and change ``due_at``, of an existing row. Returns False without one: it has ended."""

    async def release(self, key: Key, due_at: datetime, expires_at: datetime, asked: int = 0) -> None:
        """Take the turn from an existing row, if it has one, and change both times. Does nothing without a row.

        ``asked`` is changed too if it is given.
        """

    def of_account(self, account_id: str = "") -> AsyncIterator[Key]:
        """Iterate over the keys of all rows of one account, or of all, in no order."""

    async def turns(self, account_id: str = "") -> Sequence[Turn]:
        """The turns in hand of one account, or of all, in no order."""

    async def due(self, now: datetime, limit: int) -> Sequence[OpenRow]:
        """At most ``limit`` rows with ``due_at`` up to ``now``, the first to expire first."""
