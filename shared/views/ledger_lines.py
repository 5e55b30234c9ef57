"""An entry of the ledger as one line of JSON: all that its digest is made of, for a check from outside.

Rules of this file:
1. A line has the shape of the test vectors in docs/ledger.md, without their key and bytes. The keyed digests are those
   that are saved, so it needs no key, and an erased text is empty beside its digest.
2. A line is ASCII: whoever cuts a text into lines at other characters too cuts none of these.
"""

import json
from collections.abc import Mapping
from typing import Any

from shared.core.money.chain import SUMS, BucketChange, Facts, Named, maybe_micros, micros
from shared.core.money.entries import LedgerEntry
from shared.core.money.linking import chained, texts_of

#: The kinds of texts that an entry has, in the order of a line.
_KINDS = (Named.ACCOUNT, Named.USER, Named.ENTRY, Named.BY, Named.WHY, Named.ASKED)


def as_line(entry: LedgerEntry) -> str:
    """An entry as a line, with its end."""
    saved, texts = chained(entry), texts_of(entry)
    said = {"texts": {kind.value: texts[kind] for kind in _KINDS}, **_facts(saved.facts), "digest": saved.digest}
    return json.dumps(said) + "\n"


def _facts(facts: Facts) -> dict[str, Any]:
    return {
        "keyed": _keyed(facts),
        "seq": facts.seq,
        "previous": facts.previous,
        "move": facts.move,
        "at": micros(facts.at),
        "changes": dict(zip(SUMS, facts.sums, strict=True)),
        "buckets": [_bucket(change) for change in facts.buckets],
        "generation_id": facts.generation_id,
        "by": facts.by.value,
        "superseded": facts.superseded,
        "usd_micros": facts.usd_micros,
        "held_at": maybe_micros(facts.held_at),
    }


def _keyed(facts: Facts) -> Mapping[str, str]:
    stands = (facts.account, facts.user, facts.entry, facts.who, facts.why, facts.asked)
    return {kind.value: digest for kind, digest in zip(_KINDS, stands, strict=True)}


def _bucket(change: BucketChange) -> dict[str, Any]:
    return {
        "bucket_id": change.bucket_id,
        "available": change.available,
        "held": change.held,
        "priority": change.priority,
        "granted_at": micros(change.granted_at),
        "expires_at": maybe_micros(change.expires_at),
    }
