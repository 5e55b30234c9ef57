"""Files: what users name by address, and what is stored."""

from collections.abc import Mapping
from datetime import datetime
from typing import BinaryIO, Protocol

from shared.core.reasons import Refusal


class Inputs(Protocol):
    """Files that users name by address."""

    async def get(self, url: str) -> bytes | Refusal:
        """The bytes at a public https address, within bounds of time and size; or why not."""


class Outputs(Protocol):
    """What models made and users may see."""

    async def put_output(self, name: str, file: BinaryIO, content_type: str, metadata: Mapping[str, str]) -> str:
        """Store an output under its name, overwriting what an earlier try left; returns the container."""

    async def discard_outputs(self, prefix: str) -> int:
        """Delete every output whose name begins with ``prefix``. Returns how many may not be deleted: leased, held."""


class InputFiles(Protocol):
    """Inputs that were screened and wait for their model."""

    async def put_input(self, name: str, content: bytes, content_type: str) -> None:
        """Store an input that was screened, where no user reaches it."""

    async def input_address(self, name: str, life_s: int, inline_bytes: int) -> str | None:
        """Where a model can read an input for ``life_s`` seconds, or None where it is gone.

        Up to ``inline_bytes`` the address is the input (a data URI), beyond it is one with a signature.
        """

    async def read_input(self, name: str, file: BinaryIO) -> bool:
        """Write an input that was screened into ``file``; False where it is gone."""

    async def discard_inputs(self, prefix: str) -> int:
        """Delete every input whose name begins with ``prefix``. Returns how many may not be deleted."""

    async def sweep_inputs(self, before: datetime) -> int:
        """Delete what was stored before, as far as it may be; returns how many went."""


class Uploads(Protocol):
    """Files that the app has put there for models to read."""

    async def upload_size(self, name: str) -> int | None:
        """How many bytes a file has that the app has put into its uploads; None where there is none."""

    async def read_upload(self, name: str, file: BinaryIO) -> bool:
        """Write an upload into ``file``; False where there is none any more."""

    async def upload_address(self, name: str, life_s: int) -> str | None:
        """Where a model can read an upload for ``life_s`` seconds; None where it is gone."""


class Quarantine(Protocol):
    """Outputs that were refused, where no user reaches them."""

    async def put_refused(self, name: str, file: BinaryIO, content_type: str, metadata: Mapping[str, str]) -> None:
        """Keep an output that was refused, where no user reaches it."""

    async def sweep_refused(self, before: datetime) -> int:
        """Delete what was stored before, as far as it may be; returns how many went."""


class DeadLetters(Protocol):
    """The archive of messages that died."""

    async def archive(self, name: str, raw: bytes, metadata: Mapping[str, str]) -> None:
        """Keep a raw message in the dead-letters container."""
