"""Input files from a stranger's address: what is fetched, and every way in which it must not be.

The servers are on loopback, behind TLS of a test's own authority. Only the constructor opens loopback to a test.
"""

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
import trustme
from aiohttp import web

from shared.adapters.inputs import InputFetcher, Resolve
from shared.core.reasons import Reason, Refusal

LOOPBACK = (ipaddress.ip_network("127.0.0.1/32"),)
AUTHORITY = trustme.CA()
HOSTS = ("pictures.example", "rebind.example", "mixed.example", "münchen.example")
CERTIFICATE = AUTHORITY.issue_cert(*(host.encode("idna").decode() for host in HOSTS))


def trusting() -> ssl.SSLContext:
    """A client's TLS that trusts the test's authority."""
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return context


def serving() -> ssl.SSLContext:
    """A server's TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    CERTIFICATE.configure_cert(context)
    return context


class Names:
    """A resolver: each host has answers that are used up in order, the last one serves for ever."""

    def __init__(self, **answers: Sequence[Sequence[str]]) -> None:
        self.answers = {name.replace("_", "."): list(given) for name, given in answers.items()}
        self.asked: list[str] = []

    async def __call__(self, host: str) -> Sequence[str]:
        """Answer as the test says; 127.0.0.1 for whoever it does not mention."""
        self.asked.append(host)
        answers = self.answers.get(host, [["127.0.0.1"]])
        return answers.pop(0) if len(answers) > 1 else answers[0]


@dataclass
class Site:
    """The server of a test: its address, and what it was asked."""

    port: int
    paths: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def at(self, path: str, host: str = "pictures.example") -> str:
        """An address on it."""
        return f"https://{host}:{self.port}{path}"

    def fetcher(self, names: Resolve | None = None, *, total_s: float = 2, most_bytes: int = 1000) -> InputFetcher:
        """A fetcher that may come here."""
        return InputFetcher(
            resolve=names or Names(),
            also_allowed=LOOPBACK,
            ports=(self.port,),
            tls=trusting(),
            total_s=total_s,
            most_bytes=most_bytes,
        )


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def site(handler: Handler) -> AsyncIterator[Site]:
    """A server that answers so, whatever the path."""
    made = Site(0)

    async def answer(request: web.Request) -> web.StreamResponse:
        made.paths.append(request.path_qs)
        made.headers.append(dict(request.headers))
        return await handler(request)

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    server = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=serving())
    await server.start()
    made.port = runner.addresses[0][1]
    try:
        yield made
    finally:
        await runner.cleanup()


@asynccontextmanager
async def raw_site(answer: bytes, *, drip_s: float = 0) -> AsyncIterator[Site]:
    """A server that says these bytes and closes, byte by byte where it drips."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            for start in range(0, len(answer), 1 if drip_s else len(answer)):
                writer.write(answer[start : start + (1 if drip_s else len(answer))])
                await writer.drain()
                await asyncio.sleep(drip_s)
        except (OSError, asyncio.IncompleteReadError):
            pass  # the fetcher has hung up, as it should
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=serving())
    try:
        yield Site(server.sockets[0].getsockname()[1])
    finally:
        server.close()


async def picture(request: web.Request) -> web.StreamResponse:
    """Some bytes."""
    return web.Response(body=b"a picture", headers={"Set-Cookie": "a=b"})


def moved(*places: str) -> Handler:
    """Redirects to these places in order, then a picture."""
    left = list(places)

    async def handler(request: web.Request) -> web.StreamResponse:
        if not left:
            return await picture(request)
        return web.Response(status=302, headers={"Location": left.pop(0), "Set-Cookie": "a=b"})

    return handler


def why(got: bytes | Refusal) -> str:
    """The sentence of a refusal."""
    assert isinstance(got, Refusal), got
    assert got.reason is Reason.INPUT_INVALID
    return got.text


async def test_a_file_is_fetched_from_the_name_that_was_checked() -> None:
    """TLS and the Host header have the name; the connection goes to the address; no cookie, nothing packed."""
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
        untrusting = InputFetcher(resolve=Names(), also_allowed=LOOPBACK, ports=(server.port,))
        assert "could not be fetched" in why(await untrusting.get(server.at("/")))
    assert not server.paths


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
    async with site(moved("/one", "two", "//pictures.example:{port}/three".replace(":{port}", ""))) as server:
        assert why(await server.fetcher().get(server.at("/")))  # the third leaves the port that a test has opened
    async with site(moved("/one", "/two", "/three")) as server:
        assert await server.fetcher().get(server.at("/")) == b"a picture"
    assert server.paths == ["/", "/one", "/two", "/three"]
    assert not any("Cookie" in headers for headers in server.headers)
    async with site(moved("/1", "/2", "/3", "/4")) as server:
        assert "moved" in why(await server.fetcher().get(server.at("/")))
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
        (HEAD + b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x8b\x08", "packed"),
        (HEAD + b"Content-Encoding: br\r\nContent-Length: 1\r\n\r\nx", "packed"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "did not give it out"),
        (b"HTTP/1.1 206 Partial Content\r\nContent-Length: 1\r\n\r\nx", "did not give it out"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", "could not be fetched"),
        (b"nonsense\r\n\r\n", "could not be fetched"),
        (b"", "could not be fetched"),
    ],
    ids=range(15),
)
async def test_bad_answers_are_refused(answer: bytes, said: str) -> None:
    """Too large by what is said or by what comes, wrong lengths, packed, and what is no HTTP."""
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
