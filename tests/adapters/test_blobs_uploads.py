"""What the app puts into its uploads, and what is read of it there: the same cases on the fake and on Azurite."""

import io
import tempfile
import tracemalloc
from uuid import uuid4

import aiohttp
import pytest
from azure.core.credentials import AzureSasCredential
from azure.storage.blob.aio import BlobServiceClient

from dev.fakes.blobs import FakeBlobs
from shared.adapters.azure_storage.blobs import BLOCK_BYTES
from shared.ports import Unavailable
from tests.adapters.conftest import fresh_name
from tests.adapters.containers import AllBlobs
from tests.adapters.trouble import SAS, assert_discreet

#: The fake's addresses lead nowhere; one of the service's leads to the bytes.
Containers = FakeBlobs | AllBlobs


def fresh() -> str:
    """A name of its own, with what a name may have: the container is the same for all cases."""
    return f"ada@x|y/{uuid4().hex}/a b (1).zip"


async def test_an_upload_reads_back_as_it_was(blobs: Containers) -> None:
    """From where the file stands; its size is known without reading it."""
    name, file = fresh(), io.BytesIO(b"--archive")
    file.seek(2)
    await blobs.put_upload(name, file)
    assert await blobs.upload_size(name) == 7
    read = io.BytesIO()
    assert await blobs.read_upload(name, read)
    assert read.getvalue() == b"archive"


async def test_an_input_reads_back_as_it_was(blobs: Containers) -> None:
    """What was screened is what is handed over; one that is gone is said to be."""
    name, read = fresh(), io.BytesIO()
    await blobs.put_input(name, b"screened", "image/png")
    assert await blobs.read_input(name, read)
    assert read.getvalue() == b"screened"
    assert not await blobs.read_input(fresh(), read)
    assert read.getvalue() == b"screened"


async def test_an_upload_is_overwritten_by_one_of_its_name(blobs: Containers) -> None:
    """The later one counts, and an empty one is one too."""
    name = fresh()
    await blobs.put_upload(name, io.BytesIO(b"first"))
    await blobs.put_upload(name, io.BytesIO(b""))
    assert await blobs.upload_size(name) == 0


async def test_an_upload_that_is_not_there(blobs: Containers) -> None:
    """Has no size, no content and no address."""
    name, read = fresh(), io.BytesIO()
    assert await blobs.upload_size(name) is None
    assert not await blobs.read_upload(name, read)
    assert read.getvalue() == b""
    assert await blobs.upload_address(name, 60) is None


@pytest.mark.stack
async def test_the_address_of_an_upload_leads_to_it(blob_containers: AllBlobs) -> None:
    """For whoever has the address, and to nothing else."""
    name, other = fresh(), fresh()
    for each in (name, other):
        await blob_containers.put_upload(each, io.BytesIO(each.encode()))
    address = await blob_containers.upload_address(name, 60) or ""
    plain, _, signature = address.partition("?")
    mine, theirs = name.split("/")[1], other.split("/")[1]
    async with aiohttp.ClientSession() as session:
        async with session.get(address) as answer:
            assert await answer.read() == name.encode()
        for refused in (plain, f"{plain.replace(mine, theirs)}?{signature}"):
            async with session.get(refused) as answer:
                assert answer.status in (401, 403, 404)


@pytest.mark.stack
async def test_the_address_of_an_upload_reads_and_ends(blob_containers: AllBlobs) -> None:
    """It writes nothing, and leads nowhere after its time."""
    name = fresh()
    await blob_containers.put_upload(name, io.BytesIO(b"mine"))
    address = await blob_containers.upload_address(name, 60) or ""
    over = await blob_containers.upload_address(name, -60) or ""
    headers = {"x-ms-blob-type": "BlockBlob"}
    async with aiohttp.ClientSession() as session:
        async with session.put(address, data=b"theirs", headers=headers) as answer:
            assert answer.status == 403
        async with session.get(over) as answer:
            assert answer.status == 403
    assert await blob_containers.upload_size(name) == 4


@pytest.mark.stack
async def test_a_large_upload_is_never_in_memory(blob_containers: AllBlobs) -> None:
    """40 MB go into a file on disk by a few blocks of memory: an archive may have 100."""
    name = fresh()
    with tempfile.TemporaryFile() as file:
        for _ in range(40):
            file.write(bytes(1_000_000))
        file.seek(0)
        await blob_containers.put_upload(name, file)
    with tempfile.TemporaryFile() as file:
        tracemalloc.start()
        try:
            assert await blob_containers.read_upload(name, file)
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert file.seek(0, io.SEEK_CUR) == 40_000_000

    assert peak_bytes < 5 * BLOCK_BYTES


@pytest.mark.stack
async def test_missing_uploads_are_no_missing_file(blob_service: BlobServiceClient) -> None:
    """A missing container means an unfinished deployment, so the user's request is not refused for a missing file."""
    blobs = AllBlobs(blob_service, fresh_name(), fresh_name(), uploads=fresh_name())
    for work in (blobs.upload_size("a/b"), blobs.read_upload("a/b", io.BytesIO()), blobs.upload_address("a/b", 60)):
        with pytest.raises(Unavailable, match="a container does not exist: deploy"):
            await work


async def test_nobody_there_is_unavailable(unused_tcp_port: int) -> None:
    """Without the address or the signature in it."""
    url = f"http://127.0.0.1:{unused_tcp_port}/account"
    async with BlobServiceClient(url, credential=AzureSasCredential(SAS), retry_total=0) as service:
        blobs = AllBlobs(service, "outputs", "dead-letters")
        for work in (blobs.upload_size("a/b"), blobs.read_upload("a/b", io.BytesIO()), blobs.upload_address("a/b", 60)):
            with pytest.raises(Unavailable, match="blobs is not available: no connection") as caught:
                await work
            assert_discreet(caught.value)
