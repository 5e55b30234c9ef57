"""Texts that are erased from a ledger entry: its digest stays right, and what does not fit is not erased."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from shared.core.keys import Key, row_key
from shared.core.money.account import Account
from shared.core.money.buckets import Change, Terms
from shared.core.money.chain import misnamed
from shared.core.money.entries import LedgerEntry, Move
from shared.core.money.erasing import all_texts, check, of_user
from shared.core.money.linking import facts_of, texts_of
from shared.core.money.sealing import digest_again, sealed

KEY = bytes(range(32))
AT = datetime(2026, 11, 28, tzinfo=UTC)
_TERMS = Terms("grant:invoice", AT)


def entries() -> tuple[LedgerEntry, ...]:
    """A grant by eve, a limit of ada's by eve, ada's hold, bob's hold, and a move by what has no class."""
    made = (
        LedgerEntry(
            account_id="acme",
            seq=1,
            move=Move.GRANT,
            entry_id="invoice",
            at=AT,
            granted=9,
            available=9,
            buckets=(Change(_TERMS, 9),),
            by="operator:eve",
            why="for ada",
            asked="9 credits",
        ),
        LedgerEntry(
            account_id="acme",
            seq=2,
            move=Move.SET_LIMIT,
            entry_id="limit",
            at=AT,
            user_id="ada",
            by="operator:eve",
            why="ada asked for it",
            asked="limit daily of ada",
        ),
        hold(3, "ada"),
        hold(4, "bob"),
        LedgerEntry(account_id="acme", seq=5, move=Move.SET_ACCOUNT, entry_id="name", at=AT, by="billing", why="new"),
    )
    return sealed(Account(account_id="acme"), made, "", KEY)[1]


def hold(seq: int, user_id: str) -> LedgerEntry:
    """A user's hold."""
    return LedgerEntry(
        account_id="acme",
        seq=seq,
        move=Move.HOLD,
        entry_id=row_key(Key(user_id, "one", "acme")),
        at=AT,
        available=-1,
        held=1,
        buckets=(Change(_TERMS, -1, 1),),
        by="user",
        user_id=user_id,
        generation_id="one",
    )


def texts(entry: LedgerEntry | None) -> tuple[str, ...]:
    """The texts of an entry."""
    assert entry is not None
    return (entry.entry_id, entry.user_id, entry.by, entry.why, entry.asked)


def test_what_names_a_user_is_erased() -> None:
    """All texts of the user's own entries, and the name of who did it; nothing else of anybody."""
    all_of = entries()
    assert [of_user(entry, "ada") is None for entry in all_of] == [True, False, False, True, True]
    assert texts(of_user(all_of[1], "ada")) == ("limit", "", "operator", "", "")
    assert texts(of_user(all_of[2], "ada")) == ("", "", "user", "", "")
    assert texts(of_user(all_of[0], "eve")) == ("invoice", "", "operator", "for ada", "9 credits")
    assert texts(of_user(all_of[4], "billing")) == ("name", "", "system", "new", "")


def test_an_entry_without_texts_has_the_same_digest() -> None:
    """Every kind of entry; once more changes nothing."""
    for entry in entries():
        bare = all_texts(entry)
        assert bare is not None
        assert bare.stand_ins is not None
        assert digest_again(bare) == entry.digest == bare.digest
        assert misnamed(KEY, facts_of(bare, bare.stand_ins), texts_of(bare)) is None
        assert all_texts(bare) is None
        named = {each: getattr(entry, each) for each in ("user_id", "by", "why", "asked", "entry_id")}
        assert replace(bare, **named) == entry


@pytest.mark.parametrize(
    "changes", [{"why": "a lie"}, {"user_id": "eve"}, {"usd_micros": 7}, {"stand_ins": None}, {"digest": "0" * 64}]
)
def test_what_does_not_fit_is_not_erased(changes: dict[str, object]) -> None:
    """Nobody could find any more that it was changed."""
    entry = entries()[2]
    check(entry, KEY)
    with pytest.raises(ValueError, match="entry 3 does not fit its digest"):
        check(replace(entry, **changes), KEY)  # type: ignore[arg-type]  # by name
