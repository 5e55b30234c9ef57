"""Receipts, heads of ledgers and the keys that sign them.

Rules of this file:
1. A public key is published before the first document that it signs is handed out: what nobody can verify is no proof.
2. What was published is never changed. An old key stays, so that what it signed stays verifiable.
3. A document from the container is believed only after its signature was verified.
"""

from collections.abc import Sequence
from datetime import datetime

from shared.core.lifecycle.generation import AnyGeneration, Received
from shared.core.money import heads, signed
from shared.core.money.chain import Named, Point, keyed
from shared.core.money.heads import Head
from shared.ports import Dependencies, PublicKey

#: The folder of the public keys, and the most that are read.
_KEYS, _MOST_KEYS = "keys/", 1000

#: The most heads of one account that are compared in one walk: nine years of nights.
MOST_HEADS = 3300


async def receipt(deps: Dependencies, generation: AnyGeneration) -> bytes | None:
    """The signed receipt of a generation; None if it has not ended. Raises Unavailable without the key."""
    if isinstance(generation, Received) or not generation.receipt:
        return None
    return await _signed_facts(deps, dict(signed.facts_of(generation.receipt.encode())))


async def sign_head(deps: Dependencies, point: Point, at: datetime) -> Head:
    """Sign the head of a chain that was walked to this point and found whole, and write it. Returns what stands there.

    Raises ValueError if another digest was signed for this number before: then the chain was written anew.
    """
    head = heads.head_of(point, at)
    if not await deps.proofs.put_proof(head.name, await _signed_facts(deps, head.facts())):
        there = await _read_head(deps, head.name)
        if there is None or there.digest != head.digest:
            raise ValueError(f"entry {head.seq} was signed before with another digest")
        return there
    return head


async def last_head(deps: Dependencies, account_id: str) -> Head | None:
    """The newest signed head of an account: the checkpoint of its audit. None if none was signed."""
    found = await _heads(deps, account_id, 1)
    return found[0] if found else None


async def all_heads(deps: Dependencies, account_id: str) -> list[Head]:
    """The signed heads of an account, the newest first. Raises ValueError if one is not what was signed."""
    return await _heads(deps, account_id, MOST_HEADS)


async def head_before(deps: Dependencies, account_id: str, at: datetime) -> Head | None:
    """The newest head of an account that was signed at a time or before; None if there is none.

    Heads were signed in the order of their names, so half of those that are left fall away with each that is read.
    Raises ValueError if one of those is not what was signed.
    """
    names = await _head_names(deps, account_id, MOST_HEADS)
    low, high, found = 0, len(names), None
    while low < high:
        middle = (low + high) // 2
        head = await _read_head(deps, names[middle])
        if head is not None and head.at <= at:
            high, found = middle, head
        else:
            low = middle + 1
    return found


async def public_keys(deps: Dependencies) -> list[PublicKey]:
    """The public keys that were published, and the one that signs now."""
    await _publish(deps)
    found = [signed.read_key(await deps.proofs.read_proof(name)) for name in await _key_names(deps)]
    return [PublicKey(*each) for each in found if each]


def keys_document(keys: Sequence[PublicKey]) -> bytes:
    """The public keys as one JSON document, which verifies receipts offline."""
    return signed.canonical({"keys": [{"key_id": each.key_id, "public_key": each.public_key} for each in keys]})


async def fits(deps: Dependencies, document: signed.Document) -> bool:
    """Whether a document was signed by a key that was published."""
    key = signed.read_key(await deps.proofs.read_proof(_key_name(document.signed_by.key_id)))
    if key is None or key[0] != document.signed_by.key_id:
        return False
    return await deps.signer.fits(key[1], document.content, document.signed_by.signature)


async def _heads(deps: Dependencies, account_id: str, limit: int) -> list[Head]:
    found = [await _read_head(deps, name) for name in await _head_names(deps, account_id, limit)]
    return [each for each in found if each is not None]


async def _head_names(deps: Dependencies, account_id: str, limit: int) -> Sequence[str]:
    """The names of an account's heads, the newest first."""
    account = keyed(await deps.names_key(), Named.ACCOUNT, account_id)
    return await deps.proofs.list_proofs(heads.folder(account), limit)


async def _read_head(deps: Dependencies, name: str) -> Head | None:
    raw = await deps.proofs.read_proof(name)
    if raw is None:
        return None
    try:
        document = signed.read(raw)
        head = heads.read(document)
    except ValueError as error:
        raise ValueError(f"{name} is no signed head: {error}") from None
    if head.name != name or not await fits(deps, document):
        raise ValueError(f"{name} is not what was signed")
    return head


async def _signed_facts(deps: Dependencies, facts: dict[str, object]) -> bytes:
    await _publish(deps)
    return signed.document(facts, await deps.signer.sign(lambda key_id: signed.content(facts, key_id)))


async def _publish(deps: Dependencies) -> None:
    key = await deps.signer.public_key()
    name = _key_name(key.key_id)
    if await deps.proofs.read_proof(name) is None:
        await deps.proofs.put_proof(name, signed.key_document(key.public_key))


async def _key_names(deps: Dependencies) -> list[str]:
    return list(await deps.proofs.list_proofs(_KEYS, _MOST_KEYS))


def _key_name(key_id: str) -> str:
    return f"{_KEYS}{key_id}.json"
