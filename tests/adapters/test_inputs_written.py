"""Input files: what is asked for is what was written, and what is said of a body's packing."""

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.net.public_client import PublicClient
from shared.core.reasons import Refusal
from tests.adapters.strangers import Handler, moved, picture, raw_site, site, why

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n"

PLAIN = ("", " ", "identity", "aws-chunked", "aws-chunked,identity", "utf-8", "UTF-8", "none", "binary", "image/png")


@pytest.mark.parametrize("said", PLAIN)
async def test_an_unknown_content_encoding_is_ignored(said: str) -> None:
    """Objects in buckets carry what their uploader wrote into their metadata; these bytes are plain."""
    head = HEAD + f"Content-Encoding: {said}\r\nContent-Length: 3\r\n\r\n".encode()
    async with raw_site(head + b"abc") as server:
        assert await server.fetcher().get(server.at("/")) == b"abc"


@pytest.mark.parametrize("said", ["gzip", "GZIP", "x-gzip", "aws-chunked, gzip", "deflate", "br", "zstd", "compress"])
async def test_a_compressed_file_is_refused_however_it_is_declared(said: str) -> None:
    """In a list, in capitals, by an old name, and in a second header of the same name: nothing is decompressed here."""
    for lines in (f"Content-Encoding: {said}\r\n", f"Content-Encoding: identity\r\nContent-Encoding: {said}\r\n"):
        async with raw_site(HEAD + lines.encode() + b"Content-Length: 3\r\n\r\nabc") as server:
            assert "compressed" in why(await server.fetcher().get(server.at("/")))


WRITTEN = (
    "/a%2Fb.png?X-Amz-Credential=AKIA%2F20261121%2Fs3&X-Amz-Signature=0a",
    "/a%3Ab.png?sig=a%2Fb%3D&se=2026-11-21T12%3A00%3A00Z",
    "/it%27s.png?sig=%27",
    "/it's(1)!*.png?sig=~_-.",
    "/a%2eb/%2E%2E/c.png?x=%2e",
    "/a/./b/../c.png?x=1",
    "//a//b.png?x=//",
    "/a+b%20c.png?x=a+b%20c",
    "/%7Eada/a.png?x=%7E",
    "/%c3%bc.png?x=%C3%BC",
    "/a.png?x=%zz&y=%",
    "/a.png?x=1&x=2&&y=",
    "/a.png?x=a?b/c:d@e",
    "/a;v=1.png?x={1}|[2]^`",
    "/@pictures.example:1/a.png?x=@169.254.169.254",
)


async def written_paths(handler: Handler, path: str) -> tuple[list[str], bytes | Refusal]:
    """The paths that a server was asked for, as they came over the line, and what was got."""
    asked: list[str] = []

    async def noted(request: web.Request) -> web.StreamResponse:
        asked.append(request.raw_path)
        return await handler(request)

    async with site(noted) as server:
        return asked, await server.fetcher().get(server.at(path))


@pytest.mark.parametrize("path", WRITTEN)
async def test_an_address_is_asked_for_as_it_was_written(path: str) -> None:
    """Directly and after a redirect to it: a signature is about these very characters."""
    assert await written_paths(picture, path) == ([path], b"a picture")
    if not path.startswith("//"):  # that would be another host
        asked, got = await written_paths(moved(path), "/first?y=%2F")
        assert got == b"a picture"
        assert asked[0] == "/first?y=%2F"
        assert asked[1] == path.replace("/a/./b/../c.png", "/a/c.png")  # as a relative address is resolved


async def test_a_redirect_to_a_whole_address_is_followed_as_it_was_written() -> None:
    """With host and port: nothing of it is resolved or quoted anew."""

    async def handler(request: web.Request) -> web.StreamResponse:
        if request.raw_path == "/first":
            place = f"https://pictures.example:{request.url.port}/a%2F./%2e%2E/b'.png?sig=%2f%3A~"
            return web.Response(status=302, headers={"Location": place})
        return await picture(request)

    asked, got = await written_paths(handler, "/first")
    assert (asked, got) == (["/first", "/a%2F./%2e%2E/b'.png?sig=%2f%3A~"], b"a picture")


@pytest.mark.parametrize(
    ("path", "asked"), [("/ü b.png?q=ü b#ü", "/%C3%BC%20b.png?q=%C3%BC%20b"), ("?x=1", "/?x=1"), ("", "/")]
)
async def test_what_cannot_stand_in_a_request_is_encoded(path: str, asked: str) -> None:
    """An umlaut and a blank, and nothing else; the part after a hash stays here."""
    assert await written_paths(picture, path) == ([asked], b"a picture")


@given(st.text("/\\@:?#[]%.;&=~'\" 2ea\u00fc", max_size=30))
def test_no_path_leads_to_another_host(path: str) -> None:
    """Whatever comes after the host: it is refused, or host and port are those that were checked."""
    checked = PublicClient().check(f"https://pictures.example/{path}")
    assert checked is None or (checked.scheme, checked.raw_host, checked.port) == ("https", "pictures.example", 443)
