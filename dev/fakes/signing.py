"""The keys of ledgers and receipts in memory: real signatures by a key that everybody knows."""

import base64

from shared.adapters.signing import CachedNamesKey, Ed25519Signer, KeySource


def fake_signer(seed: int = 0) -> Ed25519Signer:
    """A signer whose key is made of ``seed``: another seed is another key."""
    return Ed25519Signer(_known(seed))


def fake_names_key() -> CachedNamesKey:
    """A key of keyed digests that never changes."""
    return CachedNamesKey(_known(0))


def _known(seed: int) -> KeySource:
    async def source() -> str:
        return base64.b64encode(seed.to_bytes(32, "big")).decode()

    return source
