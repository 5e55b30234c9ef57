"""Input files: fetched from an address that a stranger wrote, without being led where he wants.

Rules of this file:
1. https on port 443 only, no user name in the address, at most three redirects; each is checked as the first was.
2. A host name is resolved once. If any of its addresses is not a public one the host is refused, and the connection
   goes to exactly the addresses that were checked: asking the name again could give another answer (DNS rebinding).
3. The whole fetch has one bound in time and one in size. Nothing is unpacked, cookies and proxies are not used. What
   an answer says of its packing counts only where it names a packing that there is: objects in buckets are stored with
   all sorts of other words (``aws-chunked``, ``utf-8``), and are known by their bytes anyway.
4. What cannot be had is a Refusal that the user can act upon; it never says what was found at an address.
5. No setting opens a private address. A test, and the local host for its samples, opens one server of its own by the
   constructor, which the wiring calls without an argument.
6. What is asked for is what was written, in a redirect too: a signature is about these very characters. Only what may
   not stand in a request (a space, an umlaut) is encoded. Host and port are those that were checked, whatever the rest
   of an address looks like.

What the bytes are is looked at by the corridor, which knows pictures by their bytes and their pixels before decoding.
"""

import asyncio
import ipaddress
import logging
import socket
import ssl
import string
from collections.abc import Awaitable, Callable, Mapping, Sequence
from urllib.parse import quote, urljoin

import aiohttp
import yarl
from aiohttp.abc import AbstractResolver, ResolveResult

from shared.core.reasons import Reason, Refusal

_log = logging.getLogger("darkroom.inputs")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

#: Resolves a host name to its addresses. OSError where there are none.
Resolve = Callable[[str], Awaitable[Sequence[str]]]

#: A picture to start from is a few MB; a phone's photo up to 20.
MOST_BYTES = 20 * 1024 * 1024
#: The whole fetch, redirects included: the invocation has more to do.
TOTAL_S = 20.0
_REDIRECTS = 3
_PORT = 443
#: Where a test's own server is.
_OPENED_ADDRESS = "127.0.0.1"
_REDIRECTING = frozenset({301, 302, 303, 307, 308})
_PIECE_BYTES = 64 * 1024
#: What a ``Content-Encoding`` names where the bytes are really packed: IANA's registry of content codings, and the
#: names in use beside it. Any other word says nothing about them.
_PACKED = frozenset({
    "aes128gcm", "br", "bzip2", "compress", "dcb", "dcz", "deflate", "exi", "gzip", "lz4", "lzma", "pack200-gzip",
    "snappy", "xz", "zstd", "x-bzip2", "x-compress", "x-deflate", "x-gzip", "x-lzma", "x-xz", "x-zstd",
})  # fmt: skip

#: What ``is_global`` may let pass. IPv6 addresses with an IPv4 address inside, to which a gateway could lead: NAT64's
#: prefixes (RFC 6052, 8215), 6to4 (RFC 3056) and its relay, Teredo (RFC 4380), IPv4-compatible and -translated ones.
#: Ranges that only newer Pythons know. And Azure's own wire server, a public address by its number.
_NOT_PUBLIC: tuple[Network, ...] = tuple(
    ipaddress.ip_network(block)
    for block in (
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "2002::/16",
        "192.88.99.0/24",
        "2001::/32",
        "::/96",
        "::ffff:0:0:0/96",
        "fec0::/10",
        "3fff::/20",
        "192.0.0.0/24",
        "168.63.129.16/32",
    )
)


class InputFetcher:
    """ports.Inputs, on aiohttp: its connections take a resolver of our own, so that an address can be pinned.

    ``opened`` is for tests and for the local stack's sample pictures: names of a server on 127.0.0.1, each with its
    port, which stands for 443 too. They pass there and nowhere else, and nobody else passes there: neither the bare
    address nor another name of it. ``tls`` trusts that server.
    """

    def __init__(
        self,
        *,
        resolve: Resolve | None = None,
        opened: Mapping[str, int] | None = None,
        tls: ssl.SSLContext | None = None,
        total_s: float = TOTAL_S,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._resolve = resolve or _system
        self._opened = dict(opened or {})
        self._tls = tls
        self._total_s = total_s
        self._most_bytes = most_bytes

    async def get(self, url: str) -> bytes | Refusal:
        """The bytes at an address, or why not."""
        try:
            async with asyncio.timeout(self._total_s):
                return await self._followed(url)
        except TimeoutError:
            return _refusal(f"it did not come within {self._total_s:g} seconds")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            _log.info("an input could not be fetched (%s)", type(error).__name__)
            return _refusal("it could not be fetched")

    async def _followed(self, url: str) -> bytes | Refusal:
        for _ in range(_REDIRECTS + 1):
            checked = self._checked(url)
            if checked is None:
                return _refusal("its address must be https://, a public host, and nothing else")
            addresses = await self._public(checked.raw_host or "")
            if not addresses:
                return _refusal("its host cannot be used")
            got = await self._asked(checked, addresses)
            if not isinstance(got, str):
                return got
            url = got
        return _refusal(f"it was moved more than {_REDIRECTS} times")

    def _checked(self, url: str) -> yarl.URL | None:
        """The address, if it is of the form that is allowed, with its path and query as they were written."""
        if not url.isprintable() or "\\" in url:
            return None  # browsers and libraries differ about these
        try:
            parsed = yarl.URL(url)
            host, port = parsed.raw_host or "", parsed.port
            fine = parsed.scheme == "https" and host and port in (_PORT, self._opened.get(host, _PORT))
            if not fine or parsed.user is not None or parsed.password is not None:
                return None
            written = yarl.URL(quote(url, safe=string.punctuation), encoded=True)
            # Of this second reading only what comes after host and port is taken: those are the checked ones.
            path, query = written.raw_path or "/", written.raw_query_string
            name = f"[{host}]" if ":" in host else host
            return yarl.URL.build(scheme="https", host=name, port=port, path=path, query_string=query, encoded=True)
        except ValueError:
            return None

    async def _public(self, host: str) -> list[str]:
        """The addresses of a host, if all of them are public; else none."""
        try:
            found = [str(ipaddress.ip_address(host))]
        except ValueError:
            if host.replace(".", "").isdigit():
                return []  # "127.1" and "2130706433" are addresses to some: no name looks like this
            found = list(await self._resolve(host))
        own = _OPENED_ADDRESS if host in self._opened else None
        return found if found and all(address == own or _is_public(address) for address in found) else []

    async def _asked(self, url: yarl.URL, addresses: Sequence[str]) -> bytes | Refusal | str:
        """One request to exactly these addresses: the body, a refusal, or where it was moved to."""
        pinned = _Pinned(url.raw_host or "", addresses, self._opened.get(url.raw_host or ""))
        connector = aiohttp.TCPConnector(
            resolver=pinned, use_dns_cache=False, force_close=True, limit=1, ssl=self._tls or True
        )
        # The name stays in the address: TLS checks the certificate against it, and the Host header has it.
        async with (
            aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                auto_decompress=False,
                headers={"Accept-Encoding": "identity", "Accept": "image/*", "User-Agent": "darkroom"},
            ) as session,
            session.get(url, allow_redirects=False) as response,
        ):
            if response.status in _REDIRECTING:
                location = response.headers.get("Location", "")
                return urljoin(str(url), location) if location else _refusal("it was moved nowhere")
            return await self._body(response)

    async def _body(self, response: aiohttp.ClientResponse) -> bytes | Refusal:
        if response.status != 200:
            return _refusal("its host did not give it out")
        if not _PACKED.isdisjoint(_words(response.headers.getall("Content-Encoding", []))):
            return _refusal("it is packed")
        too_large = _refusal(f"it is larger than {self._most_bytes // 1_048_576} MB")
        if (response.content_length or 0) > self._most_bytes:
            return too_large
        body = bytearray()
        async for piece in response.content.iter_chunked(_PIECE_BYTES):
            body += piece
            if len(body) > self._most_bytes:
                return too_large
        return bytes(body)


class _Pinned(AbstractResolver):
    """A resolver that knows one host, and gives the addresses that were checked."""

    def __init__(self, host: str, addresses: Sequence[str], port: int | None = None) -> None:
        self._host = host
        self._addresses = addresses
        self._port = port

    async def resolve(self, host: str, port: int = 0, family: int = socket.AF_INET) -> list[ResolveResult]:
        """The pinned addresses of a family."""
        if host != self._host:
            raise OSError("another host than the one that was checked")
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=self._port or port,
                family=_family(address),
                proto=0,
                flags=0,
            )
            for address in self._addresses
            if family in (socket.AF_UNSPEC, _family(address))
        ]

    async def close(self) -> None:
        """There is nothing to close."""


def _words(headers: Sequence[str]) -> set[str]:
    """The words of a header that may stand more than once, each a list."""
    return {word.strip().lower() for header in headers for word in header.split(",")}


def _is_public(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return False  # an IPv4 address in disguise; whoever means it can write it
    hidden = any(address.version == network.version and address in network for network in _NOT_PUBLIC)
    return address.is_global and not address.is_multicast and not address.is_reserved and not hidden


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


async def _system(host: str) -> list[str]:
    """The addresses of a host, as the system resolves it."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, 443, proto=6)  # TCP
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def _refusal(why: str) -> Refusal:
    return Refusal(Reason.INPUT_INVALID, f"image_url cannot be used: {why}.")
