"""The commands about accounts: grants, settings, revokes, refunds, corrections."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from dev.fakes.accounts import daily, edited, funded
from dev.fakes.messenger import REQUESTS
from dev.fakes.world import FROM_THE_APP, KEY, START, World
from shared import worker
from shared.core.keys import Key
from shared.core.lifecycle.generation import AnyGeneration
from shared.core.lifecycle.state import State
from shared.core.money.credits import Sums
from shared.core.money.entries import Move
from shared.core.money.limits import Scope
from shared.core.money.settings import Settings
from shared.core.money.windows import zone_of
from shared.core.reasons import Reason
from shared.core.requests.messages import GenerationRequest
from shared.ports import PendingMoves
from shared.worker.accounts import Command
from shared.worker.auditing import Difference
from shared.worker.zones import zone_names


async def differences(world: World) -> list[Difference]:
    """All differences that the audit yields."""
    return [difference async for difference in worker.audit(world.deps)]


async def test_the_same_grant_twice_is_one_grant(world: World) -> None:
    """A billing webhook that comes twice gives credits once."""
    await worker.grant(world.deps, "ada", 5, grant_id="invoice-1")
    await worker.grant(world.deps, "ada", 5, grant_id="invoice-1")
    assert world.balances() == (15, 0, 0)
    world.books_balance()


@pytest.mark.parametrize("bad", [True, 2**63, 10.0, float("nan"), "10", None, 0, -5, 1_000_000_001])
async def test_what_is_no_number_of_credits_is_refused_by_name(world: World, bad: Any) -> None:
    """As an amount of any command: before any credit moves, and nothing is saved."""
    before = dict(world.store.saved_accounts), list(world.store.entries)
    with pytest.raises(ValueError, match="amount must be a whole number from 1 to"):
        await worker.grant(world.deps, "ada", bad, grant_id="g")
    with pytest.raises(ValueError, match="amount must be a whole number from 1 to"):
        await worker.revoke(world.deps, "ada", bad, Command(command_id="r"))
    if type(bad) is not int or abs(bad) >= 2**63:
        with pytest.raises(ValueError, match="held must be a whole number"):
            await worker.correct(world.deps, "ada", Sums(held=bad), Command(command_id="g"))
    assert (dict(world.store.saved_accounts), list(world.store.entries)) == before


@pytest.mark.parametrize("plan", ["gold", "", "Free"])
async def test_a_plan_that_there_is_not_is_refused_by_name(world: World, plan: str) -> None:
    """Nothing is saved."""
    before = dict(world.store.saved_accounts), list(world.store.entries)
    with pytest.raises(ValueError, match=r"no plan is named .*; plans are free, basic, premium"):
        await worker.set_plan(world.deps, "ada", plan, Command(command_id="p"))
    assert (dict(world.store.saved_accounts), list(world.store.entries)) == before


@pytest.mark.parametrize("field", ["why", "by"])
@pytest.mark.parametrize("bad", ["\ud800", "paid \udfff twice"])
async def test_half_a_surrogate_pair_is_refused_by_the_fields_name(world: World, field: str, bad: str) -> None:
    """It is no text, and no table takes it: nothing is saved, and the exception says which argument it was."""
    before = dict(world.store.saved_accounts), list(world.store.entries)
    texts: dict[str, Any] = {"by": "app", "why": "", field: bad}
    command = Command(command_id="c", **texts)
    given = (
        worker.grant(world.deps, "ada", 5, grant_id="g", **texts),
        worker.set_plan(world.deps, "ada", "premium", command),
        worker.revoke(world.deps, "ada", 1, command),
        worker.suspend(world.deps, "ada", "unpaid", command),
    )
    for each in given:
        with pytest.raises(ValueError, match=f"^{field} has characters that are not text$"):
            await each
    assert (dict(world.store.saved_accounts), list(world.store.entries)) == before


@pytest.mark.parametrize("zone", ["localtime", "posixrules", "Factory", "right/UTC", "posix/UTC"])
async def test_a_zone_that_is_only_a_hosts_is_refused_by_name(world: World, zone: str) -> None:
    """Whether the host of this worker has it or not. Nothing is saved."""
    before = dict(world.store.saved_accounts), list(world.store.entries)
    with pytest.raises(ValueError, match="zone must be a name of the IANA time zone database"):
        await worker.set_account(world.deps, "ada", Settings(zone=zone), Command(command_id="z"))
    assert (dict(world.store.saved_accounts), list(world.store.entries)) == before


def test_every_zone_that_may_be_set_is_found() -> None:
    """By the core's function, which looks into the host's database first."""
    assert len(zone_names()) > 500
    for name in zone_names():
        zone_of(name)


async def test_grants_beyond_what_a_table_holds_are_refused(world: World) -> None:
    """The sum is bounded too: it would be a row that nobody can read again."""
    most = 2**63 - 1
    world.store.put_account(funded("ada", most))
    with pytest.raises(ValueError, match="granted must be a whole number"):
        await worker.grant(world.deps, "ada", 1, grant_id="g")
    assert world.account().granted == most


@pytest.mark.parametrize("other", [{"amount": 6}, {"priority": 3}, {"expires_at": START + timedelta(days=2)}])
async def test_a_grant_id_with_another_amount_or_terms_is_refused_by_name(world: World, other: dict[str, Any]) -> None:
    """It is no repetition: accepting it silently would leave a grant that its sender believes in."""
    terms: dict[str, Any] = {"amount": 5, "expires_at": START + timedelta(days=1)}
    await worker.grant(world.deps, "ada", grant_id="invoice-1", **terms)
    before = dict(world.store.saved_accounts), list(world.store.entries)
    with pytest.raises(ValueError, match=r"the id 'invoice-1' was used before for 5 credits, priority 100.*another id"):
        await worker.grant(world.deps, "ada", grant_id="invoice-1", **(terms | other))
    assert (dict(world.store.saved_accounts), list(world.store.entries)) == before
    assert await worker.grant(world.deps, "ada", grant_id="invoice-1", **terms) == world.account()


async def test_a_grant_that_comes_again_after_its_expiry_is_the_same_grant(world: World) -> None:
    """A new one would be refused; this one was made."""
    until = START + timedelta(hours=1)
    await worker.grant(world.deps, "ada", 5, grant_id="g", expires_at=until)
    world.pass_time(7200)
    before = dict(world.store.saved_accounts), list(world.store.entries)
    assert await worker.grant(world.deps, "ada", 5, grant_id="g", expires_at=until) == world.account()
    assert (dict(world.store.saved_accounts), list(world.store.entries)) == before
    with pytest.raises(ValueError, match="expires_at must be in the future"):
        await worker.grant(world.deps, "ada", 5, grant_id="new", expires_at=until)


async def test_settings_change_without_a_credit_and_go_away(world: World) -> None:
    """An account exists from its first setting. The ledger says who did what, and still explains the account."""

    def by_eve(number: int) -> Command:
        return Command(command_id=f"{number}", by="operator:eve", why="asked for")

    acts = [
        worker.set_account(world.deps, "bob", Settings(name="Bob", zone="Asia/Tokyo"), by_eve(1)),
        worker.set_plan(world.deps, "bob", "basic", by_eve(2)),
        worker.set_limit(world.deps, "bob", daily(7), by_eve(3)),
        worker.suspend(world.deps, "bob", "unpaid", by_eve(4)),
    ]
    for act in acts:
        await act
    bob = world.account("bob")
    assert (bob.name, bob.zone, bob.plan, bob.limits, bob.suspended_for) == (
        "Bob",
        "Asia/Tokyo",
        "basic",
        (daily(7),),
        "unpaid",
    )
    await worker.remove_limit(world.deps, "bob", "daily", by_eve(5))
    await worker.reactivate(world.deps, "bob", by_eve(6))
    await worker.set_limit(world.deps, "bob", daily(7), by_eve(3))
    bob = world.account("bob")
    assert (bob.limits, bob.suspended_for, bob.granted) == ((), "", 0)
    entries = [entry for entry in world.store.entries if entry.account_id == "bob"]
    assert [entry.entry_id for entry in entries] == ["1", "2", "3", "4", "5", "6"]
    assert {(entry.by, entry.why) for entry in entries} == {("operator:eve", "asked for")}
    world.books_balance()
    assert await differences(world) == []


async def test_a_users_limit_is_in_the_users_row(world: World) -> None:
    """And that of a user of the account's id in the account's, where it is nobody else's."""
    mine = replace(daily(3), scope=Scope.USER)
    await worker.set_limit(world.deps, "acme", mine, Command(command_id="1"), user_id="bob")
    await worker.set_limit(world.deps, "acme", mine, Command(command_id="2"), user_id="acme")
    assert world.store.saved_users["acme", "bob"].limits == (mine,)
    assert ("acme", "acme") not in world.store.saved_users
    assert (world.account("acme").limits, world.account("acme").own_limits) == ((), (mine,))
    await worker.remove_limit(world.deps, "acme", "daily", Command(command_id="3"), scope=Scope.USER, user_id="bob")
    assert not world.store.saved_users["acme", "bob"].limits


@pytest.mark.parametrize("whose", ["kim", "acme"])
async def test_a_limit_of_one_user_stops_nobody_else(world: World, whose: str) -> None:
    """Also that of the user who has the account's id, and what Kim used is not that user's use."""
    await world.open_account("acme", 100)
    limit = replace(daily(2), scope=Scope.USER)
    await worker.set_limit(world.deps, "acme", limit, Command(command_id="l"), user_id=whose)
    await ask_thrice(world, "acme")
    await ask_thrice(world, "kim")
    opened = {user: [not found.state.ended for found in of(world, user)] for user in ("kim", "acme")}
    assert opened.pop(whose) == [True, True, False]
    assert list(opened.values()) == [[True, True, True]]
    world.books_balance()


async def test_a_limit_for_each_user_counts_the_use_of_each(world: World) -> None:
    """That of the user with the account's id is not that of all."""
    await world.open_account("acme", 100)
    limit = replace(daily(2), scope=Scope.USER)
    await worker.set_limit(world.deps, "acme", limit, Command(command_id="l"))
    for user in ("kim", "acme", "bob"):
        await ask_thrice(world, user)
        assert [not found.state.ended for found in of(world, user)] == [True, True, False]


async def ask_thrice(world: World, user_id: str) -> None:
    """Three requests of one credit each."""
    for number in range(3):
        await world.ask(Key(user_id, f"{user_id}-{number}", "acme"))


def of(world: World, user_id: str) -> list[AnyGeneration]:
    """The generations of a user of acme, in the order of their requests."""
    return [world.saved(Key(user_id, f"{user_id}-{number}", "acme")) for number in range(3)]


async def test_a_command_issued_earlier_changes_nothing(world: World) -> None:
    """It comes later, because messages are reordered: it is recorded as superseded."""
    late = Command(command_id="late", issued_at=START - timedelta(hours=1))
    await worker.suspend(world.deps, "ada", "unpaid", Command(command_id="first"))
    await worker.reactivate(world.deps, "ada", late)
    assert world.account().suspended_for == "unpaid"
    assert world.store.entries[-1].superseded


async def test_a_suspended_account_opens_nothing_new_and_what_is_open_ends(world: World) -> None:
    """The refusal has the reason. A reactivation opens it again."""
    await world.ask()
    await worker.suspend(world.deps, "ada", "the invoice is unpaid", Command(command_id="s"))
    await world.ask(Key("ada", "two"))
    refused = world.saved(Key("ada", "two"))
    assert (refused.state, refused.reason) == (State.REJECTED, Reason.ACCOUNT_SUSPENDED)
    assert "the invoice is unpaid" in refused.text
    world.replicate.succeed(world.replicate.only_id)
    await world.webhook(world.replicate.only_id)
    assert world.generation().state is State.SUCCEEDED
    world.pass_time(1)
    await worker.reactivate(world.deps, "ada", Command(command_id="r"))
    await world.ask(Key("ada", "three"))
    assert not world.generation(Key("ada", "three")).state.ended
    world.books_balance()


async def test_a_revoke_takes_what_is_available(world: World) -> None:
    """What is held stays held, and the same id takes once."""
    await world.ask()
    for _ in range(2):
        await worker.revoke(world.deps, "ada", 99, Command(command_id="r"))
    account = world.account()
    assert (account.available, account.held, account.revoked) == (0, 1, 9)
    with pytest.raises(ValueError, match="no account 'eve'"):
        await worker.revoke(world.deps, "eve", 1, Command(command_id="r"))
    world.books_balance()
    assert await differences(world) == []


async def test_refunds_give_back_at_most_what_was_captured(world: World) -> None:
    """The generation keeps its state and says what was refunded; the same id gives back once."""
    await world.ask(num_outputs=3)
    world.replicate.succeed(world.replicate.only_id, outputs=[b"a", b"b", b"c"])
    await world.webhook(world.replicate.only_id)
    assert world.balances() == (7, 0, 3)
    before = world.account().usage
    for _ in range(2):
        await worker.refund(world.deps, KEY, 2, Command(command_id="r1", by="operator:eve", why="blurred"))
    assert world.balances() == (9, 0, 1)
    with pytest.raises(ValueError, match="cannot refund 2 credits: 1 of"):
        await worker.refund(world.deps, KEY, 2, Command(command_id="r2"))
    with pytest.raises(ValueError, match="was used before for 2 credits of ada;one"):
        await worker.refund(world.deps, KEY, 1, Command(command_id="r1"))
    generation = world.generation()
    assert (generation.state, generation.captured_credits, generation.refunded_credits) == (State.SUCCEEDED, 3, 2)
    assert generation.history[-1].step == "refunded"
    assert world.account().usage == before
    assert (world.store.entries[-1].by, world.store.entries[-1].why) == ("operator:eve", "blurred")
    world.books_balance()
    assert await differences(world) == []


async def test_what_has_not_ended_or_never_opened_has_nothing_to_refund(world: World) -> None:
    """Nothing is saved."""
    await world.ask()
    for key, problem in ((KEY, "has not ended"), (Key("ada", "none"), "there is no generation")):
        with pytest.raises(ValueError, match=problem):
            await worker.refund(world.deps, key, 1, Command(command_id="r"))
    assert Move.REFUND not in {entry.move for entry in world.store.entries}


async def test_an_end_that_never_opened_is_in_the_ledger_of_an_account_that_exists(world: World) -> None:
    """A request of any other account ends with its row and event, and makes no account and no entry."""
    await world.ask(num_outputs=4, model="flux-1.1-pro")
    await world.ask(Key("eve", "one"))
    assert world.saved(Key("eve", "one")).state is State.REJECTED
    assert "eve" not in world.store.saved_accounts
    (entry,) = [entry for entry in world.store.entries if entry.move is Move.ENDED_UNOPENED]
    assert (entry.account_id, entry.generation_id, entry.granted) == ("ada", "one", 0)
    world.books_balance()


async def test_grants_that_race_are_all_given(world: World) -> None:
    """Twenty grants at once on one account lose nothing."""
    grants = [worker.grant(world.deps, "ada", 1, grant_id=f"g{number}") for number in range(20)]
    await asyncio.gather(*grants)
    assert world.balances() == (30, 0, 0)
    world.books_balance()


async def test_requests_that_race_on_one_account_are_all_opened(world: World) -> None:
    """Eight at once on one account, each in a process of its own: no hold is lost, the conflicts are counted."""
    deps = world.deps

    async def ask_in_a_process_of_its_own(key: Key) -> None:
        message = GenerationRequest(key=key, prompt="A lighthouse", model="flux-schnell")
        await worker.handle(replace(deps, pending=PendingMoves()), message, FROM_THE_APP, REQUESTS)

    await asyncio.gather(*(ask_in_a_process_of_its_own(Key("ada", f"g{number}")) for number in range(8)))
    assert world.balances() == (2, 8, 0)
    assert world.telemetry.total("darkroom.conflicts") > 0
    assert not world.store.groups
    world.books_balance()


async def test_a_correction_mends_what_a_person_decided(world: World) -> None:
    """The compensating entry is in the ledger with its reason; the same id again is the same, or is refused."""
    command = Command(command_id="case-7", why="double delivery")
    for _ in range(2):
        await worker.correct(world.deps, "ada", Sums(available=-3, captured=3), command)
    with pytest.raises(ValueError, match="was used before for available -3, captured \\+3; this is available"):
        await worker.correct(world.deps, "ada", Sums(available=-2, held=2), command)
    assert world.balances() == (7, 0, 3)
    (entry,) = [entry for entry in world.store.entries if entry.entry_id == "case-7"]
    assert entry.why == "double delivery"
    assert await differences(world) == []


async def test_a_ledger_that_does_not_explain_the_account_is_completed(world: World) -> None:
    """Somebody edited the account and was right to: the entry is posted, the account stays as it is."""
    world.store.put_account(edited(world.account(), 12))
    by_hand = Command(command_id="case-9", why="by hand")
    await worker.correct(world.deps, "ada", Sums(available=2), by_hand, bucket_id="grant:welcome", ledger_only=True)
    assert world.balances() == (12, 0, 0)
    assert await differences(world) == []


async def test_a_correction_cannot_make_a_balance_negative(world: World) -> None:
    """It is refused, and nothing changes."""
    with pytest.raises(ValueError, match="negative"):
        await worker.correct(world.deps, "ada", Sums(available=-11), Command(command_id="case-8", why="typo"))
    assert world.balances() == (10, 0, 0)


async def test_a_correction_that_took_all_is_the_same_when_it_is_sent_again(world: World) -> None:
    """The second time there is nothing left to take, and yet it is no mistake."""
    command = Command(command_id="case-10", why="fraud")
    for _ in range(2):
        after = await worker.correct(world.deps, "ada", Sums(available=-10, captured=10), command)
    assert (after.available, after.captured) == (0, 10)
    assert [entry.entry_id for entry in world.store.entries].count("case-10") == 1


async def test_a_correction_needs_an_account(world: World) -> None:
    """An account that does not exist has nothing to correct."""
    with pytest.raises(ValueError, match="no account"):
        await worker.correct(world.deps, "eve", Sums(available=1), Command(command_id="x"))


@pytest.mark.parametrize("bad", ["", "a/b", "a#b", "invoice 7"])
async def test_ids_that_a_table_forbids_are_refused(world: World, bad: str) -> None:
    """A user or a grant that cannot be a key is refused before anything is written."""
    for user_id, grant_id in ((bad, "g"), ("ada", bad)):
        with pytest.raises(ValueError, match="must be 1 to 128"):
            await worker.grant(world.deps, user_id, 5, grant_id=grant_id)
    assert world.balances() == (10, 0, 0)


async def test_a_time_without_a_zone_is_refused_by_name(world: World) -> None:
    """Nobody knows when it is."""
    naive = datetime(2026, 12, 1)  # noqa: DTZ001  # that is what is refused
    with pytest.raises(ValueError, match="expires_at must have a time zone"):
        await worker.grant(world.deps, "ada", 5, grant_id="g", expires_at=naive)
    with pytest.raises(ValueError, match="issued_at must have a time zone"):
        Command(command_id="c", issued_at=naive)
    with pytest.raises(ValueError, match="enqueued_at must have a time zone"):
        Command(command_id="c", enqueued_at=naive)
    assert world.balances() == (10, 0, 0)
