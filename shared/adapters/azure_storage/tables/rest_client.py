"""Requests to Tables: signed, sent, and sent again where that may help.

azure-data-tables spends 0.6 ms of CPU on a point read and 2 to 3 ms on a transaction (Python's ``email`` package
builds and reads the multipart); a generation has some ten such calls. This does the same with 0.2.

Rules of this file:
1. A request that found no service, or a busy one, is sent again a few times: every request made here may be, for
   writes carry ETags and know themselves again (store.py).
2. What cannot be had is Unavailable; what was answered and is no success is ``Answered``, for the caller to read.
3. No error quotes an address: it may carry a signature.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.request import getproxies

import aiohttp
import yarl

from shared.adapters.azure_storage.access import NoToken, StorageAccount
from shared.adapters.azure_storage.tables import entities
from shared.adapters.azure_storage.tables.entities import BOUNDARY, Row, Write
from shared.adapters.azure_storage.tables.errors import Answered
from shared.ports import Unavailable

#: Pauses before each further try, in seconds. The corridor puts a message off for longer outages.
PAUSES_S = (0.0, 0.6, 1.2)

#: A hint longer than this is for the corridor, which has more patience than a function call.
_LONGEST_HINT_S = 2.0

#: What a second try may mend (learn.microsoft.com/rest/api/storageservices, Table service error codes).
_PASSING = frozenset({0, 408, 429, 500, 502, 503, 504})

#: Idle connections are kept so long: short of the 4 minutes after which Azure's outbound NAT forgets them.
_IDLE_S = 60

#: So many requests at once: two reads for each of the 16 calls of a queue, three queues, and room.
_CONNECTIONS = 128

_VERSIONS = {"x-ms-version": "2019-02-02", "DataServiceVersion": "3.0"}
_READ = {"Accept": "application/json;odata=minimalmetadata", **_VERSIONS}
_WRITE = {"Content-Type": "application/json", "Prefer": "return-no-content", **_READ}
_BATCH = {"Content-Type": f"multipart/mixed; boundary={BOUNDARY}", "MaxDataServiceVersion": "3.0;NetFx", **_VERSIONS}


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that is a success."""

    headers: Mapping[str, str]
    body: bytes


class TableRestClient:
    """The connections to one account, opened at first use. ``options`` go to aiohttp's session."""

    def __init__(self, account: StorageAccount, *, pauses_s: Sequence[float] = PAUSES_S, **options: Any) -> None:
        self._account = account
        self._path = yarl.URL(account.url).raw_path.rstrip("/")
        self._pauses_s = tuple(pauses_s)
        self._options = options
        self._session: aiohttp.ClientSession | None = None

    async def read(self, table: str, keys: Row) -> tuple[Row, str]:
        """A row and its ETag: of the header, or of the row itself where a service (Cosmos DB) sends no such header."""
        answer = await self._send("GET", entities.target(table, keys), _READ)
        try:
            row = entities.decoded(answer.body)
        except (ValueError, TypeError, KeyError):
            raise Unavailable("tables", "its answer could not be read") from None
        return row, _etag(answer) or str(row.get("odata.etag", ""))

    async def insert(self, table: str, row: Row) -> str:
        """Write a row that must be new; returns its ETag."""
        return _etag(await self._send("POST", table, _WRITE, entities.encoded(row)))

    async def replace(self, table: str, row: Row, etag: str = "") -> str:
        """Write the whole row, on the condition that it is still the one of ``etag`` if that is given."""
        headers = {**_WRITE, "If-Match": etag} if etag else _WRITE
        return _etag(await self._send("PUT", entities.target(table, row), headers, entities.encoded(row)))

    async def delete(self, table: str, keys: Row) -> None:
        """Delete a row, whatever it is."""
        await self._send("DELETE", entities.target(table, keys), {**_READ, "If-Match": "*"})

    async def transact(self, table: str, writes: Sequence[Write]) -> list[str]:
        """Write all or nothing; returns the new ETags. ValueError where the rows are not of one partition."""
        if len({row["PartitionKey"] for row, _ in writes}) != 1:
            raise ValueError("a transaction is about one user")
        body = entities.transaction(self._account.url, table, writes)
        etags: list[str] = []

        def read(answer: Answer) -> None:
            etags[:] = entities.answers(answer.body, len(writes))

        await self._send("POST", "$batch", _BATCH, body, read)
        return etags

    async def close(self) -> None:
        """Close the connections; the next use opens new ones."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    # Sending, with a few tries.

    async def _send(
        self, verb: str, target: str, headers: Mapping[str, str], body: bytes | None = None, read: Any = None
    ) -> Answer:
        for pause_s in (*self._pauses_s, None):
            trouble: Answered | Unavailable
            try:
                answer = await self._sent(verb, target, headers, body)
                if read is not None:
                    read(answer)
            except Answered as answered:
                if answered.status not in _PASSING:
                    raise
                trouble = answered
            except Unavailable as unavailable:
                trouble = unavailable
            else:
                return answer
            hint_s = trouble.retry_after_s or 0
            if pause_s is None or hint_s > _LONGEST_HINT_S:
                raise trouble
            await asyncio.sleep(max(pause_s, hint_s))
        raise AssertionError("the last pause is None")

    async def _sent(self, verb: str, target: str, headers: Mapping[str, str], body: bytes | None) -> Answer:
        signed = dict(headers)
        try:
            query = await self._account.access.sign(verb, f"{self._path}/{target}", signed)
        except NoToken as trouble:
            raise Unavailable("tables", str(trouble)) from None
        url = yarl.URL(f"{self._account.url}/{target}{'?' if query else ''}{query}", encoded=True)
        try:
            async with self._opened().request(verb, url, data=body, headers=signed, allow_redirects=False) as response:
                answer = Answer(response.headers, await response.read())
        except aiohttp.ClientConnectorError:
            raise Unavailable("tables", "no connection") from None
        except (aiohttp.ClientError, OSError):  # a TimeoutError is an OSError
            raise Unavailable("tables", "the answer was lost") from None
        if response.status >= 300:
            raise Answered.read(response.status, answer.headers, answer.body)
        return answer

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=_CONNECTIONS, keepalive_timeout=_IDLE_S),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=15),
                # Only where there is a proxy: else aiohttp would look for one on another thread, for every request.
                trust_env=bool(getproxies()),
                **self._options,
            )
        return self._session


def _etag(answer: Answer) -> str:
    return answer.headers.get("ETag", "")
