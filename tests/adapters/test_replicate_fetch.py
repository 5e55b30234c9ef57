"""Outputs: from Replicate's own hosts only, without the token, bounded; and the proxies."""

import asyncio
import base64

import pytest
from aiohttp import web

from shared.adapters.replicate.downloads import MOST_BYTES
from shared.adapters.replicate.port import Replicate
from shared.core.provider.prediction import DeferReason, NotCreated
from shared.core.reasons import Reason
from shared.ports import OutputUnfit, Unavailable
from tests.adapters.examples import attempt
from tests.adapters.replicate_clients import CREATED, KEY, TOKEN, ref, replicate, says
from tests.adapters.simulators import (
    Answer,
    Connection,
    answer_by_halves,
    answer_nonsense,
    drop_after_reading,
    never_answer,
    raw_server,
    read_request,
    scripted,
)

PICTURE = bytes(range(256)) * 1000


async def fetched(adapter: Replicate, uri: str, most_bytes: int = 1_000_000) -> bytes:
    """The whole output; each chunk is checked for its size."""
    content = bytearray()
    async with adapter.fetch(uri, most_bytes) as chunks:
        async for chunk in chunks:
            assert 0 < len(chunk) <= MOST_BYTES
            content += chunk
    return bytes(content)


async def refusal_of(adapter: Replicate, uri: str, most_bytes: int = 1_000_000) -> Reason:
    """Why an output is unfit."""
    with pytest.raises(OutputUnfit) as raised:
        await fetched(adapter, uri, most_bytes)
    return raised.value.refusal.reason


async def test_an_output_is_streamed_without_the_token() -> None:
    """All of its bytes, in small chunks, and no Authorization header."""
    async with (
        scripted(web.Response(body=PICTURE)) as server,
        replicate(server.url, delivery_url=server.url) as adapter,
    ):
        assert await fetched(adapter, f"{server.url}/pbxt/a%2Fb/out-0.webp?sig=a%2Bb%3D") == PICTURE
        assert await fetched(adapter, f"{server.url}/pbxt/out-0.webp", len(PICTURE)) == PICTURE
    method, path, headers, _ = server.requests[0]
    assert (method, path) == ("GET", "/pbxt/a%2Fb/out-0.webp?sig=a%2Bb%3D")
    assert "authorization" not in headers
    assert TOKEN not in str(headers)


async def test_a_subdomain_is_allowed_and_nothing_else() -> None:
    """The delivery host and what is below it, over the same scheme and port; no tricks with names."""
    async with replicate("http://127.0.0.1:1") as adapter:  # delivery: https://replicate.delivery
        for uri in (
            "https://evil.example/out.png",
            "https://replicate.delivery.evil.example/out.png",
            "https://evilreplicate.delivery/out.png",
            "https://replicate.delivery@evil.example/out.png",
            "https://user:pass@replicate.delivery/out.png",
            "https://replicate.delivery\\@evil.example/",
            "https://evil.example#.replicate.delivery",
            "https://evil.example/.replicate.delivery",
            "http://replicate.delivery/out.png",
            "https://replicate.delivery:8443/out.png",
            "ftp://replicate.delivery/out.png",
            "file:///etc/passwd",
            "//replicate.delivery/out.png",
            "http://169.254.169.254/metadata",
            "https://[::1/out.png",
            "https://replicate.delivery/\x00",
            "https://replicate.delivery/\r\nHost: evil.example",
            "https://replicate.delivery:99999/out.png",
            "https://evil.example%2f.replicate.delivery/out.png",
            "https://evil.example%00.replicate.delivery/out.png",
            "https://evil.example;.replicate.delivery/out.png",
            "https://evil.example\u3002replicate.delivery/out.png",
            "https:///out.png",
            "a text and no address",
            "",
        ):
            assert await refusal_of(adapter, uri) is Reason.OUTPUT_INVALID, uri


async def test_a_subdomain_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A subdomain of the delivery host is connected to (through a proxy, so that its name needs no DNS)."""
    async with scripted(web.Response(body=b"abc")) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        async with replicate("http://127.0.0.1:1", delivery_url="http://replicate.delivery") as adapter:
            assert await fetched(adapter, "http://pbxt.replicate.delivery/x/out-0.png") == b"abc"
            assert await fetched(adapter, "http://PBXT.Replicate.Delivery/x/out-1.png") == b"abc"
    assert [request[2]["host"].lower() for request in proxy.requests] == ["pbxt.replicate.delivery"] * 2


async def test_an_address_is_asked_as_it_is() -> None:
    """What a signature may be about stays; only what no request line can hold is encoded."""
    async with (
        scripted(web.Response(body=b"abc")) as server,
        replicate(server.url, delivery_url=server.url) as adapter,
    ):
        assert await fetched(adapter, f"{server.url}/a%41/b+c/ä d.png?sig=a%2Bb%3D+&x='(y)") == b"abc"
    assert server.requests[0][1] == "/a%41/b+c/%C3%A4%20d.png?sig=a%2Bb%3D+&x='(y)"


async def in_chunks(request: web.Request) -> web.StreamResponse:
    """Without a length, in chunks of which one ends where the next begins."""
    response = web.StreamResponse()
    response.enable_chunked_encoding()
    await response.prepare(request)
    for start in range(0, len(PICTURE) * 40, 100_000):
        await response.write((PICTURE * 40)[start : start + 100_000])
    return response


@pytest.mark.parametrize("answer", [web.Response(body=PICTURE * 40), in_chunks], ids=["length", "chunks"])
async def test_the_chunks_of_a_large_output_stay_small(answer: web.Response | Answer) -> None:
    """However long it is and however slowly it is taken: what waits is bounded, and nothing is lost."""
    large = PICTURE * 40
    received = []
    async with (
        scripted(answer) as server,
        replicate(server.url, delivery_url=server.url) as adapter,
        adapter.fetch(f"{server.url}/out.png", len(large)) as chunks,
    ):
        async for chunk in chunks:
            received.append(chunk)
            await asyncio.sleep(0.01)
    assert b"".join(received) == large
    assert max(len(chunk) for chunk in received) <= MOST_BYTES


@pytest.mark.parametrize("status", [404, 410])
async def test_a_deleted_output_has_expired(status: int) -> None:
    """After an hour Replicate deletes outputs."""
    async with scripted(says(status)) as server, replicate(server.url, delivery_url=server.url) as adapter:
        assert await refusal_of(adapter, f"{server.url}/out.png") is Reason.OUTPUT_EXPIRED


@pytest.mark.parametrize("status", [302, 401, 403, 429, 500, 503, 206])
async def test_other_answers_are_unavailable(status: int) -> None:
    """They may pass; a redirect is not followed."""
    answer = web.Response(status=status, headers={"Location": "/elsewhere"})
    async with scripted(answer) as server, replicate(server.url, delivery_url=server.url) as adapter:
        with pytest.raises(Unavailable, match=str(status)):
            await fetched(adapter, f"{server.url}/out.png")
    assert len(server.requests) == 1


async def test_an_output_that_says_it_is_too_large_is_not_read() -> None:
    """Its Content-Length is enough."""
    async with (
        scripted(web.Response(body=PICTURE)) as server,
        replicate(server.url, delivery_url=server.url) as adapter,
    ):
        assert await refusal_of(adapter, f"{server.url}/out.png", len(PICTURE) - 1) is Reason.OUTPUT_INVALID


async def test_an_output_that_turns_out_too_large_is_cut_off() -> None:
    """Without a Content-Length the chunks are counted, and an endless one ends."""

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(bytes(64 * 1024))

    async with scripted(endless) as server, replicate(server.url, delivery_url=server.url) as adapter:
        assert await refusal_of(adapter, f"{server.url}/out.png", 1_000_000) is Reason.OUTPUT_INVALID


async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Promise 1000 bytes, send 10, hang up."""
    await answer_by_halves(reader, writer, b"200 OK")


async def stalled(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Promise 1000 bytes, send 10, and nothing more."""
    await half(reader, writer)
    await reader.read()


@pytest.mark.parametrize("connection", [drop_after_reading, never_answer, half, stalled, answer_nonsense])
async def test_a_broken_transfer_is_unavailable(connection: Connection) -> None:
    """It is fetched again later; its address is not in the text."""
    async with raw_server(connection) as url, replicate(url, delivery_url=url) as adapter:
        with pytest.raises(Unavailable) as raised:
            await fetched(adapter, f"{url}/out.png?sig=abc")
    assert "sig=" not in str(raised.value)


async def test_what_the_reader_raises_comes_through() -> None:
    """An error of the code that uses the chunks does not count as one of the transfer."""
    async with (
        scripted(web.Response(body=PICTURE)) as server,
        replicate(server.url, delivery_url=server.url) as adapter,
    ):
        with pytest.raises(OSError, match="disk full"):
            async with adapter.fetch(f"{server.url}/out.png", 1_000_000):
                raise OSError("disk full")
        assert await fetched(adapter, f"{server.url}/out.png") == PICTURE


async def test_data_uris_are_decoded() -> None:
    """Base64 and percent-encoding, within the same bounds."""
    async with replicate("http://127.0.0.1:1") as adapter:
        encoded = base64.b64encode(PICTURE).decode()
        assert await fetched(adapter, f"data:image/png;base64,{encoded}") == PICTURE
        assert await fetched(adapter, f"DATA:application/octet-stream;BASE64,{encoded}") == PICTURE
        assert await fetched(adapter, "data:,a%20text%00") == b"a text\x00"
        assert await fetched(adapter, f"data:;base64,{encoded}", len(PICTURE)) == PICTURE
        for uri, most_bytes in (
            (f"data:;base64,{encoded}", len(PICTURE) - 1),
            ("data:,abc", 2),
            ("data:;base64,abcde", 100),
            ("data:;base64,a*bc", 100),
            ("data:no comma", 100),
        ):
            assert await refusal_of(adapter, uri, most_bytes) is Reason.OUTPUT_INVALID


# Proxies.


# httpx-aiohttp 0.2 hands a proxy's login on in the old way; aiohttp 3 still takes it.
@pytest.mark.filterwarnings("ignore:.*(BasicAuth|proxy_auth).*deprecated:DeprecationWarning")
async def test_the_proxy_variables_are_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain http goes through HTTP_PROXY, with the proxy's own login; NO_PROXY is left out."""
    async with scripted(says(200, CREATED)) as proxy, scripted(says(200, CREATED)) as direct:
        monkeypatch.setenv("HTTP_PROXY", proxy.url.replace("http://", "http://us%40er:secret@"))
        monkeypatch.setenv("http_proxy", proxy.url.replace("http://", "http://us%40er:secret@"))
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        async with replicate("http://api.replicate.example") as adapter:
            assert await adapter.get(ref("p" * 26)) is not None
        async with replicate(direct.url) as adapter:
            assert await adapter.get(ref("p" * 26)) is not None
    assert len(proxy.requests) == 1
    assert len(direct.requests) == 1
    headers = proxy.requests[0][2]
    assert headers["host"] == "api.replicate.example"
    assert headers["proxy-authorization"] == "Basic " + base64.b64encode(b"us@er:secret").decode()


async def test_https_goes_through_a_tunnel(monkeypatch: pytest.MonkeyPatch) -> None:
    """For https the proxy is asked for a tunnel; if it refuses, nothing was sent, and the token is not shown to it."""
    seen = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await read_request(reader))
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    async with raw_server(refuse) as proxy:
        monkeypatch.setenv("https_proxy", proxy)
        async with replicate("https://api.replicate.example") as adapter:
            assert await adapter.create(KEY, attempt()) == NotCreated(DeferReason.UNREACHABLE, 5)
    assert seen[0].startswith(b"CONNECT api.replicate.example:443 ")
    assert TOKEN.encode() not in seen[0]
