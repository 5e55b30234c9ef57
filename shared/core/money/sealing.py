"""Ledger entries are sealed: linked to the entry before, with the keyed digests of their texts and their own digest.

Rules of this file:
1. An entry is sealed once, by whoever saves it. Only there its place in the chain is certain, and the key at hand.
2. ``digest_again`` needs no key: it reads the keyed digests that were saved with the entry.
"""

from collections.abc import Sequence

from shared.core.money.account import Account
from shared.core.money.entries import LedgerEntry
from shared.core.money.linking import digest_of, stand_ins
from shared.core.values import replace


def sealed(
    account: Account, entries: Sequence[LedgerEntry], head: str, key: bytes
) -> tuple[Account, tuple[LedgerEntry, ...]]:
    """The entries linked to ``head``, the digest of the entry before them, and the account with the new head."""
    links = []
    for entry in entries:
        linked = replace(entry, previous=head, stand_ins=stand_ins(key, entry))
        head = digest_again(linked)
        links.append(replace(linked, digest=head))
    return replace(account, head=head), tuple(links)


def digest_again(entry: LedgerEntry) -> str:
    """The digest that the content of an entry makes; empty if it was never sealed."""
    return digest_of(entry, entry.stand_ins) if entry.stand_ins else ""
