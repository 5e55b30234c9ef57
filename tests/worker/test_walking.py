"""The night's walk: from the last signed head, and signed only if all since then is whole. See test_nights.py."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from dev.fakes.store import FakeStore
from dev.fakes.world import KEY, World
from shared import worker
from shared.adapters.azure_storage.tables.rows_money import entry_of, entry_row
from shared.core.keys import Key
from shared.core.money import chain, linking
from shared.core.money.account import Account
from shared.core.money.chain import Flaw, Misfit, Point
from shared.core.money.entries import LedgerEntry
from shared.core.money.heads import Head
from shared.core.money.sealing import digest_again
from shared.ports import UnreadableRow
from shared.worker import proofs, walking
from shared.worker.walking import Walked

NIGHT = timedelta(days=1).total_seconds()


@pytest.fixture
async def world() -> World:
    """Ada has credits, and one picture was made."""
    made = World()
    await made.open_account()
    await picture(made, KEY)
    return made


async def picture(world: World, key: Key) -> None:
    """Make one picture."""
    await world.ask(key)
    (running,) = world.replicate.running
    world.replicate.succeed(running.prediction_id)
    await world.webhook(running.prediction_id)
    await world.pump()


async def night(world: World) -> dict[str, list[str]]:
    """One night's audit of the accounts that moved: the differences of each, as texts."""
    world.pass_time(NIGHT)
    progress = await worker.begin_call(world.deps)
    assert progress is not None
    call = worker.Call(world.deps, progress, world.now() + timedelta(hours=1))
    return {looked.account_id: [str(each) for each in looked.differences] async for looked in call.looks()}


async def signed(world: World) -> Head:
    """Walk ada's ledger on from its last head, and sign where it ends."""
    account, _ = await world.store.load_account("ada")
    assert account is not None
    walked = await walking.walk_on(world.deps, account, world.now() + timedelta(hours=1))
    assert isinstance(walked, Walked)
    return await proofs.sign_head(world.deps, walked.point, world.now())


async def test_each_night_signs_what_came_since(world: World) -> None:
    """One head for each night with moves, none for a night without; each account its own."""
    await world.open_account("acme")
    assert await night(world) == {"ada": [], "acme": []}
    first = await proofs.all_heads(world.deps, "ada")
    assert [head.seq for head in first] == [world.account().seq]
    assert await night(world) == {}
    assert await proofs.all_heads(world.deps, "ada") == first
    await picture(world, Key("ada", "two"))
    assert await night(world) == {"ada": []}
    newest, *older = await proofs.all_heads(world.deps, "ada")
    assert older == first
    assert (newest.seq, newest.digest) == (world.account().seq, world.account().head)
    assert len(await proofs.all_heads(world.deps, "acme")) == 1


async def test_a_night_reads_only_what_came_since_the_last_head(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was signed is not walked again: the walk asks for entries after the head's number."""
    await night(world)
    before = world.account().seq
    await picture(world, Key("ada", "two"))
    asked: list[int] = []
    real = world.store.ledger

    def noted(account_id: str, after: int = 0) -> AsyncIterator[LedgerEntry]:
        asked.append(after)
        return real(account_id, after)

    monkeypatch.setattr(world.store, "ledger", noted)
    head = await signed(world)
    assert (asked, head.seq) == ([before], world.account().seq)


async def test_what_does_not_fit_is_reported_and_not_signed(world: World) -> None:
    """A name that somebody changed in an entry: the sums are right, and the digests too."""
    await night(world)
    heads = dict(world.blobs.proofs)
    await picture(world, Key("ada", "two"))
    last = world.store.entries[-1]
    world.store.entries[-1] = replace(last, why="another reason")
    (found,) = (await night(world))["ada"]
    assert f"entry {last.seq}: changed: the why beside it" in found
    assert world.blobs.proofs == heads
    world.store.entries[-1] = last
    assert (await night(world))["ada"] == []
    assert len(await proofs.all_heads(world.deps, "ada")) == 2


async def test_a_head_that_somebody_changed_is_reported(world: World) -> None:
    """Nothing is signed after it, because nothing is known of what was before."""
    await night(world)
    (name,) = (each for each in world.blobs.proofs if each.startswith("heads/"))
    whole = world.blobs.proofs[name]
    world.blobs.proofs[name] = whole.replace(b'"available":9', b'"available":8')
    await picture(world, Key("ada", "two"))
    (found,) = (await night(world))["ada"]
    assert "is not what was signed" in found
    assert len([each for each in world.blobs.proofs if each.startswith("heads/")]) == 1


async def test_a_persons_audit_signs_nothing(world: World) -> None:
    """It may be run at any time, by whoever may only read."""
    assert [each async for each in worker.audit(world.deps)] == []
    assert world.blobs.proofs == {}


async def test_an_account_that_moves_meanwhile_is_signed_where_it_was_read(world: World) -> None:
    """Entries after the account that the night has read belong to the next night; a verification compares there too."""
    account, _ = await world.store.load_account("ada")
    assert account is not None
    await picture(world, Key("ada", "two"))
    walked = await walking.walk_on(world.deps, account, world.now() + timedelta(hours=1))
    assert isinstance(walked, Walked)
    assert walked.beyond == account.seq + 1
    head = await proofs.sign_head(world.deps, walked.point, world.now())
    assert head.seq == account.seq < world.account().seq
    verified = await worker.verify(world.deps, "ada")
    assert isinstance(verified, walking.Verified)
    assert (verified.entries, verified.heads) == (world.account().seq, (head,))


async def test_an_entry_that_no_account_knows_is_found(world: World) -> None:
    """Its number is beyond the account's: no transaction leaves that behind."""
    last = world.store.entries[-1]
    world.store.entries.append(replace(last, seq=last.seq + 1, previous=last.digest, entry_id="more"))
    found = await worker.verify(world.deps, "ada")
    assert isinstance(found, Misfit)
    assert (found.seq, found.flaw) == (last.seq + 1, Flaw.INSERTED)


async def test_a_bucket_that_somebody_changed_is_found_though_the_sums_fit(world: World) -> None:
    """Credits moved from one bucket to another by hand. A head has buckets, so a walk from it knows them too."""
    await worker.grant(world.deps, "ada", 5, grant_id="more")
    await night(world)
    await worker.grant(world.deps, "ada", 1, grant_id="third")
    account = world.account()
    first, *others = account.buckets
    second = others[0]
    moved = (replace(first, available=first.available - 1), replace(second, available=second.available + 1))
    world.store.put_account(replace(account, buckets=(*moved, *others[1:])))
    names = sorted((first.terms.bucket_id, second.terms.bucket_id))
    found = (await night(world))["ada"]
    assert [text.split(": ")[0] for text in found] == [f"account ada, bucket {name} available" for name in names]
    verified = await worker.verify(world.deps, "ada")
    assert isinstance(verified, Misfit)
    assert (verified.flaw, verified.text) == (Flaw.SUMS, "the buckets of the account are not those of its ledger")
    assert len(await proofs.all_heads(world.deps, "ada")) == 1


async def test_a_head_names_nobody(world: World) -> None:
    """Neither the account nor its grants: what stands in it are keyed digests, in the order of the digests."""
    await worker.grant(world.deps, "ada", 5, grant_id="invoice-of-ada")
    await night(world)
    (head,) = await proofs.all_heads(world.deps, "ada")
    (name,) = (each for each in world.blobs.proofs if each.startswith("heads/"))
    assert b"ada" not in world.blobs.proofs[name]
    assert b"welcome" not in world.blobs.proofs[name]
    assert sorted(each[1:] for each in head.buckets) == [(5, 0), (9, 0)]
    assert list(head.buckets) == sorted(head.buckets)


async def filled(world: World, upto: int) -> None:
    """Ada's ledger has so many entries, none of which moves a credit."""
    while (seq := world.account().seq) < upto:
        await worker.suspend(world.deps, "ada", "unpaid", worker.Command(command_id=f"s{seq}"))


def forged(world: World, seq: int) -> None:
    """Change one entry, and make the chain anew from there: it needs no key, for the keyed digests are in the rows."""
    head = ""
    for index, entry in enumerate(world.store.entries):
        changed = replace(entry, previous=head, usd_micros=7 if entry.seq == seq else entry.usd_micros)
        head = digest_again(changed)
        world.store.entries[index] = replace(changed, digest=head)
    world.store.put_account(replace(world.account(), head=head))


async def test_of_a_rewritten_chain_the_entries_since_the_last_head_that_fitted_are_named() -> None:
    """Though that head, or the next one, is on another page of the walk; without a head before, from the first."""
    world = World()
    await world.open_account()
    for seq in (300, 700):
        await filled(world, seq)
        await signed(world)
    whole = list(world.store.entries)
    for seq, said in ((400, "301 to 700"), (650, "301 to 700"), (200, "1 to 300")):
        world.store.entries[:] = whole
        forged(world, seq)
        found = await worker.verify(world.deps, "ada")
        assert isinstance(found, Misfit)
        assert (found.flaw, found.seq) == (Flaw.REWRITTEN, int(said.split()[0]))
        assert f"entries {said} are in question" in found.text


async def test_a_walk_from_a_head_names_nothing_from_before_it() -> None:
    """What a walk began after is not in question, however many pages it has come, whatever was signed before."""
    world = World()
    await world.open_account()
    heads: dict[int, str] = {}
    for seq in (100, 150, 1200):
        await filled(world, seq)
        heads[seq] = world.account().head
    first = chain.verify([linking.chained(each) for each in world.store.entries[:120]], {})
    assert isinstance(first, Point)
    wrong = {100: heads[100], 1200: "0" * 64}
    found = await walking.walk(world.store.ledger("ada", 120), wrong, after=first)
    assert isinstance(found, Misfit)
    assert found.seq == 121


def unreadable(world: World, seq: int, **columns: object) -> None:
    """Somebody changes columns of an entry's row, so that it is no entry any more."""
    (entry,) = (each for each in world.store.entries if (each.account_id, each.seq) == ("ada", seq))
    with pytest.raises(UnreadableRow) as error:
        entry_of({**entry_row(entry), **columns})
    world.store.unreadable_entries["ada", seq] = error.value


@pytest.mark.parametrize("columns", [{"available": 6}, {"held": -7}, {"move": "gift"}, {"granted": None}])
async def test_an_entry_that_cannot_be_read_is_named(world: World, columns: dict[str, object]) -> None:
    """One amount that somebody changed does not add up: no entry can be made of the row, and it has a number."""
    unreadable(world, 3, **columns)
    found = await worker.verify(world.deps, "ada")
    assert isinstance(found, Misfit)
    assert (found.seq, found.flaw) == (3, Flaw.CHANGED)
    assert "row ada/entry:0000000000000003: " in found.text


async def test_what_does_not_fit_before_an_entry_that_cannot_be_read_is_named_first(world: World) -> None:
    """The page up to there is walked: one taken out, or one whose text was changed."""
    whole = list(world.store.entries)
    unreadable(world, 4, available=6)
    for entries, flaw in (
        ([whole[0], *whole[2:]], Flaw.MISSING),
        ([whole[0], replace(whole[1], usd_micros=7), *whole[2:]], Flaw.CHANGED),
        ([whole[0], replace(whole[1], asked="a lie"), *whole[2:]], Flaw.CHANGED),
    ):
        world.store.entries[:] = entries
        found = await worker.verify(world.deps, "ada")
        assert isinstance(found, Misfit)
        assert (found.seq, found.flaw) == (2, flaw)


async def test_an_entry_that_cannot_be_read_costs_its_own_account_only(world: World) -> None:
    """The night reports it by its number, signs no head of that account, and signs those of the others."""
    await world.open_account("acme")
    await world.open_account("zoe")
    unreadable(world, 3, available=6)
    found = await night(world)
    assert {name: len(each) for name, each in found.items()} == {"ada": 1, "acme": 0, "zoe": 0}
    assert "entry 3: changed: row ada/entry:0000000000000003" in found["ada"][0]
    assert [len(await proofs.all_heads(world.deps, each)) for each in ("ada", "acme", "zoe")] == [0, 1, 1]
    assert len((await night(world))["ada"]) == 1


async def test_the_ledger_of_an_account_that_cannot_be_read_is_walked_to_its_end(world: World) -> None:
    """What does not fit there is named; if all fits, the account's row is."""
    world.store.unreadable["ada"] = UnreadableRow("row ada/account: a sum or a bucket cannot be read", "ada")
    found = await worker.verify(world.deps, "ada")
    assert isinstance(found, Misfit)
    assert (found.seq, found.flaw) == (0, Flaw.CHANGED)
    assert str(found).startswith("the account's row: changed: row ada/account: a sum")
    assert f"its ledger fits up to entry {len(world.store.entries)}" in found.text
    world.store.entries[1] = replace(world.store.entries[1], usd_micros=7)
    found = await worker.verify(world.deps, "ada")
    assert isinstance(found, Misfit)
    assert (found.seq, found.flaw) == (2, Flaw.CHANGED)
    assert "the account's row: changed: row ada/account" in found.text


def gone(world: World) -> Account:
    """Somebody deletes the row of ada's account. Returns what was in it."""
    return world.store.drop_account("ada")


@pytest.mark.parametrize("left", ["head", "ledger", "both"])
async def test_an_account_whose_row_is_gone_is_reported_each_night(world: World, left: str) -> None:
    """Its ledger or a signed head says that there was one. Restored, it is whole, and signed again."""
    if left != "ledger":
        await night(world)
        await picture(world, Key("ada", "two"))
    entries, heads = list(world.store.entries), len(await proofs.all_heads(world.deps, "ada"))
    row = gone(world)
    world.store.entries[:] = [] if left == "head" else entries
    for _ in range(2):
        (found,) = (await night(world))["ada"]
        assert "the account's row: missing: there is none, and " in found
        assert len(await proofs.all_heads(world.deps, "ada")) == heads
    verified = await worker.verify(world.deps, "ada")
    assert isinstance(verified, Misfit)
    assert verified.flaw is Flaw.MISSING
    assert "the account's row: missing" in str(verified)
    world.store.entries[:] = entries
    world.store.put_account(row)
    assert await night(world) == {"ada": []}
    assert len(await proofs.all_heads(world.deps, "ada")) == heads + 1


async def test_an_account_that_never_was_is_no_difference(world: World) -> None:
    """It was noted, and then nothing was saved; or it is opened while the night looks at it."""
    await world.deps.moved.note("bob", world.now().date())
    await world.deps.moved.note("kim", world.now().date())

    class Opening(FakeStore):
        """A store in which kim's account is opened after it was looked for."""

        is_open = False

        async def load_account(self, account_id: str) -> tuple[Account | None, str]:
            """See ``Store``."""
            found = await super().load_account(account_id)
            if account_id == "kim" and not self.is_open:
                self.is_open = True
                await world.open_account("kim")
            return found

    opening = Opening()
    vars(opening).update(vars(world.store))
    world.deps = replace(world.deps, store=opening)
    assert await night(world) == {"ada": [], "bob": [], "kim": []}
    with pytest.raises(ValueError, match="there is no account 'bob'"):
        await worker.verify(world.deps, "bob")
