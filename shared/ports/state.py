"""The state of accounts and generations, and the index of what is open."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.core.keys import Key
from shared.core.lifecycle.generation import Generation, Transition
from shared.core.money.ledger import Account, LedgerEntry
from shared.ports.errors import UnreadableRow


@dataclass(frozen=True, slots=True)
class Loaded:
    """An account and one generation of it as they were read together with their ETags; None where there is none."""

    account: Account | None
    account_etag: str
    generation: Generation | None
    generation_etag: str


class Store(Protocol):
    """The state: one partition per account, with the account, its users' generations and the ledger."""

    async def load(self, key: Key) -> Loaded:
        """Read the generation and the account that pays for it."""

    async def load_account(self, account_id: str) -> tuple[Account | None, str]:
        """Read one account and its ETag."""

    async def commit(self, loaded: Loaded, transition: Transition) -> Loaded:
        """Save a transition in one transaction, on the condition that nothing changed since ``loaded``.

        A generation or a ledger entry that exists already is a Conflict too, unless it is this very write.
        """

    async def post(self, account: Account, etag: str, entry: LedgerEntry) -> bool:
        """Save a grant, a correction or other terms with the account. False if this entry id was posted before."""

    def ledger(self, account_id: str) -> AsyncIterator[LedgerEntry]:
        """All ledger entries of one account."""

    def accounts(self) -> AsyncIterator[Account | UnreadableRow]:
        """All accounts; in place of one that cannot be read, what says so."""

    def generations(self, account_id: str) -> AsyncIterator[Generation]:
        """All generations of one account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRow:
    """One generation that is not finished and announced.

    ``due_at`` is when the timer should look at it, ``expires_at`` when something of it is lost for good,
    ``written_at`` when the row was first written.
    """

    key: Key
    due_at: datetime
    expires_at: datetime
    written_at: datetime


class OpenIndex(Protocol):
    """The open index: written before a generation opens, removed after its event was published."""

    async def put(self, row: OpenRow) -> None:
        """Write the row, or overwrite it."""

    async def move(self, key: Key, due_at: datetime) -> None:
        """Change ``due_at`` of a row that is there; nothing where there is none (it must not come back to life)."""

    async def get(self, key: Key) -> OpenRow | None:
        """Read one row."""

    async def remove(self, key: Key) -> None:
        """Remove the row; nothing where there is none."""

    async def due(self, now: datetime, limit: int) -> Sequence[OpenRow]:
        """At most ``limit`` rows with ``due_at`` up to ``now``, what expires first at the front."""
