"""What makes ledgers and receipts provable: the key that signs, and the container of signed heads."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from shared.core.money.signed import Signature


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key of Ed25519 (64 hexadecimal digits) and its id."""

    key_id: str
    public_key: str


class Signer(Protocol):
    """The app's private key."""

    async def sign(self, content: Callable[[str], bytes]) -> Signature:
        """Sign the bytes that ``content`` makes with the key's id in them. Raises Unavailable without the key."""

    async def fits(self, public_key: str, content: bytes, signature: str) -> bool:
        """Whether the holder of this public key (hexadecimal digits) has signed the content."""

    async def public_key(self) -> PublicKey:
        """The public key of the key that signs now. Raises Unavailable without it."""


class Proofs(Protocol):
    """The container of signed heads and public keys. What was written there is never changed."""

    async def put_proof(self, name: str, content: bytes) -> bool:
        """Write under a new name. Returns False if the name has another content already, which stays."""

    async def read_proof(self, name: str) -> bytes | None:
        """What was written under a name, or None."""

    async def list_proofs(self, prefix: str, limit: int) -> Sequence[str]:
        """At most ``limit`` (> 0) names that begin with ``prefix``, in their order."""
