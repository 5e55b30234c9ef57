"""Azure AI Content Safety: a verdict on a text or an image.

Rules of this file:
1. A verdict has all four categories as whole numbers, or it is none: Unavailable, never "allowed".
2. A text is looked at whole: in pieces where it is longer than the service takes, each word in at least one of them.
3. One analysis takes at most ten seconds; for whatever lasts longer the corridor comes back, after the service's hint.
"""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from shared.core.moderation import Category, Verdict
from shared.core.reasons import Reason, Refusal
from shared.ports import OutputUnfit, Unavailable

if TYPE_CHECKING:
    from azure.ai.contentsafety.aio import ContentSafetyClient
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.core.exceptions import HttpResponseError

#: The service's limit for one text, in characters (learn.microsoft.com/azure/ai-services/content-safety/overview).
TEXT_CHARACTERS = 10_000

#: How much of a piece is repeated in the next: longer than any word, and enough for its sense.
OVERLAP_CHARACTERS = 200

#: One analysis with the SDK's retries, in seconds.
_ANALYSIS_S = 10.0

#: The highest severity there is (EightSeverityLevels); the four levels are 0, 2, 4 and 6 of them.
_MOST_SEVERE = 7


class ContentSafety:
    """ports.Screener. With ``key`` (a laptop) or ``credential`` (an identity with the role Cognitive Services User).

    The SDK is imported and connected at the first use.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        key: str | None = None,
        credential: "AsyncTokenCredential | None" = None,
        timeout_s: float = _ANALYSIS_S,
    ) -> None:
        if (key is None) == (credential is None):
            raise ValueError("Content Safety takes a key or a credential, and not both")
        self._endpoint = endpoint
        self._key = key
        self._credential = credential
        self._timeout_s = timeout_s
        self._client: ContentSafetyClient | None = None

    async def text(self, text: str) -> Verdict:
        """Analyse a text of any length; of several pieces the highest severity per category counts."""
        from azure.ai.contentsafety.models import AnalyzeTextOptions  # noqa: PLC0415  # 110 ms, at first use only

        categories = [category.value for category in Category]
        verdicts = [
            await self._analysed("analyze_text", AnalyzeTextOptions(text=piece, categories=list(categories)))
            for piece in pieces_of(text)
        ]
        return Verdict({category: max(verdict.severities[category] for verdict in verdicts) for category in Category})

    async def image(self, image: bytes) -> Verdict:
        """Analyse an image of at most 4 MB and 7200 px.

        Raises:
            OutputUnfit: the service says that these bytes are no image it can read.
        """
        from azure.ai.contentsafety.models import AnalyzeImageOptions, ImageData  # noqa: PLC0415  # as above

        categories = [category.value for category in Category]
        options = AnalyzeImageOptions(image=ImageData(content=image), categories=list(categories))
        return await self._analysed("analyze_image", options)

    async def close(self) -> None:
        """Close the connection; the next use opens a new one."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _analysed(self, operation: str, options: Any) -> Verdict:
        from azure.core.exceptions import AzureError, HttpResponseError  # noqa: PLC0415  # as above

        self._client = self._client or self._made()
        try:
            async with asyncio.timeout(self._timeout_s):
                result = await getattr(self._client, operation)(options)
        except HttpResponseError as error:
            raise _trouble(error, operation) from None
        except (AzureError, TimeoutError, ValueError) as error:
            raise Unavailable("content safety", f"no answer ({type(error).__name__})") from None
        return _verdict(getattr(result, "categories_analysis", None))

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
        )


def pieces_of(text: str) -> list[str]:
    """The text in pieces of at most ``TEXT_CHARACTERS``, each beginning with the end of the one before."""
    # It is not said whether a character beyond the basic plane counts once or, as in UTF-16, twice: half is safe.
    most = TEXT_CHARACTERS if max(text, default="") <= "\uffff" else TEXT_CHARACTERS // 2
    step = most - OVERLAP_CHARACTERS
    starts = range(0, max(1, len(text) - OVERLAP_CHARACTERS), step)
    return [text[start : start + most] for start in starts]


def _verdict(analysis: object) -> Verdict:
    severities: dict[Category, int] = {}
    for item in analysis if isinstance(analysis, list) else []:
        name, severity = getattr(item, "category", None), getattr(item, "severity", None)
        if isinstance(severity, int) and not isinstance(severity, bool) and 0 <= severity <= _MOST_SEVERE:
            severities |= {category: severity for category in Category if category.value == name}
    if len(severities) < len(Category):
        raise Unavailable("content safety", "unreadable")
    return Verdict(severities)


def _trouble(error: "HttpResponseError", operation: str) -> Exception:
    """What a refused analysis means. No text of the service's goes on: it may quote what it was asked."""
    code = error.error.code if error.error is not None else ""
    if operation == "analyze_image" and error.status_code == 400 and code in ("InvalidRequestBody", "InvalidImage"):
        return OutputUnfit(Refusal.of(Reason.OUTPUT_INVALID))
    headers: Mapping[str, str] = getattr(error.response, "headers", {})
    hint = headers.get("Retry-After", "")
    retry_after_s = float(hint) if hint.isascii() and hint.isdigit() else None
    return Unavailable("content safety", f"answered {error.status_code}", retry_after_s)
