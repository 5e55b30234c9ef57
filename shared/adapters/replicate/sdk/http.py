"""The connections to Replicate: four pools, the proxies, and which errors prove that nothing was sent.

Rules of this file:
1. httpx on aiohttp's connections: httpx's own pool needs 50 ms of CPU per request at 250 at once, this one 0.4.
2. There are four clients. Those for outputs never have a token. They have pools of their own, so that downloads cannot
   starve creates. The client for files is aiohttp without httpx, because each of a file's many chunks would pass
   through four more layers, which costs as much CPU again.
3. The usual proxy variables (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY; http and https proxies) are honoured.
   Redirects are never followed.
4. Clients are made at first use, inside the event loop that will use them.
5. The server may close an idle connection at the very moment at which we write to it. Then nobody knows whether a POST
   was read. So creates have a pool of their own, which keeps no connection for long. Before a create, the loop reads
   which connections were closed. If the first write of a POST was refused, no byte was sent.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.request import getproxies

import aiohttp
import httpx
from httpx_aiohttp import HttpxAiohttpClient

from shared.adapters.net.tls import tls_context

#: All errors that a request may raise: httpx_aiohttp maps most of aiohttp's errors to httpx's, but not all.
REQUEST_ERRORS = (httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError, OSError)

#: How many seconds an idle connection is kept: less than the 4 minutes after which Azure's outbound NAT drops it.
_IDLE_S = 60.0

#: How many seconds a connection is kept for the next create: less than the 5 s after which the quickest servers
#: (uvicorn, node) close an idle one. A new connection costs a handshake; an unknown outcome costs minutes.
_CREATE_IDLE_S = 4.0

#: The loop reads a close in the first turn, notifies the protocol in the second, drops the connection in the third.
_CLOSING_TURNS = 3

#: aiohttp's text if the connection was closing before the first write.
_NOT_WRITTEN = "Cannot write to closing transport"

#: The most seconds for the answer to a create. It takes one second as a rule, and an unknown outcome costs more.
_CREATE_READ_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Seconds: to connect (with the wait for a free connection), for the answer to a create, for a whole call."""

    connect_s: float = 10
    create_read_s: float = _CREATE_READ_S
    total_s: float = 60

    @classmethod
    def of(cls, connect_s: float, total_s: float) -> "Timeouts":
        """The time-outs as an operator sets them. A create gets at most 30 s, and no more than any other call."""
        return cls(connect_s=connect_s, create_read_s=min(_CREATE_READ_S, total_s), total_s=total_s)

    def create(self) -> httpx.Timeout:
        """The time-outs of a create."""
        return httpx.Timeout(self.create_read_s, connect=self.connect_s, pool=self.connect_s)

    def output(self) -> aiohttp.ClientTimeout:
        """The time-outs of an output. Its reader bounds the whole time."""
        return aiohttp.ClientTimeout(total=None, connect=self.connect_s, sock_read=self.total_s)

    def ask(self, extra_s: float = 0) -> httpx.Timeout:
        """The time-outs of any other call. ``extra_s`` is how much longer than usual the answer may take."""
        return httpx.Timeout(self.total_s + extra_s, connect=self.connect_s, pool=self.connect_s)


class Connections:
    """The four clients, each made at its first use."""

    def __init__(self, api_url: str, connections: int) -> None:
        self._api_url = api_url
        # aiohttp has one limit, for all connections; it ignores httpx's limit for idle ones.
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
        """The client for what must not be sent twice. It keeps no idle connection for long; see ``closings_seen``."""
        if self._creates is None:
            self._creates = self._client(self._api_url, _CREATE_IDLE_S)
        return self._creates

    def outputs(self) -> httpx.AsyncClient:
        """The client for streamed outputs. It has no token and no base URL."""
        if self._outputs is None:
            self._outputs = self._client("")
        return self._outputs

    def files(self) -> aiohttp.ClientSession:
        """The client for outputs that are files. It has no token and no base URL."""
        if self._files is None:
            connector = aiohttp.TCPConnector(limit=self._connections, keepalive_timeout=_IDLE_S, ssl=tls_context())
            self._files = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                headers={"User-Agent": "darkroom"},
                # Only if there is a proxy: else aiohttp would look for one on another thread, for every request.
                trust_env=bool(getproxies()),
            )
        return self._files

    async def close(self) -> None:
        """Close the clients. The next use makes new ones."""
        clients = (self._api, self._creates, self._outputs)
        self._api = self._creates = self._outputs = None
        for client in clients:
            if client is not None:
                await client.aclose()
        files, self._files = self._files, None
        if files is not None:
            await files.close()

    def _client(self, base_url: str, idle_s: float = _IDLE_S) -> httpx.AsyncClient:
        # This subclass reads the proxy variables, and aiohttp carries the requests through a proxy too. A transport
        # given to AsyncClient would do neither.
        return HttpxAiohttpClient(
            base_url=base_url,
            verify=tls_context(),
            limits=httpx.Limits(max_connections=self._connections, keepalive_expiry=idle_s),
            headers={"User-Agent": "darkroom"},
            follow_redirects=False,
        )


async def closings_seen() -> None:
    """Let the loop read which connections were closed, so that the next request takes none of them."""
    for _ in range(_CLOSING_TURNS):
        await asyncio.sleep(0)


def never_sent(error: Exception) -> bool:
    """Whether an error of a request proves that the server cannot have received the request.

    If there is an error of aiohttp, it decides. httpx_aiohttp 0.2 calls every broken connection ConnectTimeout, even
    one that broke after the request was sent.
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
    """Whether an error proves that not one byte of a request was written.

    This holds for a request whose body is bytes: its head and body are written together. The head of an upload may have
    been sent before its file.
    """
    return any(
        isinstance(cause, aiohttp.ClientConnectionResetError) and str(cause) == _NOT_WRITTEN for cause in _causes(error)
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def describe(error: Exception) -> str:
    """An error of a request in a few words, for a log. It never quotes the error, whose text may hold an address."""
    if timed_out(error):
        return "no answer in time"
    return f"no whole answer ({type(list(_causes(error))[-1]).__name__})"


def timed_out(error: Exception) -> bool:
    """Whether an error of a request is a time-out."""
    return any(isinstance(cause, TimeoutError) for cause in _causes(error))
