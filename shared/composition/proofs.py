"""What proves ledgers and receipts: the two keys, from the vault or from files."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from shared.composition.replicate import ReplicatePart
from shared.core.money.signed import Document

if TYPE_CHECKING:
    from shared.adapters.key_vault import Source
    from shared.adapters.signing import CachedNamesKey, Ed25519Signer

#: Where a laptop keeps its keys. A deployment has a vault, or names a folder.
LOCAL_KEYS = ".local/keys"


async def offline_fits(public_key: str, document: Document) -> bool:
    """Whether a document was signed with this key. It needs no settings."""
    from shared.adapters.signing import fits

    return fits(public_key, document.content, document.signed_by.signature)


class ProofsPart(ReplicatePart):
    """The key that signs, and the key of the digests that stand for names."""

    @cached_property
    def signer(self) -> "Ed25519Signer":
        """The key that signs heads of ledgers and receipts."""
        from shared.adapters.signing import Ed25519Signer

        return Ed25519Signer(self._ledger_key("signing-key"))

    @cached_property
    def names_key(self) -> "CachedNamesKey":
        """The key of the digests that stand for names in ledgers."""
        from shared.adapters.signing import CachedNamesKey

        return CachedNamesKey(self._ledger_key("ledger-names-key"))

    def _ledger_key(self, name: str) -> "Source":
        """A key from the vault, or from a file if no vault is set."""
        from shared.adapters.key_vault import CachedSecret
        from shared.adapters.signing import file_source
        from shared.core.provider.pasted_secrets import ledger_key

        folder = Path(self.settings.keys_folder or LOCAL_KEYS)
        source = self._vault(name) if self.settings.key_vault_url else file_source(folder / f"{name}.key")
        return CachedSecret(name, source, read=ledger_key).value
