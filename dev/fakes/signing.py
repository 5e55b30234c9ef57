"""The keys of ledgers and receipts in memory: real signatures by a key that everybody knows."""

import base64
from dataclasses import dataclass

from shared.adapters.signing import CachedNamesKey, Ed25519Signer


def fake_signer(seed: int = 0) -> Ed25519Signer:
    """A signer whose key is made of ``seed``: another seed is another key."""
    return Ed25519Signer(_Known(seed))


def fake_names_key() -> CachedNamesKey:
    """A key of keyed digests that never changes."""
    return CachedNamesKey(_Known(0))


@dataclass(frozen=True, slots=True)
class _Known:
    """A key source that everybody knows. The crash simulator shares it between copies, because it is frozen."""

    seed: int

    async def __call__(self) -> str:
        """The key of this seed."""
        return base64.b64encode(self.seed.to_bytes(32, "big")).decode()
