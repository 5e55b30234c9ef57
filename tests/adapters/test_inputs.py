"""Input files from user-supplied URLs: what is fetched, and what must never be (SSRF).

The servers are on loopback (strangers.py). Only the constructor opens loopback to a test.
"""

import ast
import asyncio
from collections.abc import Sequence

import pytest
from aiohttp import web

from shared.adapters.net.input_files import InputFetcher
from shared.adapters.net.public_client import PublicClient
from shared.composition.app import App
from shared.config.settings import Settings
from tests.adapters.strangers import Names, moved, picture, raw_site, site, trusting, why
from tests.cli.counter import ENV
from tests.sources import app, nodes


async def test_a_file_is_fetched_from_the_name_that_was_checked() -> None:
    """TLS and the Host header have the name; the connection goes to the address; no cookie, nothing compressed."""
    async with site(picture) as server:
        assert await server.fetcher().get(server.at("/a.png?sig=1#part")) == b"a picture"
    assert server.paths == ["/a.png?sig=1"]
    assert server.headers[0]["Host"] == f"pictures.example:{server.port}"
    assert server.headers[0]["Accept-Encoding"] == "identity"


async def test_a_name_in_another_script_works() -> None:
    """It is resolved and checked in its ASCII form."""
    names = Names()
    async with site(picture) as server:
        assert await server.fetcher(names).get(server.at("/", host="münchen.example")) == b"a picture"
    assert names.asked == ["xn--mnchen-3ya.example"]


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.0.0.1",
        "100.64.0.1",
        "100.127.255.254",
        "127.0.0.1",
        "127.0.0.2",
        "168.63.129.16",
        "169.254.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.8",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:93.184.216.34",
        "::ffff:0:7f00:1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::a00:1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::",
        "3fff::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
        "ff0e::1",
        "not an address",
        "",
    ],
)
async def test_addresses_that_are_not_public_are_refused(address: str) -> None:
    """Written out, behind a name, and behind a redirect; nothing is ever asked there."""
    names = Names(bad_example=[[address]])
    fetcher = InputFetcher(resolve=names, tls=trusting())
    assert "host" in why(await fetcher.get("https://bad.example/"))
    if address and "not" not in address:
        written = f"[{address.replace('%', '%25')}]" if ":" in address else address
        assert why(await fetcher.get(f"https://{written}/"))
        async with site(moved(f"https://{written}/latest/meta-data/")) as server:
            assert why(await server.fetcher().get(server.at("/")))
            assert server.paths == ["/"]


async def test_one_bad_address_among_good_ones_refuses_the_host() -> None:
    """Whoever gives a private address among public ones has something in mind."""
    names = Names(mixed_example=[["127.0.0.1", "10.0.0.1"]])
    async with site(picture) as server:
        assert "host" in why(await server.fetcher(names).get(server.at("/", host="mixed.example")))
    assert not server.paths


async def test_a_name_that_changes_its_mind_is_asked_once() -> None:
    """DNS rebinding: the first answer was checked, and the connection goes there and nowhere else."""
    names = Names(rebind_example=[["127.0.0.1"], ["127.0.0.2"], ["169.254.169.254"]])
    async with site(picture) as server:
        assert await server.fetcher(names).get(server.at("/", host="rebind.example")) == b"a picture"
    assert names.asked == ["rebind.example"]


async def test_a_name_is_checked_anew_after_a_redirect() -> None:
    """The same name may have another address by then, and that one is refused."""
    names = Names(rebind_example=[["127.0.0.1"], ["10.0.0.1"]])
    async with site(moved("/again")) as server:
        assert "host" in why(await server.fetcher(names).get(server.at("/", host="rebind.example")))
    assert server.paths == ["/"]


async def test_the_certificate_is_checked_against_the_name() -> None:
    """A server that cannot prove the name is not listened to."""
    async with site(picture) as server:
        assert "could not be fetched" in why(await server.fetcher().get(server.at("/", host="other.example")))
        untrusting = InputFetcher(resolve=Names(), opened={"pictures.example": server.port})
        assert "could not be fetched" in why(await untrusting.get(server.at("/")))
    assert not server.paths


async def test_the_usual_port_stands_for_the_port_of_an_opened_name() -> None:
    """So that the pages' own addresses lead to the local stack's samples: for this name alone, and no other port."""
    async with site(picture) as server:
        assert await server.fetcher().get("https://pictures.example/cat.png") == b"a picture"
        assert server.paths == ["/cat.png"]
        assert why(await server.fetcher().get("https://pictures.example:444/cat.png"))
    assert server.paths == ["/cat.png"]


@pytest.mark.parametrize("host", ["127.0.0.1", "strange.example", "[::ffff:127.0.0.1]"])
@pytest.mark.parametrize("port", [":{port}", ""])
async def test_what_a_test_opens_is_open_to_its_own_names_alone(host: str, port: str) -> None:
    """The same server, by its bare address or by a name that was not opened: never asked, directly or by a redirect."""
    place = f"https://{host}{port}/here"
    async with site(picture) as server:
        assert why(await server.fetcher().get(place.format(port=server.port)))
        assert not server.paths

    async def here_again(request: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": place.format(port=request.url.port)})

    async with site(here_again) as server:
        assert why(await server.fetcher().get(server.at("/")))
        assert server.paths == ["/"]


async def test_what_a_test_opens_does_not_open_its_other_ports_or_addresses() -> None:
    """One port on one address; the public rules hold for whatever else its name resolves to."""
    names = Names(pictures_example=[["127.0.0.2"], ["::1"], ["169.254.169.254"], ["127.0.0.1", "127.0.0.2"]])
    async with site(picture) as server, site(picture) as other:
        fetcher = server.fetcher(names)
        for _ in range(4):
            assert "host" in why(await fetcher.get(server.at("/")))
        assert "address" in why(await fetcher.get(f"https://pictures.example:{other.port}/"))
        assert "host" in why(await fetcher.get("https://pictures.example/"))
    assert (server.paths, other.paths) == ([], [])


def test_the_composition_opens_nothing() -> None:
    """The product constructs InputFetcher once, without arguments, and no setting changes it."""
    calls = [
        node
        for file in app()
        if "InputFetcher" in file.read_text(encoding="utf-8")
        for node in nodes(file)
        if isinstance(node, ast.Call) and "InputFetcher" in ast.unparse(node.func)
    ]
    assert [(ast.unparse(call.func), call.args, call.keywords) for call in calls] == [("InputFetcher", [], [])]
    storage = {"STORAGE_CONNECTION_STRING": "AccountName=darkroom;AccountKey=c2VjcmV0;EndpointSuffix=core.windows.net"}
    fetcher = App(Settings.from_env(ENV | storage)).deps.inputs
    assert isinstance(fetcher, InputFetcher)
    assert vars(fetcher) | {"_client": None} == vars(InputFetcher()) | {"_client": None}
    assert vars(fetcher._client) == vars(PublicClient())
    assert not fetcher._client._opened


def test_the_bounds_are_those_that_are_promised() -> None:
    """20 MB, 20 seconds, and https at its own port."""
    fetcher = InputFetcher()
    assert (fetcher._most_bytes, fetcher._total_s) == (20 * 1024 * 1024, 20)
    assert fetcher._client.check("https://pictures.example/a.png") is not None


@pytest.mark.parametrize(
    "url",
    [
        "http://pictures.example/a.png",
        "ftp://pictures.example/a.png",
        "file:///etc/passwd",
        "data:image/png;base64,AAAA",
        "gopher://pictures.example/",
        "//pictures.example/a.png",
        "pictures.example/a.png",
        "https:///a.png",
        "https://",
        "",
        "https://user@pictures.example/",
        "https://user:secret@pictures.example/",
        "https://:secret@pictures.example/",
        "https://pictures.example:80/",
        "https://pictures.example:8443/",
        "https://pictures.example:99999/",
        "https://pictures.example\\@169.254.169.254/",
        "https://pictures.example/\r\nHost: other",
        "https://pictures.example/\x00",
        "https://[::1/",
        "https://127.1/",
        "https://2130706433/",
        "https://017700000001/",
        "https://0x7f.0.0.1/",
        "https://localhost/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:7f00:1]/",
        "https://%31%32%37.0.0.1/",
        "https://\uff11\uff12\uff17.0.0.1/",
    ],
)
async def test_addresses_of_another_form_are_refused(url: str) -> None:
    """With the system's own resolver: whatever it makes of odd numbers is checked."""
    assert why(await InputFetcher(total_s=2).get(url))


@pytest.mark.parametrize(
    "place",
    [
        "http://pictures.example/",
        "https://169.254.169.254/latest/meta-data/",
        "https://[::ffff:169.254.169.254]/",
        "https://[fd00:ec2::254]/",
        "https://[64:ff9b::a9fe:a9fe]/",
        "https://127.0.0.1:1/",
        "https://user@pictures.example/",
        "file:///etc/passwd",
        "//169.254.169.254/",
        "https://[bad/",
        "",
    ],
)
async def test_a_redirect_is_held_to_the_same_rules(place: str) -> None:
    """Wherever it points: nothing is asked there."""
    async with site(moved(place)) as server:
        assert why(await server.fetcher().get(server.at("/")))
    assert server.paths == ["/"]


async def test_three_redirects_are_followed_and_no_more() -> None:
    """Relative ones as well; no cookie is carried along."""
    async with site(moved("/one", "two", "//pictures.example:444/three")) as server:
        assert why(await server.fetcher().get(server.at("/")))  # the third leaves the port that a test has opened
    async with site(moved("/one", "/two", "/three")) as server:
        assert await server.fetcher().get(server.at("/")) == b"a picture"
    assert server.paths == ["/", "/one", "/two", "/three"]
    assert not any("Cookie" in headers for headers in server.headers)
    async with site(moved("/1", "/2", "/3", "/4")) as server:
        assert "redirects more than 3 times" in why(await server.fetcher().get(server.at("/")))
    assert len(server.paths) == 4


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (HEAD + b"Content-Length: 1001\r\n\r\n" + b"x" * 1001, "larger"),
        (HEAD + b"Content-Length: 999999999999\r\n\r\nx", "larger"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"3e9\r\n" + b"x" * 1001 + b"\r\n0\r\n\r\n", "larger"),
        (HEAD + b"\r\n" + b"x" * 1001, "larger"),
        (HEAD + b"Content-Length: 10\r\n\r\nx", "could not be fetched"),
        (HEAD + b"Content-Length: -1\r\n\r\nx", "could not be fetched"),
        (HEAD + b"Content-Length: many\r\n\r\nx", "could not be fetched"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nx", "could not be fetched"),
        (HEAD + b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x8b\x08", "compressed"),
        (HEAD + b"Content-Encoding: br\r\nContent-Length: 1\r\n\r\nx", "compressed"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "did not return it"),
        (b"HTTP/1.1 206 Partial Content\r\nContent-Length: 1\r\n\r\nx", "did not return it"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", "could not be fetched"),
        (b"nonsense\r\n\r\n", "could not be fetched"),
        (b"", "could not be fetched"),
    ],
    ids=range(15),
)
async def test_bad_answers_are_refused(answer: bytes, said: str) -> None:
    """Too large by its length or its bytes, a wrong length, compressed, or not HTTP."""
    async with raw_site(answer) as server:
        assert said in why(await server.fetcher().get(server.at("/")))


async def test_more_than_was_promised_is_not_read() -> None:
    """A body longer than its length ends where it said, or is not taken at all."""
    async with raw_site(HEAD + b"Content-Length: 3\r\n\r\nabcdef") as server:
        got = await server.fetcher().get(server.at("/"))
    assert got == b"abc" or "could not be fetched" in why(got)


async def test_a_slow_body_ends_at_the_bound() -> None:
    """Each byte comes in time, the whole does not."""
    async with raw_site(HEAD + b"Content-Length: 900\r\n\r\n" + b"x" * 900, drip_s=0.02) as server:
        began = asyncio.get_running_loop().time()
        assert "seconds" in why(await server.fetcher(total_s=0.3).get(server.at("/")))
        assert asyncio.get_running_loop().time() - began < 1.5


async def test_a_resolver_that_hangs_ends_at_the_bound() -> None:
    """The bound is over everything."""

    async def never(host: str) -> Sequence[str]:
        await asyncio.sleep(60)
        return []

    assert "seconds" in why(await InputFetcher(resolve=never, total_s=0.1).get("https://pictures.example/"))


async def test_a_host_that_is_not_there_is_refused() -> None:
    """No address, or nobody listening."""

    async def nobody(host: str) -> Sequence[str]:
        raise OSError("no such host")

    assert "could not be fetched" in why(await InputFetcher(resolve=nobody).get("https://pictures.example/"))
    assert "host" in why(await InputFetcher(resolve=Names(pictures_example=[[]])).get("https://pictures.example/"))


async def test_a_refusal_never_says_what_was_found() -> None:
    """No address of ours, no status, nothing of the answer: a scanner learns nothing."""
    async with raw_site(
        b"HTTP/1.1 403 Forbidden\r\nServer: internal-thing\r\nContent-Length: 6\r\n\r\nsecret"
    ) as server:
        text = why(await server.fetcher().get(server.at("/path?token=hidden")))
    for hidden in ("403", "internal", "secret", "127.0.0.1", "hidden", str(server.port)):
        assert hidden not in text
