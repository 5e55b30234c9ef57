"""grant, account show, audit, correct."""

import asyncio
import json
import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from dev.fakes.accounts import edited
from shared import worker
from shared.core.keys import Key
from shared.core.money.credits import Sums
from shared.core.money.entries import Move
from tests.cli.counter import Counter

NEW_YEARS_EVE = datetime(2026, 12, 31, tzinfo=UTC)

CORRECTION = ("--held", "-1", "--available", "1", "--note", "a lost hold", "--id", "ticket-1")


def test_the_first_grant_opens_the_account(counter: Counter) -> None:
    """It prints the id of the ledger entry, which says who gave it and why."""
    called = counter.call("grant", "bob", "5", "--why", "a gift", "--expires", "2026-12-31", "--priority", "3")
    assert called.code == 0
    bob = counter.account("bob")
    assert (bob.granted, bob.available, bob.plan) == (5, 5, "")
    assert [(each.terms.priority, each.terms.expires_at) for each in bob.buckets] == [(3, NEW_YEARS_EVE)]
    (entry,) = [entry for entry in counter.records.entries if entry.account_id == "bob"]
    assert entry.move is Move.GRANT
    assert (entry.by.startswith("operator:"), entry.why) == (True, "a gift")
    assert called.out.startswith(f"opened bob\ngranted 5 credits to bob, grant {entry.entry_id}\n")
    assert "opened" not in counter.call("grant", "bob", "5").out


def test_the_same_grant_twice_gives_once(counter: Counter) -> None:
    """The second says so."""
    assert counter.call("grant", "ada", "5", "--id", "invoice-1").code == 0
    again = counter.call("grant", "ada", "5", "--id", "invoice-1")
    assert again.code == 0
    assert "invoice-1 was already given: 5 credits" in again.out
    assert counter.balances() == (15, 0, 0)
    assert counter.account().plan == "premium"
    counter.books_balance()
    for other in (("6",), ("5", "--priority", "3"), ("5", "--expires", "2027-01-01")):
        refused = counter.call("grant", "ada", *other, "--id", "invoice-1")
        assert refused.code == 1
        assert "the id 'invoice-1' was used before for 5 credits" in refused.err
    assert counter.balances() == (15, 0, 0)


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (("ada", "0"), "CREDITS"),
        (("ada", "many"), "CREDITS must be a whole number from 1 to 1,000,000,000"),
        (("ada", "-5"), "To take credits away"),
        (("ada", "1e3"), "CREDITS must be a whole number"),
        (("ada", "10.0"), "CREDITS must be a whole number"),
        (("ada", "99999999999999999999"), "CREDITS must be a whole number"),
        (("ada", "5", "--plann", "basic"), "No such option: --plann"),
        (("ada", "--plann", "basic", "5"), "No such option: --plann"),
        (("ada", "-5", "--plann", "basic"), "--plann"),
        (("ada", "5", "--why", "\udcff\udcfe"), "--why must be text in UTF-8"),
        (("ada", "5", "--id", ""), "--id must be 1 to 128 letters"),
        (("a/b", "5"), "the account must be 1 to 128 letters"),
        (("ada", "5", "--id", "a b"), "--id must be 1 to 128 letters"),
        (("ada", "5", "--priority", "-1"), "--priority"),
        (("ada", "5", "--expires", "tomorrow"), "--expires"),
    ],
)
def test_an_impossible_grant_is_refused(counter: Counter, argv: tuple[str, ...], says: str) -> None:
    """The error gives the reason, and nothing is posted."""
    called = counter.call("grant", *argv)
    assert (called.code, called.out) == (2, "")
    assert says in called.err
    assert counter.balances() == (10, 0, 0)


def test_an_account_shows_its_balances_and_last_entries(counter: Counter) -> None:
    """The newest entry is first. Each has its generation and the change of each balance."""
    counter.pass_time(60)
    counter.request(Key("ada", "one"))
    called = counter.call("account", "show", "ada", "--last", "1")
    assert called.code == 0
    assert re.search(r"^available +9$", called.out, re.MULTILINE)
    assert re.search(r"^held +1$", called.out, re.MULTILINE)
    assert re.search(r"^2026-11-21 12:01:00Z +hold +one +-1 +\+1 +user$", called.out, re.MULTILINE)
    assert "last 1 of 3 ledger entries" in called.out
    assert "welcome" not in called.out


def test_an_account_as_json(counter: Counter) -> None:
    """Each number has its name."""
    counter.request(Key("ada", "one"))
    printed = json.loads(counter.call("account", "show", "ada", "--json").out)
    assert (printed["plan"], printed["granted"], printed["available"], printed["held"], printed["captured"]) == (
        "premium",
        10,
        9,
        1,
        0,
    )
    assert printed["buckets"][0] | {"available": 9, "held": 1} == printed["buckets"][0]
    hold = next(entry for entry in printed["ledger"] if entry["move"] == "hold")
    assert (hold["belongs_to"], hold["available"], hold["held"]) == ("one", -1, 1)


def test_a_missing_account_is_refused(counter: Counter) -> None:
    """The exit code is 1, and the error has the command that would open it."""
    called = counter.call("account", "show", "bob")
    assert (called.code, called.out) == (1, "")
    assert "darkroom grant bob CREDITS" in called.err


def test_the_audit_of_a_correct_ledger(counter: Counter) -> None:
    """It finds no difference."""
    counter.generate(Key("ada", "one"))
    called = counter.call("audit")
    assert (called.code, called.out) == (0, "No difference.\n")


def test_the_audit_proposes_a_correction_that_works(counter: Counter) -> None:
    """For a hold without a generation the exit code is 1. After the proposed command the next audit finds nothing."""
    asyncio.run(worker.correct(counter.deps, "ada", Sums(available=-2, held=2), worker.Command(command_id="slip")))
    called = counter.call("audit")
    assert called.code == 1
    assert re.search(r"^ada +open holds +2 +0 +\+2$", called.out, re.MULTILINE)
    assert "darkroom correct ada --held -2 --available 2 --note 'audit: open holds' --id ID" in called.out
    assert counter.balances() == (8, 2, 0)
    line = ("correct", "ada", "--held", "-2", "--available", "2", "--note", "audit: open holds", "--id", "t1", "--yes")
    assert counter.call(*line).code == 0
    assert counter.call("audit").code == 0
    assert counter.balances() == (10, 0, 0)


def test_the_audit_proposes_to_complete_the_ledger(counter: Counter) -> None:
    """Somebody edited the account by hand. The proposed command keeps it so, and the next audit finds nothing."""
    counter.records.put_account(edited(counter.account(), 12))
    called = counter.call("audit")
    assert called.code == 1
    assert re.search(r"^ada +ledger available +12 +10 +\+2$", called.out, re.MULTILINE)
    moves = "--available 2 --bucket grant:welcome --ledger-only"
    assert f"darkroom correct ada {moves} --note 'audit: ledger' --id ID" in called.out
    line = ("correct", "ada", *moves.split(), "--note", "audit: ledger", "--id", "t2", "--yes")
    assert counter.call(*line).code == 0
    assert counter.call("audit").code == 0
    assert counter.balances() == (12, 0, 0)


def test_the_audit_of_one_account(counter: Counter) -> None:
    """It reports no difference of other accounts, and refuses an account that does not exist."""
    counter.call("grant", "bob", "5")
    counter.records.put_account(edited(counter.account("bob"), 6))
    assert counter.call("audit", "--account", "ada").code == 0
    assert counter.call("audit", "--account", "bob").code == 1
    assert "There is no account 'eve'" in counter.call("audit", "--account", "eve").err


def test_a_correction_is_shown_confirmed_and_posted(counter: Counter) -> None:
    """The table shows each balance as it will be, and after a yes it is so."""
    counter.request(Key("ada", "one"))
    called = counter.call("correct", "ada", *CORRECTION, answer="y\n")
    assert called.code == 0
    assert re.search(r"^held +1 +-1 +0$", called.out, re.MULTILINE)
    assert "Post correction ticket-1 to ada?" in called.err
    assert counter.balances() == (10, 0, 0)
    (entry,) = [entry for entry in counter.records.entries if entry.move is Move.CORRECTION]
    assert (entry.entry_id, entry.why, entry.held) == ("ticket-1", "a lost hold", -1)


@pytest.mark.parametrize("answer", ["n\n", "\n", "", None])
def test_without_a_yes_nothing_is_corrected(counter: Counter, answer: str | None) -> None:
    """The answer may be no, only Enter, end of input, or impossible, as stdin is closed."""
    counter.request(Key("ada", "one"))
    called = counter.call("correct", "ada", *CORRECTION, answer=answer)
    assert called.code == 1
    assert "Aborted" in called.err
    assert counter.balances() == (9, 1, 0)
    assert counter.operations.closed == 1


def test_the_same_correction_twice_corrects_once(counter: Counter) -> None:
    """The second says so."""
    argv = ("correct", "ada", "--available", "5", "--note", "sorry", "--id", "ticket-1", "--yes")
    assert counter.call(*argv).code == 0
    again = counter.call(*argv)
    assert again.code == 0
    assert "ticket-1 was already posted" in again.out
    assert counter.balances() == (15, 0, 0)


def test_a_correction_of_a_used_id_with_other_content_is_refused(counter: Counter) -> None:
    """As of a grant: nobody reads that a correction was posted which was not."""
    fixed = ("correct", "ada", "--note", "sorry", "--id", "ticket-1", "--yes")
    assert counter.call(*fixed, "--available", "5").code == 0
    for other in (("--available", "6"), ("--captured", "5"), ("--available", "5", "--bucket", "grant:welcome")):
        refused = counter.call(*fixed, *other)
        assert (refused.code, refused.out) == (1, "")
        assert "the id 'ticket-1' was used before for available +5" in refused.err
    assert counter.balances() == (15, 0, 0)


def test_a_correction_of_a_bucket_that_is_not_there_is_refused(counter: Counter) -> None:
    """It names those that are there; the ledger alone may know one that the account has no more."""
    argv = ("correct", "ada", "--available", "1", "--note", "x", "--id", "t", "--yes", "--bucket")
    for more in ((), ("--ledger-only",)):
        refused = counter.call(*argv, "nobucket", *more)
        assert refused.code == 1
        assert "Nothing was changed: ada has no bucket 'nobucket'; it has grant:welcome" in refused.err
    assert counter.balances() == (10, 0, 0)
    assert counter.call("account", "revoke", "ada", "10").code == 0
    assert "ada has no bucket 'grant:welcome'; it has none" in counter.call(*argv, "grant:welcome").err
    assert counter.call(*argv, "grant:welcome", "--ledger-only").code == 0


def test_a_correction_below_zero_is_refused(counter: Counter) -> None:
    """shared/core forbids it, and the error is one line."""
    called = counter.call("correct", "ada", "--available", "-11", "--note", "x", "--id", "ticket-1", "--yes")
    assert called.code == 1
    assert "Nothing was changed: the available credits would be negative" in called.err
    assert counter.balances() == (10, 0, 0)


@pytest.mark.parametrize(
    "argv",
    [
        ("--note", "x", "--id", "t"),
        ("--available", "1", "--note", " ", "--id", "t"),
        ("--available", "1", "--note", "two\nlines", "--id", "t"),
        ("--available", "1000000001", "--note", "x", "--id", "t"),
        ("--available", "1", "--id", "t"),
        ("--available", "1", "--note", "x"),
    ],
)
def test_a_correction_needs_a_change_a_note_and_an_id(counter: Counter, argv: tuple[str, ...]) -> None:
    """Each must be given on the command line."""
    called = counter.call("correct", "ada", *argv, "--yes")
    assert (called.code, called.out) == (2, "")
    assert counter.balances() == (10, 0, 0)


def test_an_account_shows_a_plan_that_is_gone(counter: Counter) -> None:
    """The operator reads that its requests wait, and what to do."""
    counter.store.put_account(replace(counter.account(), plan="gold"))
    shown = counter.call("account", "show", "ada")
    assert re.search(
        r"^plan +gold \(there is no such plan: requests wait; set another with `account plan`\)$",
        shown.out,
        re.MULTILINE,
    )
    assert json.loads(counter.call("account", "show", "ada", "--json").out)["plan"] == "gold"


def test_an_account_without_a_plan_shows_the_default_one(counter: Counter) -> None:
    """It is the plan that its requests get."""
    assert counter.call("grant", "eve", "5").code == 0
    assert re.search(r"^plan +free$", counter.call("account", "show", "eve").out, re.MULTILINE)
