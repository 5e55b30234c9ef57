"""Signed heads and published keys: what was signed stays, and what is not what was signed is not believed."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from dev.fakes.signing import fake_signer
from dev.fakes.world import START, World
from shared import worker
from shared.core.dependency import Dependency
from shared.core.money import chain, signed
from shared.core.money.chain import Named, Point, keyed
from shared.core.money.heads import Head
from shared.ports import Unavailable
from shared.worker import proofs

NIGHT = timedelta(days=1)


@pytest.fixture
def world() -> World:
    """Nothing was signed yet."""
    return World()


async def point(world: World, account_id: str, seq: int) -> Point:
    """Where a walk of an account's ledger came to."""
    account = keyed(await world.deps.names_key(), Named.ACCOUNT, account_id)
    return Point(account=account, seq=seq, digest=f"{seq:064x}", sums=(seq, seq, 0, 0, 0, 0))


async def sign(world: World, seq: int, account_id: str = "acme") -> Head:
    """Sign the head of an account at a number."""
    return await proofs.sign_head(world.deps, await point(world, account_id, seq), world.now())


async def test_the_newest_head_is_the_checkpoint(world: World) -> None:
    """Of its own account; a walk goes on after it; without one there is none."""
    assert await proofs.last_head(world.deps, "acme") is None
    made = []
    for seq in (9, 10, 120):
        made.append(await sign(world, seq))
        world.time += NIGHT
    await sign(world, 500, "other")
    assert await proofs.last_head(world.deps, "acme") == made[-1]
    assert await proofs.all_heads(world.deps, "acme") == made[::-1]
    assert made[-1].point.seq == 120
    assert made[-1].at == START + 2 * NIGHT


async def test_a_head_is_signed_once(world: World) -> None:
    """The second night without moves signs nothing new; the first time stays, and so do the bytes."""
    first = await sign(world, 9)
    before = dict(world.blobs.proofs)
    world.time += NIGHT
    assert await sign(world, 9) == first
    assert world.blobs.proofs == before


async def test_two_that_sign_the_same_head_agree(world: World) -> None:
    """Two workers at once: one is written, and both return it."""
    heads = await asyncio.gather(*(sign(world, 9) for _ in range(8)))
    assert len(set(heads)) == 1
    assert len([name for name in world.blobs.proofs if name.startswith("heads/")]) == 1


async def test_a_chain_that_was_written_anew_is_not_signed_again(world: World) -> None:
    """Another digest under the same number is an error, and the old head stays."""
    await sign(world, 9)
    before = dict(world.blobs.proofs)
    other = replace(await point(world, "acme", 9), digest="f" * 64)
    with pytest.raises(ValueError, match="entry 9 was signed before with another digest"):
        await proofs.sign_head(world.deps, other, world.now())
    assert world.blobs.proofs == before


async def test_a_ledger_without_entries_is_not_signed(world: World) -> None:
    """It has no head."""
    with pytest.raises(ValueError, match="without entries"):
        await proofs.sign_head(world.deps, chain.START, world.now())
    assert world.blobs.proofs == {}


async def test_a_head_that_is_not_what_was_signed_is_not_believed(world: World) -> None:
    """A changed fact, another account's head under this name, another key's signature, or no head at all."""
    head = await sign(world, 9)
    other = await sign(world, 9, "other")
    raw, others = world.blobs.proofs[head.name], world.blobs.proofs[other.name]
    facts = signed.read(raw).facts
    strange = await fake_signer(1).sign(lambda key_id: signed.content(facts, key_id))
    for wrong, said in (
        (raw.replace(b'"seq":9', b'"seq":8'), "is not what was signed"),
        (raw.replace(b'"available":9', b'"available":8'), "is not what was signed"),
        (others, "is not what was signed"),
        (signed.document(facts, strange), "is not what was signed"),
        (b"{}", "is no signed head"),
        (b"\xff", "is no signed head"),
    ):
        world.blobs.proofs[head.name] = wrong
        with pytest.raises(ValueError, match=said):
            await proofs.last_head(world.deps, "acme")
    world.blobs.proofs[head.name] = raw
    assert await proofs.last_head(world.deps, "acme") == head


async def test_a_key_is_published_before_it_signs_and_stays(world: World) -> None:
    """After a rotation both keys are there, and both heads are believed."""
    await sign(world, 9)
    world.deps = replace(world.deps, signer=fake_signer(1))
    await sign(world, 10)
    assert [head.seq for head in await proofs.all_heads(world.deps, "acme")] == [10, 9]
    keys = await worker.public_keys(world.deps)
    assert len(keys) == 2
    assert signed.read_keys(worker.keys_document(keys)) == [(key.key_id, key.public_key) for key in keys]


async def test_a_published_key_under_another_id_is_no_key(world: World) -> None:
    """A key that somebody put there under the id of ours does not make his signature ours."""
    head = await sign(world, 9)
    own, other = (await world.deps.signer.public_key()).key_id, fake_signer(1)
    forged = signed.key_document((await other.public_key()).public_key)
    forged = forged.replace((await other.public_key()).key_id.encode(), own.encode())
    for key in (forged, signed.key_document((await other.public_key()).public_key)):
        world.blobs.proofs[f"keys/{own}.json"] = key
        facts = signed.read(world.blobs.proofs[head.name]).facts
        content = signed.content(facts, own)
        signature = await other.sign(lambda _, content=content: content)  # type: ignore[misc]  # a default of its own
        world.blobs.proofs[head.name] = signed.document(facts, signed.Signature(own, signature.signature))
        assert not await worker.fits(world.deps, signed.read(world.blobs.proofs[head.name]))
    with pytest.raises(ValueError, match="is not what was signed"):
        await proofs.last_head(world.deps, "acme")
    assert head.name in world.blobs.proofs


async def test_nothing_is_signed_that_nobody_could_verify(world: World) -> None:
    """While the container is down, no head and no receipt is handed out."""

    class Down(type(world.blobs)):  # type: ignore[misc]  # the fake of this world, out of order
        async def put_proof(self, name: str, content: bytes) -> bool:
            raise Unavailable(Dependency.BLOBS, "the test says so")

    world.deps = replace(world.deps, proofs=Down())
    with pytest.raises(Unavailable):
        await sign(world, 9)
