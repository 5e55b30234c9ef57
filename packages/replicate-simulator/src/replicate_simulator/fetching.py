"""Reads the files that an input names, as the model would: is there one, and is it of the right kind?

Rules: a file of the simulator's own Files API is found without a request, because the account's models may read it. An
address on loopback is fetched. Any other address is taken as good, because nothing leaves the machine. A file that
cannot be read does not refuse the request: the prediction fails, as it does at Replicate, with the text of requests,
Pillow or zipfile. The file is read when the prediction is created; at Replicate it is read when the prediction starts.
"""

import base64
import binascii
from collections.abc import Callable, Iterator
from typing import Final
from urllib.parse import urlsplit

from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar

from replicate_simulator.library import Library
from replicate_simulator.models import Holds
from replicate_simulator.schemas import Order, is_loopback

#: How long the answer of a file's server may take. Real seconds.
_ANSWER_S: Final = 5
#: Where the mark of a tar is.
_TAR_PLACE: Final = 257
_HEAD_BYTES: Final = _TAR_PLACE + 5
#: Where a file's mark stands, and the mark.
_MARKS: Final[dict[Holds, tuple[tuple[int, bytes], ...]]] = {
    "image": ((0, b"\xff\xd8\xff"), (0, b"\x89PNG"), (0, b"GIF8"), (8, b"WEBP"), (0, b"BM")),
    "audio": (
        (8, b"WAVE"),
        (0, b"ID3"),
        (0, b"\xff\xfb"),
        (0, b"\xff\xf3"),
        (0, b"OggS"),
        (0, b"fLaC"),
        (4, b"ftyp"),
    ),
    "archive": ((0, b"PK\x03\x04"), (0, b"PK\x05\x06"), (0, b"\x1f\x8b"), (_TAR_PLACE, b"ustar")),
}
_OTHERWISE: Final[dict[Holds, str]] = {
    "image": "cannot identify image file",
    "audio": "unable to read audio file",
    "archive": "File is not a zip file",
}


class Reader:
    """Looks at files; `base_url` is the simulator's own address."""

    def __init__(self, library: Library, base_url: Callable[[], str]) -> None:
        self._library = library
        self._base_url = base_url
        self._session: ClientSession | None = None

    async def trouble(self, order: Order) -> str | None:
        """Returns why a model cannot read what its input names; None where it can, or where nothing is named."""
        for holds, address in _addresses(order):
            try:
                head = await self._head(address)
            except (ClientError, TimeoutError, OSError) as error:
                return f"HTTPConnectionPool: {type(error).__name__} for url: {address}"
            if isinstance(head, int):
                reason = {404: "Not Found", 403: "Forbidden", 401: "Unauthorized"}.get(head, "Error")
                return f"{head} {'Client' if head < 500 else 'Server'} Error: {reason} for url: {address}"
            if head is not None and not any(head[at : at + len(mark)] == mark for at, mark in _MARKS[holds]):
                return _OTHERWISE[holds]
        return None

    async def close(self) -> None:
        """Closes what was opened."""
        if self._session is not None:
            await self._session.close()

    async def _head(self, address: str) -> bytes | int | None:
        """Returns how a file begins; or the status of its server; or None where nobody is asked."""
        if address.startswith("data:"):
            return _inline(address)
        own = f"{self._base_url()}/v1/files/"
        if address.startswith(own):
            file = self._library.files.get(address.removeprefix(own).partition("/")[0])
            return 404 if file is None else file.content[:_HEAD_BYTES]
        parts = urlsplit(address)
        if parts.scheme not in {"http", "https"} or not is_loopback(parts.hostname or ""):
            return None
        async with self._opened().get(address) as answer:
            head = b""
            while len(head) < _HEAD_BYTES and (chunk := await answer.content.read(_HEAD_BYTES)):
                head += chunk
            return answer.status if answer.status >= 400 else head

    def _opened(self) -> ClientSession:
        if self._session is None:
            self._session = ClientSession(timeout=ClientTimeout(total=_ANSWER_S), cookie_jar=DummyCookieJar())
        return self._session


def _addresses(order: Order) -> Iterator[tuple[Holds, str]]:
    for name, each in order.target.model.inputs.items():
        given = order.input.get(name)
        if each.holds and given is not None:
            for address in given if isinstance(given, list) else [given]:
                yield each.holds, address


def _inline(address: str) -> bytes:
    """Returns how an inline file begins; nothing where it is not base64."""
    try:
        return base64.b64decode(address.partition(",")[2])[:_HEAD_BYTES]
    except (binascii.Error, ValueError):
        return b""
