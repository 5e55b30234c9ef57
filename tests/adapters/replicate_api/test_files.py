"""Files: uploads as they are, bounded before a byte is sent; downloads in chunks."""

import hashlib
import os
import tempfile
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import BinaryIO, cast

import pytest
from aiohttp import web

from shared.adapters.replicate.sdk import errors
from shared.adapters.replicate.sdk.api.files import MOST_BYTES, signed
from tests.adapters.replicate_api.world import OWNER, World, api_at
from tests.adapters.simulators import scripted


async def test_a_file_arrives_as_it_is(world: World) -> None:
    """Content, name, type and metadata, also such as must not break a form's headers."""
    name, content = 'ünï "q"\r\nX: y.bin', os.urandom(300_000)
    file = await world.api.files.create(
        BytesIO(content), filename=name, content_type="application/zip", metadata={"who": "ä", "n": 1}
    )
    assert (file.size_bytes, file.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert (file.name, file.content_type, file.metadata) == (name, "application/zip", {"who": "ä", "n": 1})
    assert file.url == f"{world.url}/v1/files/{file.id}"
    assert file.created_at is not None
    assert file.expires_at == file.created_at + timedelta(days=1)


async def test_a_file_is_read_from_its_beginning() -> None:
    """An open file is sent whole, wherever it was read to, and again whole after a refused token."""
    async with scripted(web.Response(status=401), web.Response(status=201, body=b'{"id": "x"}')) as server:
        api = api_at(server.url)
        with tempfile.TemporaryFile() as file:
            file.write(b"content of a file")
            await api.files.create(cast("BinaryIO", file), filename="a.txt")
        await api.close()
    assert len(server.requests) == 2
    for _, _, headers, body in server.requests:
        assert b"\r\n\r\ncontent of a file\r\n" in body
        assert int(headers["content-length"]) == len(body)


class Vast(BytesIO):
    """A file that says it is just too large, and is never read."""

    def seek(self, offset: int, whence: int = 0) -> int:
        """Return a size just above the limit."""
        return MOST_BYTES + 1

    def read(self, size: int | None = -1) -> bytes:
        """Fail the test: it must not be read."""
        raise AssertionError("a file that is too large was read")


@pytest.mark.parametrize(
    ("content", "name", "field", "text"),
    [
        (Vast(), "a.bin", "content", "must have 1 byte to 100 MiB, and has 104857601 bytes"),
        (b"", "a.bin", "content", "and has 0 bytes"),
        (b"x", "", "filename", "must have 1 to 255 bytes, and has 0"),
        (b"x", "ä" * 128, "filename", "and has 256"),
    ],
)
async def test_what_replicate_would_refuse_is_not_sent(
    content: bytes | BinaryIO, name: str, field: str, text: str
) -> None:
    """The size and the name are checked before a byte is sent; the error names the field, the rule and the value."""
    async with scripted(web.Response(status=201)) as server:
        api = api_at(server.url)
        with pytest.raises(errors.ValidationError, match=text) as raised:
            await api.files.create(content, filename=name)
        assert list(raised.value.fields) == [field]
        assert server.requests == []
        await api.close()


async def test_a_large_file_streams_through() -> None:
    """The largest there may be is sent in chunks and not held in memory twice."""
    received = 0

    async def take(request: web.Request) -> web.Response:
        nonlocal received
        async for chunk in request.content.iter_chunked(1024 * 1024):
            received += len(chunk)
        return web.json_response({"id": "x"}, status=201)

    app = web.Application(client_max_size=0)
    app.add_routes([web.post("/v1/files", take)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    api = api_at(f"http://127.0.0.1:{runner.addresses[0][1]}")
    with tempfile.TemporaryFile() as file:
        file.truncate(MOST_BYTES)
        await api.files.create(cast("BinaryIO", file), filename="a.bin")
    assert MOST_BYTES < received < MOST_BYTES + 2000
    await api.close()
    await runner.cleanup()


async def test_files_go_when_deleted_or_expired(world: World) -> None:
    """Then they are not found, nor in the list."""
    first = await world.api.files.create(b"one", filename="1")
    second = await world.api.files.create(b"two", filename="2")
    assert [file.id async for file in world.api.files.list()] == [second.id, first.id]
    await world.api.files.delete(first.id)
    with pytest.raises(errors.NotFoundError):
        await world.api.files.get(first.id)
    world.later(25 * 3600)
    assert [file async for file in world.api.files.list()] == []


async def test_a_download_needs_its_signature(world: World) -> None:
    """A good one opens the file; another owner's, or one from yesterday, finds nothing."""
    file = await world.api.files.create(b"content", filename="1")
    secret, tomorrow = world.simulator.library.files_secret, datetime.now(UTC) + timedelta(days=1)

    async def downloaded(owner: str, expiry: datetime, signature: str) -> bytes:
        async with world.api.files.download(file.id, owner=owner, expiry=expiry, signature=signature) as chunks:
            return b"".join([chunk async for chunk in chunks])

    good = signed(secret, owner=OWNER, file_id=file.id, expiry=tomorrow)
    assert await downloaded(OWNER, tomorrow, good) == b"content"
    yesterday = datetime.now(UTC) - timedelta(days=1)
    old = signed(secret, owner=OWNER, file_id=file.id, expiry=yesterday)
    for owner, expiry, signature in (("eve", tomorrow, good), (OWNER, yesterday, old), (OWNER, tomorrow, "x")):
        with pytest.raises(errors.NotFoundError):
            await downloaded(owner, expiry, signature)


def test_the_signature_is_the_documented_one() -> None:
    """HMAC-SHA256 over owner, id and expiry, in base64: computed with openssl."""
    expiry = datetime.fromtimestamp(1708515345, UTC)
    assert signed("secret", owner="mattt", file_id="cneqzikepnug6xezperrr4z55o", expiry=expiry) == SIGNATURE


#: printf 'mattt cneqzikepnug6xezperrr4z55o 1708515345' | openssl dgst -sha256 -hmac secret -binary | base64
SIGNATURE = "5h/+sPj5rY7iVgAzKddyblXZ6MOfLFicFgdBesnUi8U="
