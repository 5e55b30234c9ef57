"""account: set, plan, limit, remove-limit, suspend, reactivate, revoke, refund."""

import re

import pytest

from shared.core.keys import Key
from shared.core.money.account import Standing
from shared.core.money.limits import Effect, Limit, Scope, Unit
from shared.core.money.windows import Span
from tests.cli.counter import Counter


def test_settings_are_set_and_taken_away_without_a_credit(counter: Counter) -> None:
    """An account exists from its first command. Each command is an entry with its id, who gave it and why."""
    why = ("--why", "asked for")
    for argv in (
        ("set", "bob", "--name", "Bob & Co", "--zone", "Europe/Berlin", "--approver", "eve", "--id", "1", *why),
        ("plan", "bob", "basic", "--allowance", "prorated", "--id", "2", *why),
        ("suspend", "bob", "unpaid", "--id", "3", *why),
    ):
        called = counter.call("account", *argv)
        assert (called.code, called.err) == (0, "")
    bob = counter.account("bob")
    assert (bob.name, bob.zone, bob.approvers, bob.plan) == ("Bob & Co", "Europe/Berlin", ("eve",), "basic")
    assert (bob.standing, bob.granted) == (Standing.SUSPENDED, 0)
    shown = counter.call("account", "show", "bob").out
    assert re.search(r"^suspended +unpaid$", shown, re.MULTILINE)
    assert re.search(r"plan basic, allowance prorated; asked for$", shown, re.MULTILINE)
    counter.pass_time(1)
    assert counter.call("account", "set", "bob", "--name", "", "--no-approvers", "--zone", "UTC").code == 0
    assert counter.call("account", "reactivate", "bob").code == 0
    bob = counter.account("bob")
    assert (bob.name, bob.zone, bob.approvers, bob.standing) == ("", "UTC", (), Standing.ACTIVE)
    assert [entry.entry_id for entry in counter.records.entries if entry.account_id == "bob"][:3] == ["1", "2", "3"]
    counter.books_balance()


def test_limits_are_set_shown_and_taken_away(counter: Counter) -> None:
    """For an account, for each of its users, and for one user."""
    argv = (
        "account",
        "limit",
        "ada",
        "team",
        "900",
        "--per",
        "rolling_24h",
        "--unit",
        "usd_micros",
        "--effect",
        "warn",
    )
    assert counter.call(*argv).code == 0
    assert counter.call("account", "limit", "ada", "each", "5", "--each-user").code == 0
    assert counter.call("account", "limit", "ada", "own", "3", "--user", "bob").code == 0
    team, each = (
        Limit(limit_id="team", window=Span.ROLLING_24H, amount=900, unit=Unit.USD, effect=Effect.WARN),
        Limit(limit_id="each", window=Span.DAY, amount=5, scope=Scope.USER),
    )
    assert set(counter.account().limits) == {team, each}
    assert counter.call("account", "limit", "ada", "own", "7", "--user", "ada").code == 0
    assert [(each.scope, each.amount) for each in counter.account().own_limits] == [(Scope.USER, 7)]
    (own,) = counter.records.saved_users["ada", "bob"].limits
    assert (own.limit_id, own.scope, own.amount) == ("own", Scope.USER, 3)
    counter.request(Key("ada", "one"))
    shown = counter.call("account", "show", "ada").out
    assert re.search(
        r"^team +account +rolling_24h +usd_micros +3000 +900 +warn +2026-11-22 12:15:00Z$", shown, re.MULTILINE
    )
    counter.pass_time(1)
    assert counter.call("account", "remove-limit", "ada", "team").code == 0
    assert counter.call("account", "remove-limit", "ada", "each", "--each-user").code == 0
    assert counter.call("account", "remove-limit", "ada", "own", "--user", "bob").code == 0
    assert counter.call("account", "remove-limit", "ada", "own", "--user", "ada").code == 0
    assert not counter.account().limits + counter.account().own_limits
    assert not counter.records.saved_users["ada", "bob"].limits


def test_credits_are_revoked_and_refunded(counter: Counter) -> None:
    """Once for each id, and never more than there is."""
    counter.generate(Key("ada", "one"))
    assert counter.balances() == (9, 0, 1)
    for _ in range(2):
        assert counter.call("account", "refund", "ada", "one", "1", "--id", "r", "--why", "blurred").code == 0
        assert counter.call("account", "revoke", "ada", "4", "--id", "t").code == 0
    assert counter.balances() == (6, 0, 0)
    refused = counter.call("account", "refund", "ada", "one", "1")
    assert refused.code == 1
    assert "Nothing was changed: cannot refund 1 credits: 0 of this generation's are captured" in refused.err
    counter.books_balance()


@pytest.mark.parametrize(
    ("argv", "code", "says"),
    [
        (("revoke", "ada", "4"), 0, "took back 4 credits from ada, command t"),
        (("revoke", "ada", "15"), 0, "took back 10 credits from ada, of 15 that were asked, command t"),
        (("revoke", "ada", "5", "--grant", "nogrant"), 1, "took nothing from ada: it has no available credits"),
        (("revoke", "ada", "5", "--grant", "welcome"), 0, "took back 5 credits from ada"),
        (("remove-limit", "ada", "none"), 1, "Nothing was changed: ada has no limit 'none' of the account; it has day"),
        (("remove-limit", "ada", "day", "--each-user"), 1, "ada has no limit 'day' of each user; it has none"),
        (("remove-limit", "ada", "day", "--user", "kim"), 1, "ada has no limit 'day' of the user kim; it has none"),
        (("remove-limit", "ada", "day"), 0, "changed ada, command t"),
        (("remove-limit", "eve", "day"), 1, "there is no account 'eve'"),
        (("suspend", "eve", "unpaid"), 0, "opened eve, command t"),
        (("suspend", "ada", "unpaid"), 0, "changed ada, command t"),
    ],
)
def test_it_says_what_was_moved(counter: Counter, argv: tuple[str, ...], code: int, says: str) -> None:
    """The exit code is 1 if that is nothing. Given again, it is the same command and says so."""
    assert counter.call("account", "limit", "ada", "day", "50").code == 0
    counter.pass_time(1)
    called = counter.call("account", *argv, "--id", "t")
    assert called.code == code
    assert says in called.out + called.err
    assert ("changed" in called.out) == ("changed" in says and not code)
    if not code:
        again = counter.call("account", *argv, "--id", "t")
        assert again.code == 0
        assert "Command t was already given, 2026-11-21 12:00:01Z. Nothing was changed." in again.out
    counter.books_balance()


def test_it_says_that_nothing_is_left_to_revoke(counter: Counter) -> None:
    """Neither the first time nor the second time is it called a change."""
    assert counter.call("account", "revoke", "ada", "10").code == 0
    for _ in range(2):
        called = counter.call("account", "revoke", "ada", "1", "--id", "t")
        assert called.code == 1
        assert "took nothing from ada" in called.err


def test_it_says_that_a_newer_command_is_in_force(counter: Counter) -> None:
    """The account is as that one left it."""
    now = counter.time
    counter.pass_time(60)
    assert counter.call("account", "set", "ada", "--name", "New").code == 0
    counter.time = now
    called = counter.call("account", "set", "ada", "--name", "Old")
    assert called.code == 1
    assert "a newer command for this setting is in force" in called.err
    assert counter.account().name == "New"


@pytest.mark.parametrize(
    ("argv", "code", "says"),
    [
        (("set", "ada"), 2, "needs a name, a zone or approvers"),
        (("set", "ada", "--zone", "Mars"), 2, "zone must be a name of the IANA time zone database"),
        (("set", "ada", "--zone", "localtime"), 1, "Nothing was changed: zone must be a name of the IANA"),
        (("plan", "ada", "gold"), 1, "plans are free, basic, premium"),
        (("plan", "ada", "basic", "--allowance", "lost"), 2, "--allowance"),
        (("limit", "ada", "x", "1000000001"), 2, "amount must be a whole number from 0"),
        (("limit", "ada", "a/b", "1"), 2, "limit_id must be a valid id"),
        (("limit", "ada", "x", "1", "--per", "year"), 2, "--per"),
        (("suspend", "ada", " "), 1, "a suspension needs a reason"),
        (("revoke", "eve", "1"), 1, "there is no account 'eve'"),
        (("revoke", "ada", "0"), 2, "CREDITS must be a whole number"),
        (("refund", "ada", "none", "1"), 1, "there is no generation of these ids"),
        (("set", "a/b", "--name", "x"), 2, "the account must be"),
        (("limit", "ada", "dai ly", "20"), 2, "limit_id must be a valid id\n"),
        (("limit", "ada", "daily", "-1"), 2, "amount must be a whole number from 0 to 1000000000\n"),
        (("limit", "ada", "daily", "-1", "--pre", "day"), 2, "--pre"),
        (("revoke", "ada", "-5"), 2, "CREDITS must be a whole number from 1 to 1,000,000,000, such as 100.\n"),
        (("revoke", "ada", "--grnt", "x"), 2, "No such option: --grnt"),
        (("revoke", "ada", "5", "--grant", ""), 2, "--grant must be 1 to 128 letters"),
        (("revoke", "ada", "5", "--why", "\udcff"), 2, "--why must be text in UTF-8"),
        (("refund", "ada", "one", "-1"), 2, "CREDITS must be a whole number"),
        (("set", "ada", "--approver", "eve", "--no-approvers"), 2, "--approver or --no-approvers, not both"),
        (("limit", "ada", "x", "5", "--each-user", "--user", "kim"), 2, "--each-user or --user, not both"),
        (("limit", "ada", "x", "5", "--user", ""), 2, "--user must be 1 to 128 letters"),
        (("remove-limit", "ada", "x", "--each-user", "--user", "kim"), 2, "--each-user or --user, not both"),
        (("remove-limit", "ada", "x", "--user", ""), 2, "--user must be 1 to 128 letters"),
    ],
)
def test_what_is_impossible_is_refused(counter: Counter, argv: tuple[str, ...], code: int, says: str) -> None:
    """The error gives the reason, and nothing is changed."""
    before = counter.account(), list(counter.records.entries)
    called = counter.call("account", *argv)
    assert called.code == code
    assert says in called.err
    assert (counter.account(), counter.records.entries) == before
