"""Azure AI Content Safety: assesses a text or an image.

Rules of this file:
1. An answer must have an integer for each of the four categories. Any other answer is Unavailable, never "allowed". If
   a category occurs twice, the higher severity counts.
2. A text is analysed as it was written. If it has disguises (core/safety/unmasked.py), it is analysed again without
   them, because the service does not recognise a word spelled with look-alike characters. The higher severity counts.
3. A text longer than the service takes is analysed in chunks, and each word is whole in at least one of them. Some
   chunks are analysed at a time, so that a language model's long text takes about as long as one chunk.
4. One analysis takes at most ten seconds. After that it is Unavailable, and the message handler defers the message, by
   the service's hint if there is one.
5. An image that the service refuses (400, 413, 415) is unfit: the answer would be the same in an hour, when the outputs
   are gone. A refusal that concerns our request (the version, the key, the rate) or the service is Unavailable.
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
from shared.core.safety.chunks import chunks_of
from shared.core.safety.moderation import CONTENT_SAFETY, MOST_SEVERE, Assessment, Category, Topic, merged
from shared.core.safety.unmasked import unmasked
from shared.ports import OutputUnfit, Unavailable

if TYPE_CHECKING:
    from azure.ai.contentsafety.aio import ContentSafetyClient
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.core.exceptions import HttpResponseError

#: Limit of one analysis with the SDK's retries, in seconds.
_ANALYSIS_S = 10.0

_CATEGORIES = [category.value for category in Category]
_NAMED = {category.value: category for category in Category}

#: How many chunks of one text are analysed at a time: far below the service's rate (1,000 requests in ten seconds, S0).
_AT_ONCE = 4

#: From this length on it takes more than a few milliseconds to find disguises.
_LONG_CHARACTERS = 5_000

#: The version of the service's API that azure-ai-contentsafety 1.0 uses.
_API_VERSION = "2023-10-01"

#: An image is encoded in chunks of this size. It is a multiple of 3, so there is no padding between chunks.
_HEAD, _CHUNK_BYTES = b'{"image":{"content":"', 192 * 1024


class ContentSafety:
    """A screener. Takes a ``key`` (a laptop) or a ``credential`` (an identity with the role Cognitive Services User).

    ``blocklists`` are names of blocklists of the Azure resource. A text with a match is refused, and not analysed
    further. The SDK is imported, and its client made, at the first use.
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
            raise ValueError("Content Safety takes either a key or a credential")
        self._endpoint = endpoint
        self._key = key
        self._credential = credential
        self._blocklists = tuple(blocklists)
        self._timeout_s = timeout_s
        self._client: ContentSafetyClient | None = None

    async def text(self, text: str) -> Assessment:
        """Assess a text of any length. Of several chunks the highest severity per category counts."""
        chunks = chunks_of(text)
        if plain := await _unmasked(text):
            chunks += [chunk for chunk in chunks_of(plain) if chunk not in chunks]  # each chunk once
        if len(chunks) == 1:
            return await self._analyse_chunk(text)
        turn = asyncio.Semaphore(_AT_ONCE)

        async def analyse_in_turn(chunk: str) -> Assessment:
            async with turn:
                return await self._analyse_chunk(chunk)

        analyses = [asyncio.create_task(analyse_in_turn(chunk)) for chunk in chunks]
        try:
            screenings = await asyncio.gather(*analyses)
        finally:
            for analysis in analyses:
                analysis.cancel()  # if one has failed, do not pay for the others
        blocked = [assessment for assessment in screenings if Topic.BLOCKED in assessment.topics]
        if blocked:
            return blocked[0]  # the severities of the whole text are not known
        return Assessment(merged(screenings).severities, screeners=(CONTENT_SAFETY,))

    async def _analyse_chunk(self, text: str) -> Assessment:
        request: dict[str, Any] = {"text": text, "categories": _CATEGORIES}
        if self._blocklists:
            request |= {"blocklistNames": self._blocklists, "haltOnBlocklistHit": True}
        return read_text(await self._analyse("text", json.dumps(request).encode()), blocklists=bool(self._blocklists))

    async def image(self, image: bytes) -> Assessment:
        """Assess an image of at most 4 MB and 7200 px a side.

        Raises:
            OutputUnfit: the service cannot read these bytes as an image.
        """
        return read_image(await self._analyse("image", _ImageBody(image)))

    async def close(self) -> None:
        """Close the connection; the next use opens a new one."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _analyse(self, what: str, body: "bytes | _ImageBody") -> Mapping[str, Any]:
        """Send one analysis; returns the JSON of its answer, ``{}`` if that is not an object.

        It uses the SDK's client, but not the SDK's models: they cost 8 ms of CPU for an image.
        """
        from azure.core.exceptions import AzureError, HttpResponseError  # noqa: PLC0415  # slow, at first use only
        from azure.core.rest import HttpRequest  # noqa: PLC0415  # as above

        self._client = self._client or self._make_client()
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

    def _make_client(self) -> "ContentSafetyClient":
        from azure.ai.contentsafety.aio import ContentSafetyClient  # noqa: PLC0415  # as above
        from azure.core.credentials import AzureKeyCredential  # noqa: PLC0415  # as above

        credential = self._credential if self._key is None else AzureKeyCredential(self._key)
        return ContentSafetyClient(
            self._endpoint,
            credential,  # type: ignore[arg-type]  # the constructor has checked that there is one
            # Retry once after a broken connection, never after an answer: the SDK would sleep through Retry-After here.
            retry_total=1,
            retry_status=0,
            retry_backoff_factor=0.3,
            connection_timeout=3,
            read_timeout=self._timeout_s,
            # Only if there is a proxy. Otherwise aiohttp would look for one on another thread, for every request.
            use_env_settings=bool(getproxies()),
        )


async def _unmasked(text: str) -> str:
    """The text without its disguises; empty if it has none. A long one is read on a thread, beside the event loop."""
    return unmasked(text) if len(text) < _LONG_CHARACTERS else await asyncio.to_thread(unmasked, text)


class _ImageBody:
    """The JSON body of an image's analysis, encoded chunk by chunk while it is sent. It can be iterated again."""

    def __init__(self, image: bytes) -> None:
        self._image = image
        self._tail = b'"},"categories":%b}' % json.dumps(_CATEGORIES).encode()

    def __len__(self) -> int:
        return len(_HEAD) + (len(self._image) + 2) // 3 * 4 + len(self._tail)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield _HEAD
        for start in range(0, len(self._image), _CHUNK_BYTES):
            yield base64.b64encode(self._image[start : start + _CHUNK_BYTES])
        yield self._tail


def read_text(answer: Mapping[str, Any], *, blocklists: bool) -> Assessment:
    """The assessment in the answer to a text's analysis. Raises Unavailable if the answer is not readable.

    If the request named ``blocklists``, the answer must list their matches. After a match the service stops: the
    assessment then has the topic "blocked", and no categories.
    """
    matches = answer.get("blocklistsMatch")
    if blocklists and not isinstance(matches, list):
        raise Unavailable(Dependency.CONTENT_SAFETY, "unreadable")
    if matches:
        return Assessment({}, frozenset({Topic.BLOCKED}), screeners=(CONTENT_SAFETY,))
    return read_image(answer)


def read_image(answer: Mapping[str, Any]) -> Assessment:
    """The assessment in the answer to an image's analysis. Raises Unavailable if the answer is not readable."""
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


#: For the user. The limits: learn.microsoft.com/azure/ai-services/content-safety/overview, input requirements.
PICTURES_TAKEN = (
    "The content check takes single pictures of 50 to 7200 pixels a side and at most 4 MB, as JPEG, PNG, GIF, BMP, "
    "TIFF or WebP, and could not read this one. Nothing was charged; ask for another format."
)

#: The statuses that concern the picture, unless the error's code has one of the words that concern our request.
_ABOUT_THE_PICTURE = (400, 413, 415)
_ABOUT_US = ("version", "subscription", "resource", "quota", "feature")


def _trouble(error: "HttpResponseError", what: str) -> Exception:
    """The exception for a refused analysis. It has no text of the service's, which may quote the request."""
    code = str(error.error.code if error.error is not None else "").lower()
    if what == "image" and error.status_code in _ABOUT_THE_PICTURE and not any(word in code for word in _ABOUT_US):
        return OutputUnfit(Refusal(Reason.OUTPUT_INVALID, PICTURES_TAKEN))
    headers: Mapping[str, str] = getattr(error.response, "headers", {})
    hint_s = retry_after_s(headers.get("Retry-After"))
    return Unavailable(Dependency.CONTENT_SAFETY, f"answered {error.status_code}", hint_s)
