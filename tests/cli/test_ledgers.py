"""account statement, account verify."""

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from dev.fakes.world import KEY
from shared.core.money.chain import Point
from shared.core.money.entries import LedgerEntry, Move
from shared.core.money.sealing import sealed
from shared.ports import UnreadableRow
from shared.worker import proofs, statements, walking
from tests.cli.counter import Counter


@pytest.fixture
def counter() -> Counter:
    """Ada has 10 credits, and one picture was made."""
    made = Counter()
    asyncio.run(made.open_account())
    made.generate(KEY)
    return made


def sign(counter: Counter) -> None:
    """Sign the head of ada's ledger."""

    async def signed() -> None:
        walked = await walking.walk(counter.store.ledger("ada"), {})
        assert isinstance(walked, Point)
        await proofs.sign_head(counter.deps, walked, counter.now())

    asyncio.run(signed())


def test_a_statement_names_every_move_with_what_was_made(counter: Counter) -> None:
    """The grant, the hold and the capture, with model and outputs; the balance adds up."""
    said = json.loads(counter.call("account", "statement", "ada", "--month", "2026-11", "--format", "json").out)
    grants, _, holds, resolves = said["moves"]
    assert [each["move"] for each in said["moves"]] == ["grant", "set_plan", "hold", "resolve"]
    assert (grants["generation_id"], grants["outputs"]) == ("", "")
    for each in (holds, resolves):
        assert (each["generation_id"], each["model"], each["outputs"]) == ("one", "flux-schnell", 1)
    assert said["opening"]["granted"] == 0
    assert said["closing"]["available"] == counter.account().available == 9


def test_a_statement_is_text_or_csv_too(counter: Counter) -> None:
    """Text unless another form is asked for; the month before has no moves; what is no month is refused."""
    called = counter.call("account", "statement", "ada", "--month", "2026-11")
    assert called.code == 0
    assert called.out.startswith("Account ada, 2026-11 (UTC)\n")
    called = counter.call("account", "statement", "ada", "--month", "2026-11", "--format", "csv")
    rows = csv.DictReader(io.StringIO(called.out))
    assert [row["move"] for row in rows] == ["opening", "grant", "set_plan", "hold", "resolve", "closing"]
    assert "no moves" in counter.call("account", "statement", "ada", "--month", "2026-10").out
    called = counter.call("account", "statement", "ada", "--month", "november")
    assert (called.code, called.out) == (1, "")
    assert "written as 2026-11" in called.err
    assert "There is no account" in counter.call("account", "statement", "bob", "--month", "2026-11").err


def test_a_statement_that_breaks_off_has_no_closing_balance(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry of the second page cannot be read: what was read is there, the exit code is 1."""
    whole = counter.store.ledger

    async def broken(account_id: str, after: int = 0) -> AsyncIterator[LedgerEntry]:
        async for entry in whole(account_id, after):
            if entry.seq == 4:
                raise UnreadableRow("row ada/entry:4: at cannot be read", "ada")
            yield entry

    monkeypatch.setattr(statements, "PAGE", 2)
    monkeypatch.setattr(counter.store, "ledger", broken)
    called = counter.call("account", "statement", "ada", "--month", "2026-11", "--format", "csv")
    assert called.code == 1
    assert "entry:4: at cannot be read" in called.err
    assert [row["move"] for row in csv.DictReader(io.StringIO(called.out))] == ["opening", "grant", "set_plan"]


def test_a_whole_ledger_is_said_to_be_whole(counter: Counter) -> None:
    """Without a head and with one, and when entries came after it."""
    assert "4 entries; no head was signed yet" in counter.call("account", "verify", "ada").out
    sign(counter)
    counter.generate(replace(KEY, generation_id="two"))
    called = counter.call("account", "verify", "ada")
    assert called.code == 0
    assert "6 entries; 1 signed heads fit, the newest at entry 4" in called.out


def test_the_first_entry_that_does_not_fit_is_named(counter: Counter) -> None:
    """A changed sum, a changed name, one taken out, one too many, an account that says something else."""
    sign(counter)
    whole, account = list(counter.store.entries), counter.account()
    other = replace(whole[-1], seq=5, previous=whole[-1].digest)
    for entries, said in (
        ([*whole[:2], replace(whole[2], usd_micros=7), whole[3]], "entry 3: changed: its content"),
        ([*whole[:2], replace(whole[2], user_id="eve"), whole[3]], "entry 3: changed: the user beside it"),
        ([*whole[:2], whole[3]], "entry 3: missing"),
        (whole[:3], "entry 4: missing"),
        ([*whole, other], "entry 5: inserted"),
    ):
        counter.store.entries[:] = entries
        called = counter.call("account", "verify", "ada")
        assert (called.code, called.out) == (1, ""), said
        assert said in called.err
    counter.store.entries[:] = whole
    counter.store.put_account(replace(account, head="0" * 64))
    assert "entry 4: changed: the account has another digest" in counter.call("account", "verify", "ada").err


def test_a_ledger_that_was_written_anew_does_not_fit_its_head(counter: Counter) -> None:
    """Whole in itself, with the right sums, by somebody with the key: only the signed head shows it."""
    sign(counter)
    forged = [replace(entry, why="a lie") if entry.move is Move.GRANT else entry for entry in counter.store.entries]
    account, entries = sealed(counter.account(), forged, "", bytes(32))
    counter.store.entries[:] = entries
    counter.store.put_account(account)
    called = counter.call("account", "verify", "ada")
    assert called.code == 1
    assert "entry 1: rewritten: the head that was signed has another digest; entries 1 to 4" in called.err


def test_a_head_that_is_not_what_was_signed_is_named(counter: Counter) -> None:
    """It is no proof of anything: neither whole nor not."""
    sign(counter)
    (name,) = (each for each in counter.blobs.proofs if each.startswith("heads/"))
    counter.blobs.proofs[name] = counter.blobs.proofs[name].replace(b'"seq":4', b'"seq":3')
    called = counter.call("account", "verify", "ada")
    assert called.code == 1
    assert "is not what was signed" in called.err


def test_names_are_erased_after_a_question(counter: Counter) -> None:
    """Nothing without an answer or without a name; then ada's texts are gone, and the ledger is whole."""
    sign(counter)
    before = list(counter.store.entries)
    assert counter.call("account", "erase-names", "ada").code == 2
    assert counter.call("account", "erase-names", "ada", "--user", "ada", answer="n\n").code == 1
    assert counter.store.entries == before
    called = counter.call("account", "erase-names", "ada", "--user", "ada", "--entry", "1", "--yes")
    assert (called.code, called.err) == (0, "")
    assert "3 of the ledger's entries were erased" in called.out
    assert [each.user_id for each in counter.store.entries] == [""] * 4
    assert counter.call("account", "verify", "ada").code == 0
    assert "0 of the ledger's entries" in counter.call("account", "erase-names", "ada", "--user", "ada", "-y").out
    called = counter.call("account", "erase-names", "ada", "--entry", "9", "-y")
    assert (called.code, "no entry 9" in called.err) == (1, True)


def test_an_account_whose_row_is_gone_is_not_opened_anew(counter: Counter) -> None:
    """Each command about it says that the row is gone, and none proposes a grant: the ledger stands in its way."""
    sign(counter)
    row = counter.store.drop_account("ada")
    called = counter.call("account", "verify", "ada")
    assert (called.code, called.out) == (1, "")
    assert "The ledger of ada is not whole. the account's row: missing: there is none, and a head was" in called.err
    assert "its ledger fits up to entry 4" in called.err
    for argv in (
        ("account", "show", "ada"),
        ("account", "statement", "ada", "--month", "2026-11"),
        ("audit", "--account", "ada"),
        ("account", "erase-names", "ada", "--entry", "1", "-y"),
    ):
        called = counter.call(*argv)
        assert (called.code, called.out) == (1, ""), argv
        assert "The row of account 'ada' is gone" in called.err
        assert "darkroom account verify ada" in called.err
        assert "grant" not in called.err
    counter.store.put_account(row)
    assert counter.call("account", "verify", "ada").code == 0
    called = counter.call("account", "verify", "bob")
    assert (called.code, "There is no account 'bob'. Open it with: darkroom grant bob" in called.err) == (1, True)


def test_an_account_whose_row_cannot_be_read_has_its_ledger_walked(counter: Counter) -> None:
    """The row is named, and how far the ledger fits."""
    counter.store.unreadable["ada"] = UnreadableRow("row ada/account: a sum or a bucket cannot be read", "ada")
    called = counter.call("account", "verify", "ada")
    assert (called.code, called.out) == (1, "")
    assert "the account's row: changed: row ada/account: a sum or a bucket cannot be read; its ledger" in called.err
