"""A data file that operators edit in place, on Azurite: read with its version, written over that version alone."""

import io

import pytest
from azure.storage.blob.aio import BlobServiceClient

from shared.adapters.azure_storage.blobs import BlobEditedFile, BlobSdk
from shared.ports import Unavailable
from tests.adapters.conftest import fresh_name

pytestmark = pytest.mark.stack


async def test_a_file_is_created_once_and_then_changed_by_its_version(blob_service: BlobServiceClient) -> None:
    """Where there is none it is made; a second maker, and a writer with an old version, change nothing."""
    container = fresh_name()
    await blob_service.create_container(container)
    file = BlobEditedFile(BlobSdk(lambda: blob_service), container, "my/catalog.toml")
    assert await file.read(100) is None
    assert await file.write(b"first", None)
    assert not await file.write(b"also first", None)
    found = await file.read(100)
    assert found is not None
    content, etag = found
    assert content == b"first"
    assert await file.write(b"second", etag)
    assert not await file.write(b"from the old version", etag)
    again = await file.read(100)
    assert again is not None
    assert again[0] == b"second"


async def test_a_write_whose_answer_was_lost_counts_as_written(blob_service: BlobServiceClient) -> None:
    """The next try meets its own content under another version."""
    container = fresh_name()
    await blob_service.create_container(container)
    file = BlobEditedFile(BlobSdk(lambda: blob_service), container, "catalog.toml")
    assert await file.write(b"same", None)
    assert await file.write(b"same", None)


async def test_a_file_that_is_too_large_or_has_no_container_is_an_error(blob_service: BlobServiceClient) -> None:
    """Not more than allowed is read, and a missing container is not a missing file."""
    container = fresh_name()
    made = await blob_service.create_container(container)
    await made.upload_blob("large", io.BytesIO(b"x" * 101))
    with pytest.raises(OSError, match="larger than 100 bytes"):
        await BlobEditedFile(BlobSdk(lambda: blob_service), container, "large").read(100)
    nowhere = BlobEditedFile(BlobSdk(lambda: blob_service), fresh_name(), "large")
    with pytest.raises(Unavailable, match="a container does not exist"):
        await nowhere.read(100)
