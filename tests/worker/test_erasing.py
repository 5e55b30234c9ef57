"""Names are erased from a ledger: the chain is whole, commands are still known, and the audit finds no difference."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from dev.fakes.world import World
from shared import worker
from shared.core.dependency import Dependency
from shared.core.keys import Key
from shared.core.lifecycle.generation import AnyGeneration
from shared.core.money.chain import Point
from shared.core.money.entries import LedgerEntry, Move
from shared.core.money.limits import Limit, Scope
from shared.core.money.windows import Span
from shared.ports import Unavailable
from shared.worker import proofs, walking
from shared.worker.accounts import Command
from shared.worker.auditing import Difference
from shared.worker.open_holds import held_at

LIMIT = Limit(limit_id="daily", window=Span.DAY, amount=5, scope=Scope.USER)
COMMAND = Command(command_id="limit", by="operator:eve", why="bob asked for it")


async def generate(world: World, key: Key) -> None:
    """A generation runs to its end."""
    await world.ask(key)
    await end(world, key)


async def end(world: World, key: Key) -> None:
    """Its prediction succeeds."""
    prediction_id = world.generation(key).attempt.prediction_id
    assert prediction_id
    world.replicate.succeed(prediction_id, [b"a picture"])
    await world.webhook(prediction_id)


async def used(world: World) -> list[LedgerEntry]:
    """Two users of ada's account made a picture each; bob has a limit. A head was signed."""
    await worker.set_limit(world.deps, "ada", LIMIT, COMMAND, user_id="bob")
    for user in ("bob", "kim"):
        await generate(world, Key(user, f"{user}-1", "ada"))
    walked = await walking.walk(world.store.ledger("ada"), {})
    assert isinstance(walked, Point)
    await proofs.sign_head(world.deps, walked, world.time)
    return list(world.store.entries)


def named(entries: list[LedgerEntry], name: str) -> list[int]:
    """The numbers of the entries in which a name stands."""
    return [each.seq for each in entries if name in repr(replace(each, generation_id=""))]


async def differences(world: World) -> list[Difference]:
    """What the audit finds."""
    return [each async for each in worker.audit(world.deps, "ada")]


async def test_a_user_is_erased_and_the_chain_is_whole(world: World) -> None:
    """Nothing of bob's name is left beside the digests; kim's entries, the account and all else are as before."""
    before = await used(world)
    account, generations = world.account(), dict(world.store.saved_generations)
    mine = named(before, "bob")
    assert len(mine) >= 3
    assert await worker.erase_names(world.deps, "ada", "bob") == mine
    after = world.store.entries
    assert named(after, "bob") == []
    assert [each for each in after if each.seq not in mine] == [each for each in before if each.seq not in mine]
    assert [each.digest for each in after] == [each.digest for each in before]
    assert (world.account(), world.store.saved_generations) == (account, generations)
    verified = await worker.verify(world.deps, "ada")
    assert isinstance(verified, walking.Verified)
    assert verified.entries == len(before)
    assert await differences(world) == []
    said = await worker.statement(world.deps, account, "2026-11")
    made = [line.made async for page in said.pages for line in page if line.entry.move is Move.RESOLVE]
    assert [each is None for each in made] == [True, False]


async def test_it_is_done_again_and_changes_nothing(world: World) -> None:
    """A stop in the middle is mended so."""
    await used(world)
    await worker.erase_names(world.deps, "ada", "bob")
    after = list(world.store.entries)
    assert await worker.erase_names(world.deps, "ada", "bob") == []
    assert world.store.entries == after


async def test_a_command_whose_texts_were_erased_is_still_known(world: World) -> None:
    """The same once more is done already, another content is refused, a second hold too."""
    before = await used(world)
    await worker.erase_names(world.deps, "ada", "bob", range(1, len(before) + 1))
    after = list(world.store.entries)
    assert {text for each in after for text in (each.user_id, each.why, each.asked)} == {""}
    await worker.set_limit(world.deps, "ada", LIMIT, COMMAND, user_id="bob")
    with pytest.raises(ValueError, match="was used before for something else"):
        await worker.set_limit(world.deps, "ada", replace(LIMIT, amount=6), COMMAND, user_id="bob")
    await world.ask(Key("bob", "bob-1", "ada"))
    assert world.store.entries == after


async def test_who_did_it_is_erased_where_it_is_the_user(world: World) -> None:
    """Of an entry about somebody else only that name."""
    await used(world)
    await worker.erase_names(world.deps, "ada", "eve")
    found = next(each for each in world.store.entries if each.entry_id == "limit")
    assert (found.by, found.user_id, found.why) == ("operator", "bob", COMMAND.why)


async def test_a_user_with_an_open_generation_is_refused(world: World) -> None:
    """Its end would write the name again. Once it has ended it is erased."""
    await used(world)
    key = Key("bob", "open", "ada")
    await world.ask(key)
    before = list(world.store.entries)
    with pytest.raises(ValueError, match="bob has 1 open generation"):
        await worker.erase_names(world.deps, "ada", "bob")
    assert world.store.entries == before
    await worker.erase_names(world.deps, "ada", "kim")
    await end(world, key)
    await worker.erase_names(world.deps, "ada", "bob")
    assert named(world.store.entries, "bob") == []


async def test_what_does_not_fit_is_not_erased(world: World) -> None:
    """It stays for `account verify` to find."""
    before = await used(world)
    mine = named(before, "bob")
    world.store.entries[mine[-1] - 1] = forged = replace(before[mine[-1] - 1], why="a lie")
    with pytest.raises(ValueError, match=f"entry {mine[-1]} does not fit its digest"):
        await worker.erase_names(world.deps, "ada", "bob")
    assert world.store.entries[mine[-1] - 1] == forged


@pytest.mark.parametrize(
    ("account", "user", "numbers", "said"),
    [
        ("nobody", "bob", (), "no account"),
        ("ada", "", (99,), "no entry 99"),
        ("ada", "", (0,), "no entry 0"),
        ("ada", "b/b", (), "must be"),
    ],
)
async def test_what_is_not_there_is_refused(
    world: World, account: str, user: str, numbers: tuple[int, ...], said: str
) -> None:
    """By name, and nothing is changed."""
    before = await used(world)
    with pytest.raises(ValueError, match=said):
        await worker.erase_names(world.deps, account, user, numbers)
    assert world.store.entries == before


async def test_a_crash_between_two_entries_is_mended_by_doing_it_again(world: World) -> None:
    """After each of the writes: the chain is whole there, and the next time the rest is erased."""
    before = await used(world)
    mine, real = named(before, "bob"), world.store.erase
    for most in range(len(mine)):
        world.store.entries[:] = before
        left = [None] * most

        async def stops(*parts: Any, left: list[None] = left) -> None:
            if not left:
                raise Unavailable(Dependency.TABLES, "the process has died")
            left.pop()
            await real(*parts)

        world.store.erase = stops  # type: ignore[assignment]  # it dies
        with pytest.raises(Unavailable):
            await worker.erase_names(world.deps, "ada", "bob")
        assert isinstance(await worker.verify(world.deps, "ada"), walking.Verified)
        world.store.erase = real  # type: ignore[method-assign]
        assert await worker.erase_names(world.deps, "ada", "bob") == named(before, "bob")[most:]
        assert named(world.store.entries, "bob") == []


async def test_an_audit_finds_no_difference_while_names_are_erased(world: World) -> None:
    """A generation was read as open, ends, and is erased before the audit reads its entries."""
    await used(world)
    key = Key("bob", "open", "ada")
    await world.ask(key)
    account = world.account()

    async def ends() -> AsyncIterator[AnyGeneration]:
        yield world.generation(key)
        await end(world, key)
        await worker.erase_names(world.deps, "ada", "bob")

    held, last = await held_at(world.deps, account, ends())
    assert (held, last) == (account.held, account.seq + 1)
