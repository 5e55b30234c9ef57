"""An HTTP client for user-supplied URLs, guarded against SSRF.

Rules of this file:
1. Only https on port 443 is allowed, without a user name in the URL. Redirects are returned, never followed here: the
   caller requests the target, and it is checked like the first URL.
2. A host name is resolved once. The host is refused if any of its addresses is not public. The connection goes to
   exactly the addresses that were checked, because a second lookup could return others (DNS rebinding).
3. Nothing is decompressed. Cookies and proxies are not used.
4. No setting opens a private address. Tests, and the local host for its samples, open one server of their own through
   the constructor. The composition passes no argument.
5. Path and query are requested as they were written, because a signature covers these very characters. Only characters
   that a request may not contain (a space, an umlaut) are encoded. Host and port are always the checked ones, whatever
   the rest of the URL looks like.
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

#: Resolves a host name to its IP addresses. Raises OSError if there are none.
Resolve = Callable[[str], Awaitable[Sequence[str]]]

_PORT = 443
#: The address of the servers that ``opened`` names.
_OPENED_ADDRESS = "127.0.0.1"

#: Networks that ``is_global`` may accept and this client refuses. IPv6 addresses that contain an IPv4 address, which a
#: gateway could route to: NAT64's prefixes (RFC 6052, 8215), 6to4 (RFC 3056) and its relay, Teredo (RFC 4380),
#: IPv4-compatible and IPv4-translated ones. Ranges that only newer Pythons know. Azure's wire server (168.63.129.16),
#: which has a public address.
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
    """A URL that is not requested. ``why`` says which rule it breaks, and nothing about what is at that address."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class PublicClient:
    """Sends single requests to public addresses. It uses aiohttp, whose connector takes a resolver that pins addresses.

    ``opened`` is for tests and for the local stack's sample pictures. It maps host names to ports on 127.0.0.1, and
    that port also replaces 443. These names may resolve to 127.0.0.1 only, and no other URL reaches it: neither the
    bare IP address nor another name. ``tls`` is a context that trusts that server.
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
        """Send one request to exactly the addresses that were checked. The caller limits the time and what it reads.

        Raises:
            AddressRefused: the URL breaks a rule, and nothing was sent.
        """
        checked = self.check(url)
        if checked is None:
            raise AddressRefused(
                "its address must begin with https:// and name a public host, without a user name or another port"
            )
        host = checked.raw_host or ""
        addresses = await self._public_addresses(host)
        if not addresses:
            raise AddressRefused("its host cannot be used")
        pinned = _Pinned(host, addresses, self._opened.get(host))
        connector = aiohttp.TCPConnector(
            resolver=pinned, use_dns_cache=False, force_close=True, limit=1, ssl=self._tls or True
        )
        # The URL keeps the host name: TLS checks the certificate against it, and the Host header carries it.
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
        """Parse a URL; returns it with path and query as written, or None if its form is not allowed."""
        if not url.isprintable() or "\\" in url:
            return None  # browsers and libraries parse these differently
        try:
            parsed = yarl.URL(url)
            host, port = parsed.raw_host or "", parsed.port
            fine = parsed.scheme == "https" and host and port in (_PORT, self._opened.get(host, _PORT))
            if not fine or parsed.user is not None or parsed.password is not None:
                return None
            written = yarl.URL(quote(url, safe=string.punctuation), encoded=True)
            # Only path and query come from this second parse: host and port stay the checked ones.
            path, query = written.raw_path or "/", written.raw_query_string
            name = f"[{host}]" if ":" in host else host
            return yarl.URL.build(scheme="https", host=name, port=port, path=path, query_string=query, encoded=True)
        except ValueError:
            return None

    async def _public_addresses(self, host: str) -> list[str]:
        """The IP addresses of a host; empty unless all of them are public."""
        try:
            found = [str(ipaddress.ip_address(host))]
        except ValueError:
            if host.replace(".", "").isdigit():
                return []  # "127.1", "2130706433": some resolvers read these as addresses; no host has such a name
            found = list(await self._resolve(host))
        own = _OPENED_ADDRESS if host in self._opened else None
        return found if found and all(address == own or _is_public(address) for address in found) else []


class _Pinned(AbstractResolver):
    """A resolver for one host that returns the addresses that were checked."""

    def __init__(self, host: str, addresses: Sequence[str], port: int | None = None) -> None:
        self._host = host
        self._addresses = addresses
        self._port = port

    async def resolve(self, host: str, port: int = 0, family: int = socket.AF_INET) -> list[ResolveResult]:
        """The pinned addresses of an address family. Raises OSError for any other host."""
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
        """Do nothing: no resource is open. aiohttp requires the method."""


def _is_public(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return False  # an IPv4 address in disguise: no honest URL needs it
    hidden = any(address.version == network.version and address in network for network in _NOT_PUBLIC)
    return address.is_global and not address.is_multicast and not address.is_reserved and not hidden


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


async def resolve_by_system(host: str) -> list[str]:
    """The IP addresses of a host, from the system's resolver. Raises OSError if there are none."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, 443, proto=6)  # TCP
    return list(dict.fromkeys(str(address[0]) for *_, address in found))
