"""Files: those that users name by address, and those that are stored."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import BinaryIO, Protocol

from shared.core.reasons import Refusal


class Inputs(Protocol):
    """Files that users name by address."""

    async def get(self, url: str) -> bytes | Refusal:
        """The bytes at a public https address, within bounds of time and size, or a Refusal that says why not."""


class Outputs(Protocol):
    """The outputs that passed screening."""

    async def put_output(self, name: str, file: BinaryIO, content_type: str, metadata: Mapping[str, str]) -> str:
        """Store an output under its name, and replace what an earlier try left. Returns the container's name."""

    async def discard_outputs(self, prefix: str) -> int:
        """Delete every output whose name begins with ``prefix``. Returns how many cannot be: leased or held."""


class InputFiles(Protocol):
    """The input files that passed screening, until their model reads them."""

    async def put_input(self, name: str, content: bytes, content_type: str) -> None:
        """Store a screened input, in a container that no user can read."""

    async def put_input_file(self, name: str, file: BinaryIO, content_type: str) -> None:
        """Store a screened input that is too large for memory, from the file's current position to its end."""

    async def input_address(self, name: str, life_s: int, inline_bytes: int) -> str | None:
        """The address where a model can read an input for ``life_s`` seconds, or None if the input is gone.

        Up to ``inline_bytes`` it is a data URI that contains the input, above that a signed URL.
        """

    async def read_input(self, name: str, file: BinaryIO) -> bool:
        """Write a screened input into ``file``. Returns False if it is gone."""

    async def discard_inputs(self, prefix: str) -> int:
        """Delete every input whose name begins with ``prefix``. Returns how many cannot be deleted."""

    async def sweep_inputs(self, before: datetime, is_needed: Callable[[str], Awaitable[bool]]) -> int:
        """Delete files stored before that time that are not needed, as far as their locks allow.

        A file that is stored again after it was found stays. Returns how many were deleted.
        """


class Uploads(Protocol):
    """The files that your app has uploaded for models to read."""

    async def upload_size(self, name: str) -> int | None:
        """The size of an upload in bytes, or None if it does not exist."""

    async def read_upload(self, name: str, file: BinaryIO) -> bool:
        """Write an upload into ``file``. Returns False if it does not exist any more."""

    async def upload_address(self, name: str, life_s: int) -> str | None:
        """The address where a model can read an upload for ``life_s`` seconds, or None if it is gone."""


class Quarantine(Protocol):
    """The outputs that were refused, in a container that no user can read."""

    async def put_refused(self, name: str, file: BinaryIO, content_type: str, metadata: Mapping[str, str]) -> None:
        """Store a refused output."""

    async def sweep_refused(self, before: datetime) -> int:
        """Delete files stored before that time, as far as their locks allow. Returns how many were deleted."""


class DeadLetters(Protocol):
    """The archive of dead letters."""

    async def archive(self, name: str, raw: bytes, metadata: Mapping[str, str]) -> None:
        """Store a raw message under its name, with what is known about it."""
