"""The connections to Replicate: three pools, the proxies, and which errors prove that nothing was sent.

Rules of this file:
1. httpx on aiohttp's connections: httpx's own pool needs 50 ms of CPU per request at 250 at once, this one 0.4.
2. Four clients. Those for outputs never have a token; pools of their own keep downloads from starving creates. The
   one for files is aiohttp without httpx around it: of a file's many pieces each would pass through four layers more,
   which costs as much CPU again.
3. The usual proxy variables (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY; http and https proxies) are honoured,
   and redirects are never followed.
4. Clients are made at first use, inside the event loop that will use them.
5. A connection that was kept may be closed by the server at the very moment at which we write to it, and nobody can say
   then whether a POST was read. So creates have a pool of their own, in which none is kept for long; the loop sees what
   has been closed before it is asked for one; and of a POST whose first write was refused, no byte was sent.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.request import getproxies

import aiohttp
import httpx
from httpx_aiohttp import HttpxAiohttpClient

from shared.adapters.net.tls import tls_context

#: Whatever a request may raise: httpx_aiohttp maps most of aiohttp's errors to httpx's, but not all.
REQUEST_ERRORS = (httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError, OSError)

#: How long an idle connection is kept: short of the 4 minutes after which Azure's outbound NAT forgets it.
_IDLE_S = 60.0


#: How long a connection is kept for the next create: less than the 5 s after which the quickest servers (uvicorn, node)
#: close an idle one. A new one costs a handshake, an unknown outcome minutes.
_CREATE_IDLE_S = 4.0

#: Turns of the loop in which it reads a close (one), tells the protocol (two), and drops the connection (three).
_CLOSING_TURNS = 3

#: What aiohttp says where a connection was closing before it wrote to it.
_NOT_WRITTEN = "Cannot write to closing transport"

#: How long the answer to a create may take: a second as a rule, and an unknown outcome is worth some patience.
_CREATE_READ_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Seconds: to connect (with the wait for a free connection), for the answer to a create, for a whole call."""

    connect_s: float = 10
    create_read_s: float = _CREATE_READ_S
    total_s: float = 60

    @classmethod
    def of(cls, connect_s: float, total_s: float) -> "Timeouts":
        """As an operator sets them. A create is given no longer than any other call, however long that is."""
        return cls(connect_s=connect_s, create_read_s=min(_CREATE_READ_S, total_s), total_s=total_s)

    def create(self) -> httpx.Timeout:
        """For a POST that creates."""
        return httpx.Timeout(self.create_read_s, connect=self.connect_s, pool=self.connect_s)

    def output(self) -> aiohttp.ClientTimeout:
        """For an output, whose whole time is bounded by whoever reads it."""
        return aiohttp.ClientTimeout(total=None, connect=self.connect_s, sock_read=self.total_s)

    def ask(self, extra_s: float = 0) -> httpx.Timeout:
        """For everything else; ``extra_s`` is how much longer than usual the answer may take."""
        return httpx.Timeout(self.total_s + extra_s, connect=self.connect_s, pool=self.connect_s)


class Connections:
    """The four clients, each made at its first use."""

    def __init__(self, api_url: str, connections: int) -> None:
        self._api_url = api_url
        # aiohttp has one limit, on all connections; httpx's limit for idle ones means nothing to it.
        self._connections = connections
        self._api: httpx.AsyncClient | None = None
        self._creates: httpx.AsyncClient | None = None
        self._outputs: httpx.AsyncClient | None = None
        self._files: aiohttp.ClientSession | None = None

    def api(self) -> httpx.AsyncClient:
        """The client for the API; relative paths begin at the API's URL."""
        if self._api is None:
            self._api = self._client(self._api_url)
        return self._api

    def creates(self) -> httpx.AsyncClient:
        """The same for what must not be sent twice: it keeps no idle connection for long. See ``closings_seen``."""
        if self._creates is None:
            self._creates = self._client(self._api_url, _CREATE_IDLE_S)
        return self._creates

    def outputs(self) -> httpx.AsyncClient:
        """The client for outputs that are read as they are written; it knows no token and no base URL."""
        if self._outputs is None:
            self._outputs = self._client("")
        return self._outputs

    def files(self) -> aiohttp.ClientSession:
        """The client for outputs that are files; it knows no token and no base URL."""
        if self._files is None:
            connector = aiohttp.TCPConnector(limit=self._connections, keepalive_timeout=_IDLE_S, ssl=tls_context())
            self._files = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                headers={"User-Agent": "darkroom"},
                # Only where there is a proxy: else aiohttp would look for one on another thread, for every request.
                trust_env=bool(getproxies()),
            )
        return self._files

    async def close(self) -> None:
        """Close what was opened; the next use opens anew."""
        clients = (self._api, self._creates, self._outputs)
        self._api = self._creates = self._outputs = None
        for client in clients:
            if client is not None:
                await client.aclose()
        files, self._files = self._files, None
        if files is not None:
            await files.close()

    def _client(self, base_url: str, idle_s: float = _IDLE_S) -> httpx.AsyncClient:
        # This subclass, and not a transport handed to AsyncClient: only so are the proxy variables read,
        # and requests through a proxy carried by aiohttp as well.
        return HttpxAiohttpClient(
            base_url=base_url,
            verify=tls_context(),
            limits=httpx.Limits(max_connections=self._connections, keepalive_expiry=idle_s),
            headers={"User-Agent": "darkroom"},
            follow_redirects=False,
        )


async def closings_seen() -> None:
    """Let the loop see which connections have been closed, so that none of them is taken for the next request."""
    for _ in range(_CLOSING_TURNS):
        await asyncio.sleep(0)


def never_sent(error: Exception) -> bool:
    """Whether an error of a request proves that the server cannot have seen the request.

    aiohttp's own error decides where there is one: httpx_aiohttp 0.2 gives the name ConnectTimeout to every broken
    connection, also to one that broke after the request was sent.
    """
    for cause in _causes(error):
        if isinstance(cause, (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL)):
            return True
        if isinstance(cause, aiohttp.ClientHttpProxyError):
            return True  # the proxy refused the tunnel
        if isinstance(cause, aiohttp.ClientError):
            return False
    return isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol))


def never_written(error: Exception) -> bool:
    """Whether an error proves that not one byte was written, of a request whose head and body are written together.

    So it is for a body in bytes, and not for a file, whose head may have gone before.
    """
    return any(
        isinstance(cause, aiohttp.ClientConnectionResetError) and str(cause) == _NOT_WRITTEN for cause in _causes(error)
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def describe(error: Exception) -> str:
    """An error of a request in a word or two, fit for a log: never its text, which may hold an address."""
    if timed_out(error):
        return "no answer in time"
    return f"no whole answer ({type(list(_causes(error))[-1]).__name__})"


def timed_out(error: Exception) -> bool:
    """Whether an error of a request is a time-out."""
    return any(isinstance(cause, TimeoutError) for cause in _causes(error))
