"""The container of signed heads and public keys, on the fake and on Azurite: what is written there stays."""

import asyncio

import pytest
from aiohttp import web
from azure.storage.blob.aio import BlobServiceClient

from dev.azurite import Azurite
from dev.fakes.blobs import FakeBlobs
from shared.adapters.azure_storage.blobs import BlobProofs, BlobSdk
from shared.adapters.azure_storage.blobs.errors import BlobKept
from shared.ports import Unavailable
from tests.adapters.conftest import fresh_name
from tests.adapters.containers import AllBlobs
from tests.adapters.simulators import scripted
from tests.adapters.trouble import answering

Containers = FakeBlobs | AllBlobs


async def test_a_proof_is_written_once(blobs: Containers) -> None:
    """Another content under its name is refused and changes nothing; the same content again is written already."""
    assert await blobs.put_proof("heads/a/1.json", b"one")
    assert not await blobs.put_proof("heads/a/1.json", b"two")
    assert await blobs.put_proof("heads/a/1.json", b"one")
    assert await blobs.read_proof("heads/a/1.json") == b"one"
    assert await blobs.read_proof("heads/a/2.json") is None
    assert list(await blobs.list_proofs("", 10)) == ["heads/a/1.json"]


async def test_of_many_that_write_one_name_one_wins(blobs: Containers) -> None:
    """Two workers sign the same head at the same time: one is written, whole."""
    contents = [bytes([65 + number]) * 5000 for number in range(8)]
    won = await asyncio.gather(*(blobs.put_proof("heads/a/1.json", content) for content in contents))
    assert won.count(True) == 1
    assert await blobs.read_proof("heads/a/1.json") == contents[won.index(True)]


async def test_proofs_are_listed_in_the_order_of_their_names(blobs: Containers) -> None:
    """By prefix, and no more than asked for: the newest head is the first."""
    for name in ("heads/b/1", "heads/a/3", "heads/a/1", "keys/x", "heads/a/2"):
        await blobs.put_proof(name, name.encode())
    assert list(await blobs.list_proofs("heads/a/", 2)) == ["heads/a/1", "heads/a/2"]
    assert list(await blobs.list_proofs("keys/", 9)) == ["keys/x"]
    assert list(await blobs.list_proofs("none/", 9)) == []


@pytest.mark.stack
async def test_a_missing_container_is_unavailable(blob_service: BlobServiceClient, azurite: Azurite) -> None:
    """Not taken for a head that was never written: else a night would begin at the first entry."""
    proofs = BlobProofs(BlobSdk(lambda: blob_service), fresh_name())
    with pytest.raises(Unavailable, match="deploy the infrastructure"):
        await proofs.put_proof("a", b"x")
    with pytest.raises(Unavailable, match="deploy the infrastructure"):
        await proofs.read_proof("a")


@pytest.mark.parametrize("code", ["BlobAlreadyExists", "BlobImmutableDueToPolicy"])
async def test_a_blob_that_the_policy_keeps_is_read_and_compared(code: str) -> None:
    """Azure answers a create of an existing blob with either code: Azurite knows no policy, so the answers are made."""
    refused = web.Response(status=409, headers={"x-ms-error-code": code})
    kept = web.Response(body=b"kept", headers={"Content-Range": "bytes 0-3/4", "ETag": '"1"'}, status=206)
    for content, written in ((b"kept", True), (b"other", False)):
        async with scripted(refused, kept) as server, BlobServiceClient(server.url, retry_total=0) as service:
            assert await _proofs(service).put_proof("a", content) is written
        assert [(method, headers.get("if-none-match")) for method, _, headers, _ in server.requests] == [
            ("PUT", "*"),
            ("GET", None),
        ]


async def test_another_conflict_is_not_taken_for_a_proof_that_is_there() -> None:
    """A container that is being deleted, or a lease, is an error."""
    for code, error in (("ContainerBeingDeleted", Unavailable), ("LeaseIdMissing", BlobKept)):
        async with answering(409, {"x-ms-error-code": code}) as url, BlobServiceClient(url, retry_total=0) as service:
            with pytest.raises(error):
                await _proofs(service).put_proof("a", b"x")


def _proofs(service: BlobServiceClient) -> BlobProofs:
    return BlobProofs(BlobSdk(lambda: service), "proofs")
