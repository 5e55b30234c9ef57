"""Outputs on their way into Blob Storage: what arrives at Azurite, and what goes wrong on the way."""

import base64
import io
import tempfile
import time
import tracemalloc
from typing import Any, BinaryIO, cast

import pytest
from aiohttp import web
from azure.core.exceptions import ClientAuthenticationError
from azure.storage.blob.aio import BlobServiceClient

from dev.azurite import ACCOUNT, Azurite
from shared.adapters.azure_storage.access import (
    COSMOS_SCOPE,
    STORAGE_SCOPE,
    AccountKey,
    Identity,
    NoToken,
    SharedAccessSignature,
    StorageAccount,
)
from shared.adapters.azure_storage.blobs import BlobOutputs, BlobRestClient
from shared.adapters.azure_storage.blobs.errors import BlobsRefused
from shared.adapters.azure_storage.blobs.rest_client import CHUNK_BYTES
from shared.ports import Unavailable
from tests.adapters.conftest import fresh_name
from tests.adapters.containers import AllBlobs
from tests.adapters.examples import AWKWARD_IDS
from tests.adapters.simulators import scripted
from tests.adapters.trouble import SAS, WRONG_KEY, answering, assert_discreet

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 100


async def uploaded(
    blob_service: BlobServiceClient, azurite: Azurite
) -> tuple[BlobOutputs, BlobOutputs, BlobRestClient]:
    """A container of its own, written without the SDK and read by it."""
    account = StorageAccount.by_string(azurite.connection_string, "blob")
    containers = AllBlobs(blob_service, fresh_name(), fresh_name(), account=account)
    await containers.ensure()
    return containers.outputs, containers.outputs, containers.client


@pytest.mark.stack
@pytest.mark.parametrize("user_id", AWKWARD_IDS)
async def test_an_output_reads_back_as_it_was_put(
    blob_service: BlobServiceClient, azurite: Azurite, user_id: str
) -> None:
    """Under any name that ids make, signed with the account's key; a second put overwrites."""
    blobs, containers, uploads = await uploaded(blob_service, azurite)
    name = f"{user_id}/{user_id[::-1]}/1-0.png"

    await blobs.put_output(name, io.BytesIO(bytes(CHUNK_BYTES + 1)), "image/png", {})
    await blobs.put_output(name, io.BytesIO(PNG), "image/png", {})

    assert await containers.read_output(name) == PNG
    await uploads.close()


@pytest.mark.stack
async def test_a_leased_output_is_there_already(blob_service: BlobServiceClient, azurite: Azurite) -> None:
    """Written again with the same length it is done; another content waits until it may be changed."""
    blobs, containers, uploads = await uploaded(blob_service, azurite)
    container = await blobs.put_output("a/b/1-0.png", io.BytesIO(PNG), "image/png", {})
    await blob_service.get_blob_client(container, "a/b/1-0.png").acquire_lease()

    await blobs.put_output("a/b/1-0.png", io.BytesIO(PNG), "image/png", {})
    with pytest.raises(Unavailable, match="may not be changed"):
        await blobs.put_output("a/b/1-0.png", io.BytesIO(PNG + b"x"), "image/png", {})
    assert await containers.read_output("a/b/1-0.png") == PNG
    await uploads.close()


@pytest.mark.stack
@pytest.mark.parametrize("size_bytes", [0, 1, CHUNK_BYTES, CHUNK_BYTES + 1, 5_000_000])
async def test_it_is_read_from_where_the_file_stands(
    blob_service: BlobServiceClient, azurite: Azurite, size_bytes: int
) -> None:
    """Bytes before the current position are not sent, and an empty rest is an empty blob; in one chunk or in many."""
    blobs, containers, uploads = await uploaded(blob_service, azurite)
    content = (bytes(range(251)) * (size_bytes // 251 + 1))[:size_bytes]
    file = io.BytesIO(b"head" + content)
    file.seek(4)

    await blobs.put_output("a/b/1-0.png", file, "image/png", {})

    assert await containers.read_output("a/b/1-0.png") == content
    await uploads.close()


@pytest.mark.stack
async def test_content_type_and_metadata_are_set(blob_service: BlobServiceClient, azurite: Azurite) -> None:
    """As an app that reads the container sees them; put_output says which container that is."""
    blobs, _, uploads = await uploaded(blob_service, azurite)

    container = await blobs.put_output("a/b/1-0.webp", io.BytesIO(PNG), "image/webp", {"model": "ä b", "seed": "0"})

    found = await blob_service.get_blob_client(container, "a/b/1-0.webp").get_blob_properties()
    assert found.content_settings.content_type == "image/webp"
    assert found.metadata == {"model": "%C3%A4%20b", "seed": "0"}
    await uploads.close()


@pytest.mark.stack
async def test_a_large_file_is_never_in_memory(blob_service: BlobServiceClient, azurite: Azurite) -> None:
    """20 MB from disk need the memory of a few chunks, not 20 MB; a spooled file is not written to disk."""
    blobs, _, uploads = await uploaded(blob_service, azurite)
    await blobs.put_output("warm", io.BytesIO(PNG), "image/png", {})
    with tempfile.TemporaryFile() as file, tempfile.SpooledTemporaryFile(max_size=len(PNG) + 1) as spool:
        file.write(bytes(20_000_000))
        file.seek(0)
        spool.write(PNG)
        spool.seek(0)
        tracemalloc.start()
        try:
            await blobs.put_output("a/b/1-0.png", file, "image/png", {})
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        await blobs.put_output("a/b/1-1.png", cast("BinaryIO", spool), "image/png", {})
        assert not cast("Any", spool)._rolled

    assert peak_bytes < 8 * CHUNK_BYTES
    await uploads.close()


@pytest.mark.stack
async def test_wrong_access_and_missing_containers_are_named(azurite: Azurite) -> None:
    """The role, or what the deployment has not made; nothing of what was to be signed."""
    right = StorageAccount.by_string(azurite.connection_string, "blob")
    wrong = StorageAccount(azurite.blob_url, AccountKey(ACCOUNT, base64.b64decode(WRONG_KEY), "blob"))
    for account, said in ((wrong, "Storage Blob Data Contributor"), (right, "a container does not exist: deploy")):
        uploads = BlobRestClient(account, pauses_s=())
        with pytest.raises(Unavailable, match=said) as caught:
            await uploads.put("nothere", "a", io.BytesIO(PNG), "image/png", {})
        assert_discreet(caught.value)
        await uploads.close()


@pytest.mark.parametrize(("status", "hint", "retry_after_s"), [(503, "7", 7.0), (429, "", None), (500, "soon", None)])
async def test_a_busy_service_is_unavailable(status: int, hint: str, retry_after_s: float | None) -> None:
    """With its own hint, if it is a number; without the signature."""
    async with answering(status, {"Retry-After": hint}) as url:
        uploads = BlobRestClient(StorageAccount(url, SharedAccessSignature(SAS)), pauses_s=())
        with pytest.raises(Unavailable, match=f"it answered {status}") as caught:
            await uploads.put("outputs", "a", io.BytesIO(PNG), "image/png", {})
        await uploads.close()

    assert caught.value.retry_after_s == retry_after_s
    assert_discreet(caught.value)


class InChunks(io.BytesIO):
    """A file that returns only a few bytes at a time."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Never."""
        raise AssertionError("it was read whole, which copies what is held in chunks")

    def read1(self, size: int | None = -1, /) -> bytes:
        """Up to 1000 bytes."""
        return super().read(min(1000, 1000 if size is None or size < 0 else size))


async def test_a_file_in_chunks_is_sent_as_it_is() -> None:
    """Each chunk is sent as it is read, from the file's current position to its end."""
    file = InChunks(PNG)
    file.seek(5)
    async with scripted(web.Response(status=201)) as service:
        uploads = BlobRestClient(StorageAccount(service.url, SharedAccessSignature(SAS)), pauses_s=())
        await uploads.put("outputs", "a", file, "image/png", {})
        await uploads.close()

    ((_, _, headers, body),) = service.requests
    assert body == PNG[5:]
    assert headers["content-length"] == str(len(PNG) - 5)


async def test_a_second_try_sends_the_whole_file_again() -> None:
    """The first is answered 503 after the file was read; the second has all of it, and its signature in the query."""
    async with scripted(web.Response(status=503), web.Response(status=201)) as service:
        uploads = BlobRestClient(StorageAccount(service.url, SharedAccessSignature(SAS)), pauses_s=(0,))
        await uploads.put("outputs", "a b", io.BytesIO(PNG), "image/png", {})
        await uploads.close()

    assert [body for _, _, _, body in service.requests] == [PNG, PNG]
    assert {path for _, path, _, _ in service.requests} == {f"/outputs/a%20b?{SAS}"}


async def test_what_will_never_be_accepted_is_refused_for_good() -> None:
    """Not Unavailable, or it would be tried again for ever."""
    async with answering(400, {"x-ms-error-code": "InvalidResourceName"}) as url:
        uploads = BlobRestClient(StorageAccount(url, SharedAccessSignature(SAS)))
        with pytest.raises(BlobsRefused, match="400 InvalidResourceName") as caught:
            await uploads.put("outputs", "a", io.BytesIO(PNG), "image/png", {})
        await uploads.close()

    assert_discreet(caught.value)


async def test_nobody_there_is_unavailable(unused_tcp_port: int) -> None:
    """Without the address or the signature in it."""
    uploads = BlobRestClient(
        StorageAccount(f"http://127.0.0.1:{unused_tcp_port}", SharedAccessSignature(SAS)), pauses_s=()
    )
    with pytest.raises(Unavailable, match="blobs is not available: no connection") as caught:
        await uploads.put("outputs", "a", io.BytesIO(PNG), "image/png", {})
    assert_discreet(caught.value)
    await uploads.close()


class Token:
    """A token as a credential returns it."""

    def __init__(self, token: str, expires_on: float) -> None:
        self.token = token
        self.expires_on = expires_on


class Credential:
    """An identity whose tokens live for so many seconds."""

    def __init__(self, life_s: float) -> None:
        self.life_s = life_s
        self.scopes: list[str] = []

    async def get_token(self, scope: str) -> Token:
        """Returns a new token, or raises."""
        self.scopes.append(scope)
        if self.life_s < 0:
            raise ClientAuthenticationError("a secret text")
        return Token(f"token-{len(self.scopes)}", time.time() + self.life_s)


async def test_a_token_serves_until_shortly_before_its_end() -> None:
    """A long one once for all requests, one that ends within five minutes for none but the first."""
    for life_s, tokens in ((3600, ["Bearer token-1", "Bearer token-1"]), (60, ["Bearer token-1", "Bearer token-2"])):
        identity = Identity(cast("Any", Credential(life_s)), STORAGE_SCOPE)
        sent: list[dict[str, str]] = [{}, {}]
        assert [await identity.sign("PUT", "/a", headers) for headers in sent] == ["", ""]
        assert [headers["Authorization"] for headers in sent] == tokens


async def test_no_token_is_unavailable() -> None:
    """In our words: the library's own may say more than a log should hold."""
    credential = Credential(-1)
    account = StorageAccount.by_identity("https://example.blob.core.windows.net", cast("Any", credential))
    with pytest.raises(NoToken):
        await account.access.sign("PUT", "/a", {})
    uploads = BlobRestClient(account, pauses_s=())
    with pytest.raises(Unavailable, match="no token for the identity") as caught:
        await uploads.put("outputs", "a", io.BytesIO(PNG), "image/png", {})

    assert "a secret text" not in str(caught.value)
    assert credential.scopes == [STORAGE_SCOPE] * 2


async def test_tables_of_cosmos_have_a_scope_of_their_own() -> None:
    """The same code scales out to Cosmos DB for Table."""
    credential = Credential(3600)
    account = StorageAccount.by_identity("https://example.table.cosmos.azure.com:443/", cast("Any", credential))
    await account.access.sign("GET", "/state", {})

    assert credential.scopes == [COSMOS_SCOPE]
    assert account.url == "https://example.table.cosmos.azure.com:443"


def test_a_connection_string_is_read_in_its_forms() -> None:
    """With endpoints, with a suffix, with a signature; anything else is refused without a word of it."""
    key = "AccountName=ada;AccountKey=c2VjcmV0"
    by_suffix = StorageAccount.by_string(f"DefaultEndpointsProtocol=https;{key};EndpointSuffix=core.cn", "table")
    by_endpoint = StorageAccount.by_string(f"{key};BlobEndpoint=http://127.0.0.1:1/ada/", "blob")
    by_signature = StorageAccount.by_string(f"TableEndpoint=https://t.example;SharedAccessSignature=?{SAS}", "table")

    assert by_suffix.url == "https://ada.table.core.cn"
    assert by_endpoint.url == "http://127.0.0.1:1/ada"
    assert by_signature == StorageAccount("https://t.example", SharedAccessSignature(SAS))
    assert "c2VjcmV0" not in repr(by_suffix)
    assert SAS not in repr(by_signature)
    with pytest.raises(ValueError, match="an account and its key") as caught:
        StorageAccount.by_string("AccountKey=c2VjcmV0", "table")
    assert "c2VjcmV0" not in str(caught.value)


# Reading.


@pytest.mark.stack
async def test_a_small_blob_is_read_whole(blob_service: BlobServiceClient, azurite: Azurite) -> None:
    """Up to so many bytes, the last one included; an empty one is empty, and a larger one is refused."""
    blobs, _, uploads = await uploaded(blob_service, azurite)
    container = await blobs.put_output("a b/ä.toml", io.BytesIO(PNG), "text/plain", {})
    await blobs.put_output("empty", io.BytesIO(b""), "text/plain", {})

    assert await uploads.read(container, "a b/ä.toml", len(PNG)) == PNG
    assert await uploads.read(container, "empty", 10) == b""
    with pytest.raises(OSError, match="more than 10 bytes"):
        await uploads.read(container, "a b/ä.toml", 10)
    await uploads.close()


@pytest.mark.stack
async def test_a_blob_that_cannot_be_read_says_why(blob_service: BlobServiceClient, azurite: Azurite) -> None:
    """Not there, or no access: what no further try would mend; nothing of what was to be signed."""
    blobs, _, uploads = await uploaded(blob_service, azurite)
    container = await blobs.put_output("a", io.BytesIO(PNG), "text/plain", {})
    for folder, name in (("nothere", "a"), (container, "b")):
        with pytest.raises(FileNotFoundError, match="it does not exist"):
            await uploads.read(folder, name, 10)
    await uploads.close()
    stranger = BlobRestClient(
        StorageAccount(azurite.blob_url, AccountKey(ACCOUNT, base64.b64decode(WRONG_KEY), "blob"))
    )
    with pytest.raises(PermissionError, match="Storage Blob Data Reader") as caught:
        await stranger.read(container, "a", 10)
    await stranger.close()
    assert_discreet(caught.value)


async def test_a_read_that_may_work_later_is_tried_again() -> None:
    """A few times; then it is Unavailable."""
    busy, there = web.Response(status=503), web.Response(status=206, body=b"text")
    async with scripted(busy, there) as service:
        uploads = BlobRestClient(StorageAccount(service.url, SharedAccessSignature(SAS)), pauses_s=(0,))
        assert await uploads.read("config", "a", 10) == b"text"
        await uploads.close()
    async with answering(503, {}) as url:
        uploads = BlobRestClient(StorageAccount(url, SharedAccessSignature(SAS)), pauses_s=(0,))
        with pytest.raises(Unavailable, match="it answered 503") as caught:
            await uploads.read("config", "a", 10)
        await uploads.close()
    assert_discreet(caught.value)
