"""The digest of a ledger entry."""

import hashlib
import json

from shared.core.money.credits import SUMS
from shared.core.money.entries import LedgerEntry


def digest_of(entry: LedgerEntry) -> str:
    """SHA-256 over all that an entry says, but for the digest itself."""
    said = [
        entry.account_id,
        entry.seq,
        entry.previous,
        entry.move,
        entry.entry_id,
        entry.at.isoformat(),
        [getattr(entry, name) for name in SUMS],
        [[change.terms.bucket_id, change.available, change.held] for change in entry.buckets],
        entry.by,
        entry.why,
        entry.asked,
        entry.superseded,
        entry.user_id,
        entry.generation_id,
        entry.usd_micros,
        entry.held_at.isoformat() if entry.held_at else "",
    ]
    return hashlib.sha256(json.dumps(said, separators=(",", ":")).encode()).hexdigest()
