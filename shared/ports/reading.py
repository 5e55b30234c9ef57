"""What operators and people read: the state, and what is stored. The message handler needs none of it."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Protocol

from shared.core.keys import Key
from shared.core.lifecycle.generation import Generation
from shared.core.money.ledger import Account, LedgerEntry
from shared.core.money.usage import Used
from shared.ports.state import Loaded


class Records(Protocol):
    """What is read of the state beyond what the message handler reads."""

    async def load(self, key: Key) -> Loaded:
        """Read the generation and its user's account."""

    async def load_account(self, user_id: str) -> tuple[Account | None, str]:
        """Read one account and its ETag."""

    def ledger(self, user_id: str) -> AsyncIterator[LedgerEntry]:
        """All ledger entries of one account."""

    async def find(self, generation_id: str) -> list[Generation]:
        """The generations of this id, whoever's they are."""

    def used(
        self, account_id: str = "", user_id: str = "", model: str = "", since: datetime | None = None
    ) -> AsyncIterator[Used]:
        """What generations used: of one account, user and model, or of all; opened since then, or ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """One archived message, as it is listed. Its name is ``queue/date/digest.json``.

    ``metadata`` has ``reason`` and ``queue``; the ids of account, user and generation where they could be read.
    """

    name: str
    size_bytes: int
    metadata: Mapping[str, str]
    archived_at: datetime


class ReadOutputs(Protocol):
    """Reading what is stored."""

    async def read_output(self, name: str) -> bytes:
        """A stored output, whole. FileNotFoundError where there is none."""


class FillUploads(Protocol):
    """Putting files into the uploads, as the app does."""

    async def upload_size(self, name: str) -> int | None:
        """How many bytes a file of the uploads has; None where there is none."""

    async def put_upload(self, name: str, file: BinaryIO) -> None:
        """Store a file in the uploads, overwriting one of its name."""


class ReadDeadLetters(Protocol):
    """Looking into the archive of messages that died."""

    async def list_dead_letters(self, prefix: str, limit: int) -> Sequence[DeadLetter]:
        """At most ``limit`` dead letters whose names begin with ``prefix``, in the order of their names."""

    async def read_dead_letter(self, name: str) -> bytes:
        """The raw message of a dead letter. FileNotFoundError where there is none."""
