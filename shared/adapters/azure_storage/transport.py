"""Sends requests to a storage account without an SDK: signs them, and repeats them if that may help.

Tables and blobs both use it. What the SDKs would cost instead: docs/performance.md.

Rules of this file:
1. A request is repeated a few times if it found no service or a busy one. Every request made here may be repeated:
   writes to tables carry ETags and recognise their own first try (tables/store.py), and a blob is written whole.
2. Without an answer the error is Unavailable. An answer that is not a success is ``Answered``, for the caller to read.
3. No error quotes a URL, because it may carry a signature.
"""

import asyncio
import string
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote
from urllib.request import getproxies

import aiohttp
import yarl

from shared.adapters.azure_storage.access import NoToken, StorageAccount
from shared.adapters.azure_storage.errors import Answered
from shared.core.dependency import Dependency
from shared.ports import Unavailable

#: A longer Retry-After is not waited for here: the message handler defers the message.
LONGEST_HINT_S = 3.0

#: Idle connections are kept this long, in seconds: less than the 4 minutes after which Azure's outbound NAT drops them.
_IDLE_S = 60

_CONNECT_S = 5

#: The characters of a header value that are not percent-encoded. A space is: at either end it would be stripped.
_HEADER_SAFE = string.ascii_letters + string.digits + string.punctuation.replace("%", "")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer."""

    headers: Mapping[str, str]
    body: bytes


class Transport:
    """The connections to one service of an account, opened at first use.

    ``pauses_s`` are the pauses between tries; in longer outages the message handler defers a message. ``read_s`` limits
    the wait for each part of an answer. ``options`` go to aiohttp's session.
    """

    def __init__(
        self,
        account: StorageAccount,
        dependency: Dependency,
        *,
        pauses_s: Sequence[float],
        connections: int,
        read_s: float,
        **options: Any,
    ) -> None:
        self.account = account
        self._dependency = dependency
        self._path = yarl.URL(account.url).raw_path.rstrip("/")
        self._pauses_s = tuple(pauses_s)
        self._connections = connections
        self._read_s = read_s
        self._options = options
        self._session: aiohttp.ClientSession | None = None

    async def retry(self, step: Callable[[], Awaitable[T]]) -> T:
        """Run a step, and repeat it after each pause while its error is temporary and its Retry-After is short."""
        pauses_s = iter(self._pauses_s)
        while True:
            try:
                return await step()
            except (Answered, Unavailable) as trouble:
                pause_s, hint_s = next(pauses_s, None), trouble.retry_after_s or 0
                final = isinstance(trouble, Answered) and not trouble.is_temporary
                if final or pause_s is None or hint_s > LONGEST_HINT_S:
                    raise
            await asyncio.sleep(max(pause_s, hint_s))

    async def send(self, verb: str, target: str, headers: Mapping[str, str], body: Any = None) -> Answer:
        """Send one request once.

        Raises:
            Answered: the answer is not a success.
            Unavailable: no answer came, or there is no token.
        """
        signed = dict(headers)
        try:
            query = await self.account.access.sign(verb, f"{self._path}/{target}", signed)
        except NoToken as trouble:
            raise Unavailable(self._dependency, str(trouble)) from None
        url = yarl.URL(f"{self.account.url}/{target}{'?' if query else ''}{query}", encoded=True)
        try:
            async with self._open_session().request(
                verb, url, data=body, headers=signed, allow_redirects=False
            ) as response:
                answer = Answer(response.headers, await response.read())
        except aiohttp.ClientConnectorError:
            raise Unavailable(self._dependency, "no connection") from None
        except (aiohttp.ClientError, OSError):  # a TimeoutError is an OSError
            raise Unavailable(self._dependency, "the answer was lost") from None
        if response.status >= 300:
            raise Answered.read(response.status, answer.headers, answer.body)
        return answer

    async def close(self) -> None:
        """Close the connections. The next use opens new ones."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._connections, keepalive_timeout=_IDLE_S),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=self._read_s),
                # Only if there is a proxy. Otherwise aiohttp would look for one on another thread, for every request.
                trust_env=bool(getproxies()),
                **self._options,
            )
        return self._session


def header_text(value: str) -> str:
    """Percent-encode a value of a blob's metadata, which is sent as a header."""
    return quote(value, safe=_HEADER_SAFE)
