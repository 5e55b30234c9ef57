"""The containers: the same cases on the fake and on Azurite, and what goes wrong on the way to the real one."""

import asyncio
import io
import tempfile
import tracemalloc
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, BinaryIO, cast

import httpx
import pytest
from azure.core.credentials import AzureSasCredential
from azure.storage.blob import UserDelegationKey
from azure.storage.blob.aio import BlobServiceClient

from dev.azurite import ACCOUNT, Azurite
from dev.fakes.blobs import FakeBlobs
from shared.adapters.azure_storage.access import StorageAccount
from shared.adapters.azure_storage.blobs import BLOCK_BYTES, CLIENT_OPTIONS, BlobSdk
from shared.adapters.azure_storage.blobs.errors import BlobsRefused
from shared.ports import Unavailable
from tests.adapters.conftest import fresh_name
from tests.adapters.containers import AllBlobs
from tests.adapters.examples import AWKWARD_IDS
from tests.adapters.trouble import SAS, WRONG_KEY, answering, assert_discreet

#: aiohttp would rather have a file than 4 MiB of bytes; the SDK gives it bytes. A block takes it about a millisecond.
pytestmark = pytest.mark.filterwarnings("ignore:Sending a large body directly:ResourceWarning")

Containers = FakeBlobs | AllBlobs


async def not_needed(_: str) -> bool:
    """Of no input that is swept a generation is open."""
    await asyncio.sleep(0)
    return False


PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 100


@pytest.mark.parametrize("user_id", AWKWARD_IDS)
async def test_an_output_reads_back_as_it_was_put(blobs: Containers, user_id: str) -> None:
    """Under any name that ids make."""
    name = f"{user_id}/{user_id[::-1]}/1-0.png"

    await blobs.put_output(name, io.BytesIO(PNG), "image/png", {})

    assert await blobs.read_output(name) == PNG


async def test_an_output_is_read_from_where_the_file_stands(blobs: Containers) -> None:
    """What was read before is not sent, and an empty rest is an empty blob."""
    file = io.BytesIO(b"headbody")
    file.seek(4)
    await blobs.put_output("a/b/1-0.txt", file, "text/plain", {})
    await blobs.put_output("a/b/1-1.txt", file, "text/plain", {})

    assert await blobs.read_output("a/b/1-0.txt") == b"body"
    assert await blobs.read_output("a/b/1-1.txt") == b""


@pytest.mark.parametrize("size_bytes", [BLOCK_BYTES, BLOCK_BYTES + 1, 2 * BLOCK_BYTES + 1])
async def test_a_larger_output_is_put_whole(blobs: Containers, size_bytes: int) -> None:
    """At the bound of one request, and in blocks beyond it."""
    content = bytes(range(251)) * (size_bytes // 251 + 1)

    await blobs.put_output("a/b/1-0.png", io.BytesIO(content[:size_bytes]), "image/png", {})

    assert await blobs.read_output("a/b/1-0.png") == content[:size_bytes]


async def test_a_second_put_overwrites(blobs: Containers) -> None:
    """Also a larger one by a smaller one."""
    await blobs.put_output("a/b/1-0.png", io.BytesIO(bytes(BLOCK_BYTES + 1)), "image/png", {})
    await blobs.put_output("a/b/1-0.png", io.BytesIO(PNG), "image/png", {})

    assert await blobs.read_output("a/b/1-0.png") == PNG


async def test_discarding_takes_what_begins_with_the_prefix(blobs: Containers) -> None:
    """And nothing else; where there is nothing it does nothing."""
    for name in ("a/b/1-0.png", "a/b/1-1.png", "a/b/2-0.png", "a/b2/1-0.png", "aa/b/1-0.png"):
        await blobs.put_output(name, io.BytesIO(PNG), "image/png", {})

    await blobs.discard_outputs("a/b/1-0.")
    await blobs.discard_outputs("a/b/1-0.")
    assert await _there(blobs) == {"a/b/1-1.png", "a/b/2-0.png", "a/b2/1-0.png", "aa/b/1-0.png"}

    await blobs.discard_outputs("a/b/")
    assert await _there(blobs) == {"a/b2/1-0.png", "aa/b/1-0.png"}


@pytest.mark.stack
async def test_a_leased_blob_stays_and_holds_up_nothing(blob_containers: AllBlobs) -> None:
    """What was to be deleted is counted, and the rest goes; what is there already need not be written again."""
    blobs = blob_containers
    for name in ("a/b/1-0.png", "a/b/1-1.png", "a/b/1-2.png"):
        await blobs.put_output(name, io.BytesIO(PNG), "image/png", {})
    await blobs.put_input("a/b/in.png", PNG, "image/png")
    await blobs.archive("requests/2026-11-21/ab.json", b"{}", {"reason": "x"})
    for container, name in (
        (blobs.outputs, "a/b/1-1.png"),
        (blobs.input_files, "a/b/in.png"),
        (blobs.dead_letters, "requests/2026-11-21/ab.json"),
    ):
        await container._container.client.get_blob_client(name).acquire_lease()

    assert await blobs.discard_outputs("a/b/") == 1
    assert await _there(blobs) == {"a/b/1-1.png"}
    assert await blobs.discard_inputs("a/b/") == 1
    later = datetime.now(UTC) + timedelta(days=1)
    assert await blobs.sweep_inputs(later, not_needed) == 0
    await blobs.archive("requests/2026-11-21/ab.json", b"{}", {"reason": "x"})
    await blobs.put_output("a/b/1-1.png", io.BytesIO(PNG), "image/png", {})
    with pytest.raises(Unavailable, match="may not be changed"):
        await blobs.put_output("a/b/1-1.png", io.BytesIO(PNG + b"x"), "image/png", {})
    assert await blobs.read_output("a/b/1-1.png") == PNG


async def test_a_dead_letter_is_kept_and_listed(blobs: Containers) -> None:
    """With its size and its metadata as they were given, whatever the characters; twice is once."""
    metadata = {"reason": "dead-lettered", "user_id": "a.b_c@d|e-f", "note": " 100 % söt\n🗼 ", "empty": ""}
    for raw in (b"first", b"{\xff not JSON"):
        await blobs.archive("requests/2026-11-21/ab.json", raw, metadata)

    (dead_letter,) = await blobs.list_dead_letters("requests/", 10)

    assert (dead_letter.name, dead_letter.size_bytes) == ("requests/2026-11-21/ab.json", 11)
    assert dead_letter.metadata == metadata
    assert dead_letter.archived_at.utcoffset() is not None
    assert await blobs.read_dead_letter(dead_letter.name) == b"{\xff not JSON"


async def test_dead_letters_are_listed_by_prefix_and_limit(blobs: Containers) -> None:
    """In the order of their names; outputs are not among them."""
    await blobs.put_output("requests/0.json", io.BytesIO(PNG), "image/png", {})
    for name in ("requests/2.json", "requests/1.json", "requests/3.json", "events/1.json"):
        await blobs.archive(name, b"{}", {})

    assert [dead_letter.name for dead_letter in await blobs.list_dead_letters("requests/", 2)] == [
        "requests/1.json",
        "requests/2.json",
    ]
    assert len(await blobs.list_dead_letters("", 10)) == 4
    assert list(await blobs.list_dead_letters("nothing/", 10)) == []


async def test_what_is_not_there_is_not_found(blobs: Containers) -> None:
    """A name that was never stored, by its name."""
    with pytest.raises(FileNotFoundError, match="a/b"):
        await blobs.read_output("a/b")
    with pytest.raises(FileNotFoundError, match="a/b"):
        await blobs.read_dead_letter("a/b")


@pytest.mark.stack
async def test_content_type_and_metadata_are_set(blob_service: BlobServiceClient, azurite: Azurite) -> None:
    """As an app that reads the container sees them; put_output says which container that is."""
    outputs = fresh_name()
    account = StorageAccount.by_string(azurite.connection_string, "blob")
    blobs = AllBlobs(blob_service, outputs, fresh_name(), account=account)
    await blobs.ensure()
    await blobs.ensure()

    container = await blobs.put_output("a/b/1-0.webp", io.BytesIO(PNG), "image/webp", {"model": "ä b", "seed": "0"})

    assert container == outputs
    found = await blob_service.get_blob_client(container, "a/b/1-0.webp").get_blob_properties()
    assert found.content_settings.content_type == "image/webp"
    assert found.metadata == {"model": "%C3%A4%20b", "seed": "0"}


@pytest.mark.stack
async def test_a_large_file_is_never_in_memory(blob_containers: AllBlobs) -> None:
    """20 MB from disk need a few blocks of memory, not 20 MB."""
    with tempfile.TemporaryFile() as file:
        for _ in range(20):
            file.write(bytes(1_000_000))
        file.seek(0)
        tracemalloc.start()
        try:
            await blob_containers.put_output("a/b/1-0.png", file, "image/png", {})
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    assert peak_bytes < 3 * BLOCK_BYTES


@pytest.mark.stack
async def test_a_small_file_is_not_written_to_disk(blob_containers: AllBlobs) -> None:
    """A spooled file stays in memory: asked for its descriptor it would go to disk."""
    with tempfile.SpooledTemporaryFile(max_size=len(PNG) + 1) as spool:
        spool.write(PNG)
        spool.seek(0)
        await blob_containers.put_output("a/b/1-0.png", cast("BinaryIO", spool), "image/png", {})

        assert not cast("Any", spool)._rolled
    assert await blob_containers.read_output("a/b/1-0.png") == PNG


def works(blobs: AllBlobs) -> list[Coroutine[Any, Any, object]]:
    """One call of each kind, not begun."""
    return [
        blobs.discard_outputs("a"),
        blobs.archive("a", b"", {}),
        blobs.read_output("a"),
        blobs.list_dead_letters("", 1),
    ]


@pytest.mark.stack
async def test_a_missing_container_is_no_missing_blob(blob_service: BlobServiceClient) -> None:
    """The deployment is not finished, and the messages wait for it."""
    for work in works(AllBlobs(blob_service, fresh_name(), fresh_name())):
        with pytest.raises(Unavailable, match="a container does not exist: deploy"):
            await work


@pytest.mark.stack
async def test_a_wrong_key_says_what_is_needed(azurite: Azurite) -> None:
    """The role, and nothing of what was to be signed."""
    wrong = {"account_name": ACCOUNT, "account_key": WRONG_KEY}
    async with BlobServiceClient(azurite.blob_url, credential=wrong, **CLIENT_OPTIONS) as service:
        with pytest.raises(Unavailable, match="Storage Blob Data Contributor") as caught:
            await AllBlobs(service, "outputs", "dead-letters").archive("a", b"", {})

    assert_discreet(caught.value)


async def test_nobody_there_is_unavailable(unused_tcp_port: int) -> None:
    """Without the address or the signature in it."""
    url = f"http://127.0.0.1:{unused_tcp_port}/account"
    async with BlobServiceClient(url, credential=AzureSasCredential(SAS), retry_total=0) as service:
        blobs = AllBlobs(service, "outputs", "dead-letters")
        for work in (*works(blobs), blobs.ensure()):
            with pytest.raises(Unavailable, match="blobs is not available: no connection") as caught:
                await work
            assert_discreet(caught.value)


@pytest.mark.parametrize(("status", "hint", "retry_after_s"), [(503, "7", 7.0), (429, "", None), (500, "soon", None)])
async def test_a_busy_service_is_unavailable(status: int, hint: str, retry_after_s: float | None) -> None:
    """With its own hint, if it is a number."""
    async with (
        answering(status, {"Retry-After": hint}) as url,
        BlobServiceClient(url, credential=AzureSasCredential(SAS), retry_total=0) as service,
    ):
        with pytest.raises(Unavailable, match=f"it answered {status}") as caught:
            await AllBlobs(service, "outputs", "dead-letters").archive("a", b"", {})

    assert caught.value.retry_after_s == retry_after_s
    assert_discreet(caught.value)


async def test_what_will_never_be_accepted_is_refused_for_good() -> None:
    """Not Unavailable, or it would be tried again for ever."""
    async with (
        answering(400, {"x-ms-error-code": "InvalidResourceName"}) as url,
        BlobServiceClient(url, credential=AzureSasCredential(SAS), retry_total=0) as service,
    ):
        with pytest.raises(BlobsRefused, match="400 InvalidResourceName") as caught:
            await AllBlobs(service, "outputs", "dead-letters").archive("a", b"", {})

    assert_discreet(caught.value)


async def _there(blobs: Containers) -> set[str]:
    """Which of the outputs that a test knows of are there."""
    found = set()
    for name in ("a/b/1-0.png", "a/b/1-1.png", "a/b/2-0.png", "a/b2/1-0.png", "aa/b/1-0.png"):
        try:
            await blobs.read_output(name)
        except FileNotFoundError:
            continue
        found.add(name)
    return found


# Inputs and the quarantine.


async def test_a_small_input_is_its_own_address(blobs: Containers) -> None:
    """With its type; one that is not there has none."""
    await blobs.put_input("a/b/c.png", b"a cat", "image/png")

    assert await blobs.input_address("a/b/c.png", 60, 5) == "data:image/png;base64,YSBjYXQ="
    assert await blobs.input_address("a/b/d.png", 60, 5) is None


async def test_inputs_go_by_prefix(blobs: Containers) -> None:
    """Those of one generation, and nobody else's."""
    for name in ("a/b/c.png", "a/b2/c.png"):
        await blobs.put_input(name, b"a cat", "image/png")

    await blobs.discard_inputs("a/b/")

    assert await blobs.input_address("a/b/c.png", 60, 100) is None
    assert await blobs.input_address("a/b2/c.png", 60, 100) is not None


async def test_what_is_old_enough_is_swept(blobs: Containers) -> None:
    """Inputs and refused outputs, each before its own moment; outputs never."""
    never, always = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
    await blobs.put_output("a/b/1-0.png", io.BytesIO(PNG), "image/png", {})
    await blobs.put_input("a/b/c.png", b"a cat", "image/png")
    await blobs.put_refused("a/b/1-1.png", io.BytesIO(PNG), "image/png", {"category": "Sexual"})

    assert (await blobs.sweep_inputs(never, not_needed), await blobs.sweep_refused(never)) == (0, 0)
    assert (await blobs.sweep_inputs(always, not_needed), await blobs.sweep_refused(never)) == (1, 0)
    assert (await blobs.sweep_inputs(never, not_needed), await blobs.sweep_refused(always)) == (0, 1)
    assert (await blobs.sweep_inputs(always, not_needed), await blobs.sweep_refused(always)) == (0, 0)
    assert await blobs.read_output("a/b/1-0.png") == PNG


async def test_what_is_needed_is_not_swept(blobs: Containers) -> None:
    """However old it is; and only what is old enough is asked about."""
    asked = []

    async def needed(name: str) -> bool:
        await asyncio.sleep(0)
        asked.append(name)
        return name.startswith("a/b/")

    for name in ("a/b/c.png", "a/b2/c.png"):
        await blobs.put_input(name, b"a cat", "image/png")

    assert (await blobs.sweep_inputs(datetime(2000, 1, 1, tzinfo=UTC), needed), asked) == (0, [])
    assert await blobs.sweep_inputs(datetime(2100, 1, 1, tzinfo=UTC), needed) == 1
    assert asked == ["a/b/c.png", "a/b2/c.png"]
    assert await blobs.input_address("a/b/c.png", 60, 100) is not None
    assert await blobs.input_address("a/b2/c.png", 60, 100) is None


async def test_what_is_stored_again_during_a_sweep_stays(blobs: Containers) -> None:
    """Also with the same content: whoever has copied it again needs it now."""

    async def copied_again(name: str) -> bool:
        await blobs.put_input(name, b"a cat", "image/png")
        return False

    await blobs.put_input("a/b/c.png", b"a cat", "image/png")

    assert await blobs.sweep_inputs(datetime(2100, 1, 1, tzinfo=UTC), copied_again) == 0
    assert await blobs.input_address("a/b/c.png", 60, 100) is not None


@pytest.mark.stack
async def test_a_larger_input_is_read_by_whoever_has_its_address(blob_containers: AllBlobs) -> None:
    """Without a login, for reading only, and not without the signature or after its time."""
    await blob_containers.put_input("a/b/c.png", PNG, "image/png")
    address = await blob_containers.input_address("a/b/c.png", 60, 100)
    over = await blob_containers.input_address("a/b/c.png", -60, 100)
    assert address is not None
    assert over is not None

    async with httpx.AsyncClient(trust_env=False) as stranger:
        assert (await stranger.get(address)).content == PNG
        assert (await stranger.get(over)).status_code == 403
        assert (await stranger.get(address.partition("?")[0])).status_code in (403, 404)
        assert (await stranger.put(address, content=b"x", headers={"x-ms-blob-type": "BlockBlob"})).status_code == 403
        assert (await stranger.get(address.replace("c.png", "d.png"))).status_code in (403, 404)


class Delegating:
    """A service that an identity logs in to: it has no key, and gives one to sign with."""

    account_name = "darkroom"
    credential = object()

    def __init__(self) -> None:
        self.given = 0

    def get_container_client(self, name: str) -> object:
        """Nothing that is asked here."""
        return object()

    async def get_user_delegation_key(self, start: datetime, expiry: datetime) -> UserDelegationKey:
        """A key for so long."""
        self.given += 1
        key = UserDelegationKey()  # type: ignore[no-untyped-call]  # the SDK says nothing of it
        key.value = f"{start:%H}{expiry:%H}"
        return key


async def test_an_identity_signs_with_a_key_that_is_lent_to_it() -> None:
    """Asked for once, and again only for what would outlive it."""
    service = Delegating()
    sdk = BlobSdk(lambda: cast("BlobServiceClient", service))
    now = datetime.now(UTC)
    first = await sdk.signing(now + timedelta(hours=1))
    second = await sdk.signing(now + timedelta(hours=2))
    assert first == second
    assert set(first) == {"user_delegation_key"}
    assert service.given == 1
    await sdk.signing(now + timedelta(days=2))
    assert service.given == 2
