"""Signatures (Ed25519), and keys that a laptop makes for itself.

Rules of this file:
1. Azure Key Vault has no keys of Ed25519, so the private key is a secret of the vault: its 32 bytes in base64.
2. ``cryptography`` takes 30 ms to be imported. It is imported with the first signature.
3. No error text contains a key.
"""

import asyncio
import base64
import os
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

from shared.core.dependency import Dependency
from shared.core.money.signed import Signature, key_id_of
from shared.core.provider.pasted_secrets import LEDGER_KEY_BYTES
from shared.ports import PublicKey, Unavailable

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

#: Fetches a key in base64, from the vault or a file.
KeySource = Callable[[], Awaitable[str]]


class Ed25519Signer:
    """ports.Signer. ``source`` is asked for each signature, so that a changed key is used as soon as it is known."""

    def __init__(self, source: KeySource) -> None:
        self._source = source
        self._made: tuple[str, Ed25519PrivateKey, PublicKey] | None = None

    async def sign(self, content: Callable[[str], bytes]) -> Signature:
        """Implements ``Signer``."""
        private, public = await self._key()
        return Signature(public.key_id, private.sign(content(public.key_id)).hex())

    async def fits(self, public_key: str, content: bytes, signature: str) -> bool:
        """Implements ``Signer``."""
        return fits(public_key, content, signature)

    async def public_key(self) -> PublicKey:
        """Implements ``Signer``."""
        _, public = await self._key()
        return public

    async def _key(self) -> "tuple[Ed25519PrivateKey, PublicKey]":
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415  # see rule 2

        text = await self._source()
        if self._made is None or self._made[0] != text:
            private = Ed25519PrivateKey.from_private_bytes(base64.b64decode(text))
            public = private.public_key().public_bytes_raw().hex()
            self._made = (text, private, PublicKey(key_id_of(public), public))
        return self._made[1:]


class CachedNamesKey:
    """The key of the keyed digests in ledgers. It is fetched once, because it is never changed."""

    def __init__(self, source: KeySource) -> None:
        self._source = source
        self._key = b""

    async def __call__(self) -> bytes:
        """The key."""
        if not self._key:
            self._key = base64.b64decode(await self._source())
        return self._key


def fits(public_key: str, content: bytes, signature: str) -> bool:
    """Whether the holder of this key (hexadecimal digits) has signed the content."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415  # see rule 2
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415  # see rule 2

    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key)).verify(bytes.fromhex(signature), content)
    except (InvalidSignature, ValueError):
        return False
    return True


def file_source(path: Path) -> KeySource:
    """A source for a key in a file that only its owner can read. The first use makes it, once for all processes."""

    async def source() -> str:
        try:
            return await asyncio.to_thread(_kept, path)
        except OSError as error:
            raise Unavailable(Dependency.SECRETS, f"the key file {path.name}: {error.strerror}") from None

    return source


def _kept(path: Path) -> str:
    if not path.exists():
        _make(path)
    return path.read_text(encoding="ascii")


def _make(path: Path) -> None:
    """Write a new key, whole or not at all: of two processes, one wins, and both read what it wrote."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(base64.b64encode(secrets.token_bytes(LEDGER_KEY_BYTES)).decode())
        try:
            os.link(draft, path)
        except FileExistsError:
            return
    finally:
        draft.unlink()
