"""Azure AI Content Safety: a verdict on a text or an image.

Rules of this file:
1. A verdict has all four categories as whole numbers, or it is none: Unavailable, never "allowed". Of a category that
   is there twice the higher severity counts.
2. A text is looked at as it was written, and once more without its disguises where it has any (core/safety/unmasked):
   a word in look-alike letters is none to the service. The higher severity of both counts.
3. A text is looked at whole: in pieces where it is longer than the service takes, each word in at least one of them,
   some at a time, so that what a language model wrote at length is judged in about the time of one piece.
4. One analysis takes at most ten seconds; for whatever lasts longer the corridor comes back, after the service's hint.
5. That it will not take a picture (400, 413, 415) is an answer about the picture: it would be the same in an hour, when
   the outputs are gone. What is about us (the version, the key, the rate) or about the service is trouble.
"""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.request import getproxies

from shared.adapters.net.hints import retry_after_s
from shared.core.dependency import Dependency
from shared.core.reasons import Reason, Refusal
from shared.core.safety.chunks import pieces_of
from shared.core.safety.moderation import CONTENT_SAFETY, MOST_SEVERE, Assessment, Category, Topic, merged
from shared.core.safety.unmasked import unmasked
from shared.ports import OutputUnfit, Unavailable

if TYPE_CHECKING:
    from azure.ai.contentsafety.aio import ContentSafetyClient
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.core.exceptions import HttpResponseError

#: One analysis with the SDK's retries, in seconds.
_ANALYSIS_S = 10.0

_CATEGORIES = [category.value for category in Category]
_NAMED = {category.value: category for category in Category}

#: Pieces of one text that are analysed at a time: far below the service's rate (1,000 requests in ten seconds, S0).
_AT_ONCE = 4

#: From this length on it takes more than a few milliseconds to see what is disguised.
_LONG_CHARACTERS = 5_000

#: The version of the service's API, as azure-ai-contentsafety 1.0 speaks it.
_API_VERSION = "2023-10-01"

#: An image is encoded in pieces of this size: of three bytes each four characters, so no padding in between.
_HEAD, _PIECE_BYTES = b'{"image":{"content":"', 192 * 1024


class ContentSafety:
    """A screener. With ``key`` (a laptop) or ``credential`` (an identity with the role Cognitive Services User).

    ``blocklists`` are names of the resource's own lists: a text that hits one is refused, and not analysed further.
    The SDK is imported and connected at the first use.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        key: str | None = None,
        credential: "AsyncTokenCredential | None" = None,
        blocklists: Sequence[str] = (),
        timeout_s: float = _ANALYSIS_S,
    ) -> None:
        if (key is None) == (credential is None):
            raise ValueError("Content Safety takes a key or a credential, and not both")
        self._endpoint = endpoint
        self._key = key
        self._credential = credential
        self._blocklists = tuple(blocklists)
        self._timeout_s = timeout_s
        self._client: ContentSafetyClient | None = None

    async def text(self, text: str) -> Assessment:
        """Analyse a text of any length; of several pieces the highest severity per category counts."""
        pieces = pieces_of(text)
        if reading := await _unmasked(text):
            pieces += [piece for piece in pieces_of(reading) if piece not in pieces]  # the others were looked at
        if len(pieces) == 1:
            return await self._piece(text)
        turn = asyncio.Semaphore(_AT_ONCE)

        async def in_turn(piece: str) -> Assessment:
            async with turn:
                return await self._piece(piece)

        looks = [asyncio.create_task(in_turn(piece)) for piece in pieces]
        try:
            screenings = await asyncio.gather(*looks)
        finally:
            for look in looks:
                look.cancel()  # where one has failed, nobody pays for the others
        blocked = [assessment for assessment in screenings if Topic.BLOCKED in assessment.topics]
        if blocked:
            return blocked[0]  # nobody knows the severities of all of it
        return Assessment(merged(screenings).severities, screeners=(CONTENT_SAFETY,))

    async def _piece(self, text: str) -> Assessment:
        asked: dict[str, Any] = {"text": text, "categories": _CATEGORIES}
        if self._blocklists:
            asked |= {"blocklistNames": self._blocklists, "haltOnBlocklistHit": True}
        return read_text(await self._analysed("text", json.dumps(asked).encode()), blocklists=bool(self._blocklists))

    async def image(self, image: bytes) -> Assessment:
        """Analyse an image of at most 4 MB and 7200 px.

        Raises:
            OutputUnfit: the service says that these bytes are no image it can read.
        """
        return read_image(await self._analysed("image", _ImageBody(image)))

    async def close(self) -> None:
        """Close the connection; the next use opens a new one."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _analysed(self, what: str, body: "bytes | _ImageBody") -> Mapping[str, Any]:
        """The service's answer. By the SDK's client, but not by its models: they cost 8 ms of CPU for an image."""
        from azure.core.exceptions import AzureError, HttpResponseError  # noqa: PLC0415  # slow, at first use only
        from azure.core.rest import HttpRequest  # noqa: PLC0415  # as above

        self._client = self._client or self._made()
        try:
            async with asyncio.timeout(self._timeout_s):
                headers = {"Content-Type": "application/json", "Content-Length": str(len(body))}
                request = HttpRequest(
                    "POST", f"/{what}:analyze", params={"api-version": _API_VERSION}, headers=headers, content=body
                )
                response = await self._client.send_request(request)
                response.raise_for_status()
                answer = response.json()
        except HttpResponseError as error:
            raise _trouble(error, what) from None
        except (AzureError, TimeoutError, ValueError, RecursionError) as error:
            raise Unavailable(Dependency.CONTENT_SAFETY, f"no answer ({type(error).__name__})") from None
        return answer if isinstance(answer, dict) else {}

    def _made(self) -> "ContentSafetyClient":
        from azure.ai.contentsafety.aio import ContentSafetyClient  # noqa: PLC0415  # as above
        from azure.core.credentials import AzureKeyCredential  # noqa: PLC0415  # as above

        credential = self._credential if self._key is None else AzureKeyCredential(self._key)
        return ContentSafetyClient(
            self._endpoint,
            credential,  # type: ignore[arg-type]  # the constructor has seen to it that one of both is there
            # A broken connection is tried again once. An answer is not: the SDK would sleep through Retry-After here.
            retry_total=1,
            retry_status=0,
            retry_backoff_factor=0.3,
            connection_timeout=3,
            read_timeout=self._timeout_s,
            # Only where there is a proxy: else aiohttp would look for one on another thread, for every request.
            use_env_settings=bool(getproxies()),
        )


async def _unmasked(text: str) -> str:
    """The text without its disguises; of a long one not on the loop, where others wait."""
    return unmasked(text) if len(text) < _LONG_CHARACTERS else await asyncio.to_thread(unmasked, text)


class _ImageBody:
    """The JSON of an image's analysis, encoded piece by piece as it is sent; it may be sent again."""

    def __init__(self, image: bytes) -> None:
        self._image = image
        self._tail = b'"},"categories":%b}' % json.dumps(_CATEGORIES).encode()

    def __len__(self) -> int:
        return len(_HEAD) + (len(self._image) + 2) // 3 * 4 + len(self._tail)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield _HEAD
        for start in range(0, len(self._image), _PIECE_BYTES):
            yield base64.b64encode(self._image[start : start + _PIECE_BYTES])
        yield self._tail


def read_text(answer: Mapping[str, Any], *, blocklists: bool) -> Assessment:
    """The verdict in the answer to a text's analysis. Unavailable if it is none.

    Where ``blocklists`` were asked for, the answer must speak of them. After a hit the service halts: that topic is
    all that is known then, and nothing is said of the categories.
    """
    matches = answer.get("blocklistsMatch")
    if blocklists and not isinstance(matches, list):
        raise Unavailable(Dependency.CONTENT_SAFETY, "unreadable")
    if matches:
        return Assessment({}, frozenset({Topic.BLOCKED}), screeners=(CONTENT_SAFETY,))
    return read_image(answer)


def read_image(answer: Mapping[str, Any]) -> Assessment:
    """The verdict in the answer to an image's analysis. Unavailable if it is none."""
    analysis = answer.get("categoriesAnalysis")
    severities: dict[Category, int] = {}
    for item in analysis if isinstance(analysis, list) else []:
        name, severity = (item.get("category"), item.get("severity")) if isinstance(item, dict) else (None, None)
        category = _NAMED.get(name) if isinstance(name, str) else None
        if category is None:
            continue
        if not isinstance(severity, int) or isinstance(severity, bool) or not 0 <= severity <= MOST_SEVERE:
            raise Unavailable(Dependency.CONTENT_SAFETY, "unreadable")
        severities[category] = max(severity, severities.get(category, 0))
    if len(severities) < len(Category):
        raise Unavailable(Dependency.CONTENT_SAFETY, "unreadable")
    return Assessment(severities, screeners=(CONTENT_SAFETY,))


#: What the service takes (learn.microsoft.com/azure/ai-services/content-safety/overview, input requirements).
PICTURES_TAKEN = (
    "The content check takes single pictures of 50 to 7200 pixels a side and at most 4 MB, as JPEG, PNG, GIF, BMP, "
    "TIFF or WebP, and could not read this one. Nothing was charged; ask for another format."
)

#: The answers that are about the picture, and the codes of those that are about how it was asked.
_ABOUT_THE_PICTURE = (400, 413, 415)
_ABOUT_US = ("version", "subscription", "resource", "quota", "feature")


def _trouble(error: "HttpResponseError", what: str) -> Exception:
    """What a refused analysis means. No text of the service's goes on: it may quote what it was asked."""
    code = str(error.error.code if error.error is not None else "").lower()
    if what == "image" and error.status_code in _ABOUT_THE_PICTURE and not any(word in code for word in _ABOUT_US):
        return OutputUnfit(Refusal(Reason.OUTPUT_INVALID, PICTURES_TAKEN))
    headers: Mapping[str, str] = getattr(error.response, "headers", {})
    hint_s = retry_after_s(headers.get("Retry-After"))
    return Unavailable(Dependency.CONTENT_SAFETY, f"answered {error.status_code}", hint_s)
