"""An HTTP client for addresses that a stranger wrote: it is not led where he wants (SSRF).

Rules of this file:
1. https on port 443 only, no user name in the address. A redirect is an answer, and followed by nobody here: each
   address is checked as the first was.
2. A host name is resolved once. If any of its addresses is not a public one the host is refused, and the connection
   goes to exactly the addresses that were checked: asking the name again could give another answer (DNS rebinding).
3. Nothing is unpacked, cookies and proxies are not used.
4. No setting opens a private address. A test, and the local host for its samples, opens one server of its own by the
   constructor, which the composition calls without an argument.
5. What is asked for is what was written: a signature is about these very characters. Only what may not stand in a
   request (a space, an umlaut) is encoded. Host and port are those that were checked, whatever the rest of an address
   looks like.
"""

import asyncio
import ipaddress
import socket
import ssl
import string
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from urllib.parse import quote

import aiohttp
import yarl
from aiohttp.abc import AbstractResolver, ResolveResult

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

#: Resolves a host name to its addresses. OSError where there are none.
Resolve = Callable[[str], Awaitable[Sequence[str]]]

_PORT = 443
#: Where a test's own server is.
_OPENED_ADDRESS = "127.0.0.1"

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


class AddressRefused(Exception):  # noqa: N818  # it says what happened
    """An address that is not asked. ``why`` says which rule it breaks, and nothing of what is there."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class PublicClient:
    """One request to a public address, on aiohttp: its connections take a resolver, so that an address can be pinned.

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
    ) -> None:
        self._resolve = resolve or resolve_by_system
        self._opened = dict(opened or {})
        self._tls = tls

    @asynccontextmanager
    async def request(
        self, verb: str, url: str, *, headers: Mapping[str, str], body: bytes | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Ask exactly the addresses that were checked. The caller bounds the time, and what it reads.

        Raises:
            AddressRefused: it is not asked.
        """
        checked = self.check(url)
        if checked is None:
            raise AddressRefused("its address must be https://, a public host, and nothing else")
        host = checked.raw_host or ""
        addresses = await self._public_addresses(host)
        if not addresses:
            raise AddressRefused("its host cannot be used")
        pinned = _Pinned(host, addresses, self._opened.get(host))
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
                headers={"Accept-Encoding": "identity", "User-Agent": "darkroom", **headers},
            ) as session,
            session.request(verb, checked, data=body, allow_redirects=False) as response,
        ):
            yield response

    def check(self, url: str) -> yarl.URL | None:
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

    async def _public_addresses(self, host: str) -> list[str]:
        """The addresses of a host, if all of them are public; else none."""
        try:
            found = [str(ipaddress.ip_address(host))]
        except ValueError:
            if host.replace(".", "").isdigit():
                return []  # "127.1" and "2130706433" are addresses to some: no name looks like this
            found = list(await self._resolve(host))
        own = _OPENED_ADDRESS if host in self._opened else None
        return found if found and all(address == own or _is_public(address) for address in found) else []


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


async def resolve_by_system(host: str) -> list[str]:
    """The addresses of a host, as the system resolves it."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, 443, proto=6)  # TCP
    return list(dict.fromkeys(str(address[0]) for *_, address in found))
