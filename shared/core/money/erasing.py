"""Erases the texts that stand beside the keyed digests of a ledger entry.

Rules of this file:
1. Only texts become empty: the user's id, the id of an entry that is named after a generation (it has the user's id in
   it), the name of who did it, the reason, and what was asked. Numbers, times, links and keyed digests stay, so the
   entry's digest stays right.
2. A text that does not fit its keyed digest is not erased: nobody could find any more that it was changed. The same is
   true of an entry that was never sealed.
3. What is erased already stays erased: doing it again changes nothing.
"""

from shared.core.money.chain import misnamed
from shared.core.money.entries import LedgerEntry, Move
from shared.core.money.linking import class_and_name, facts_of, texts_of
from shared.core.money.sealing import digest_again
from shared.core.values import replace

#: The entries that have the id of their generation, with its user's.
_OF_GENERATIONS = (Move.HOLD, Move.RESOLVE, Move.ENDED_UNOPENED)


def of_user(entry: LedgerEntry, user_id: str) -> LedgerEntry | None:
    """The entry without what names this user; None if nothing in it does.

    An entry about the user loses all its texts, for the reason may name the user too. Another one loses the name of who
    did it, if that is the user's.
    """
    if entry.user_id == user_id:
        return all_texts(entry)
    kind, name = class_and_name(entry.by)
    return replace(entry, by=kind.value) if name == user_id else None


def all_texts(entry: LedgerEntry) -> LedgerEntry | None:
    """The entry without its texts; None if it has none."""
    bare = replace(entry, user_id="", by=class_and_name(entry.by)[0].value, why="", asked="")
    if entry.move in _OF_GENERATIONS:
        bare = replace(bare, entry_id="")
    return None if bare == entry else bare


def check(entry: LedgerEntry, key: bytes) -> None:
    """Raise ValueError if an entry's texts must stay (rule 2)."""
    saved = entry.stand_ins
    if saved is None or digest_again(entry) != entry.digest or misnamed(key, facts_of(entry, saved), texts_of(entry)):
        raise ValueError(f"entry {entry.seq} does not fit its digest; see `account verify`")
