"""What operators read beside the message handler: the state, the outputs, the uploads and the dead letters."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Protocol

from shared.core.keys import Key
from shared.core.lifecycle.generation import AnyGeneration
from shared.core.money.account import Account
from shared.core.money.usage import Used
from shared.ports.state import Loaded


class Records(Protocol):
    """The reads of the state that the command line needs."""

    async def load(self, key: Key) -> Loaded:
        """Read the generation and the account that pays for it."""

    async def load_account(self, user_id: str) -> tuple[Account | None, str]:
        """Read one account and its ETag. The account is None if it does not exist."""

    async def find(self, generation_id: str) -> list[AnyGeneration]:
        """The generations with this id, of all users."""

    def used(
        self, account_id: str = "", user_id: str = "", model: str = "", since: datetime | None = None
    ) -> AsyncIterator[Used]:
        """What generations used. An empty text means all accounts, users or models; no ``since`` means all times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """One archived message, as it is listed. Its name is ``queue/date/digest.json``.

    ``metadata`` has ``reason`` and ``queue``, and ``account_id``, ``user_id`` and ``generation_id`` if they could be
    read.
    """

    name: str
    size_bytes: int
    metadata: Mapping[str, str]
    archived_at: datetime


class ReadOutputs(Protocol):
    """Reads stored outputs."""

    async def read_output(self, name: str) -> bytes:
        """The bytes of a stored output. Raises FileNotFoundError if it does not exist."""


class FillUploads(Protocol):
    """Stores files in the uploads, as your app does."""

    async def upload_size(self, name: str) -> int | None:
        """The size of an upload in bytes, or None if it does not exist."""

    async def put_upload(self, name: str, file: BinaryIO) -> None:
        """Store a file in the uploads, and replace one of its name."""


class ReadDeadLetters(Protocol):
    """Reads the archive of dead letters."""

    async def list_dead_letters(self, prefix: str, limit: int) -> Sequence[DeadLetter]:
        """At most ``limit`` dead letters whose names begin with ``prefix``, in the order of their names."""

    async def read_dead_letter(self, name: str) -> bytes:
        """The raw message of a dead letter. Raises FileNotFoundError if it does not exist."""
