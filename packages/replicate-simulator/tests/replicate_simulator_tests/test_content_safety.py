"""The Content Safety simulator, through the real SDK, sync and aio."""

import asyncio
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from azure.ai.contentsafety import ContentSafetyClient
from azure.ai.contentsafety.aio import ContentSafetyClient as AsyncContentSafetyClient
from azure.ai.contentsafety.models import AnalyzeImageOptions, AnalyzeTextOptions, ImageData, TextCategory
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import ClientAuthenticationError, DecodeError, HttpResponseError
from PIL import Image

from replicate_simulator.content_safety import CATEGORIES, WORDS, make_app
from replicate_simulator.markers import draw_marker
from replicate_simulator.serving import listening

KEY = "local-key"


@dataclass(slots=True)
class Safety:
    """A running simulator and an SDK client of it that does not repeat by itself."""

    url: str
    client: AsyncContentSafetyClient
    http: httpx.AsyncClient

    async def text(self, text: str, **options: Any) -> dict[str, int | None]:
        """The severities of a text."""
        result = await self.client.analyze_text(AnalyzeTextOptions(text=text, **options))
        return {str(each.category): each.severity for each in result.categories_analysis}

    async def image(self, content: bytes) -> dict[str, int | None]:
        """The severities of an image."""
        result = await self.client.analyze_image(AnalyzeImageOptions(image=ImageData(content=content)))
        return {str(each.category): each.severity for each in result.categories_analysis}

    async def fault(self, **fault: Any) -> None:
        """Adds a fault."""
        assert (await self.http.post("/_sim/faults", json=fault)).status_code == 201


@pytest.fixture
async def safety() -> AsyncIterator[Safety]:
    """A fresh simulator."""
    async with listening(make_app(KEY)) as listener:
        client = AsyncContentSafetyClient(listener.url, AzureKeyCredential(KEY), retry_total=0)
        # verify: nothing is encrypted here, and reading the certificates takes longer than most tests.
        async with client, httpx.AsyncClient(base_url=listener.url, verify=False) as http:
            yield Safety(listener.url, client, http)


def encoded(kind: str = "WEBP", size: tuple[int, int] = (200, 100), marker: tuple[str, int] | None = None) -> bytes:
    """An encoded picture, marked or not."""
    picture = Image.new("RGB", size, (120, 140, 160))
    if marker is not None:
        draw_marker(picture, *marker)
    out = io.BytesIO()
    picture.save(out, kind)
    return out.getvalue()


async def test_a_harmless_text_has_severity_0_in_every_category(safety: Safety) -> None:
    """All four categories are answered, all 0; parts of words do not count."""
    assert await safety.text("A beautiful sunset over gorean nudes-like mountains") == dict.fromkeys(CATEGORIES, 0)


@pytest.mark.parametrize("category", CATEGORIES)
async def test_words_have_their_category_and_severity(safety: Safety, category: str) -> None:
    """Each listed word, in any case and hyphenated, gives its severity; the worst one counts."""
    words = WORDS[category]
    assert sorted(words.values()) == [2, 4, 6]
    for word, severity in words.items():
        found = await safety.text(f"A picture of {word.upper().replace(' ', '-')}, please")
        assert found == {**dict.fromkeys(CATEGORIES, 0), category: severity}
    assert (await safety.text(" and ".join(words)))[category] == 6


async def test_only_the_asked_categories_are_answered(safety: Safety) -> None:
    """`categories` is honoured."""
    assert await safety.text("gore", categories=[TextCategory.VIOLENCE, TextCategory.HATE]) == {
        "Violence": 6,
        "Hate": 0,
    }


def test_the_sync_client_works_too() -> None:
    """Text and image through the synchronous SDK, against a server in its own thread."""

    def ask(url: str) -> tuple[int | None, int | None]:
        with ContentSafetyClient(url, AzureKeyCredential(KEY)) as client:
            text = client.analyze_text(AnalyzeTextOptions(text="bloody"))
            content = encoded(marker=("Hate", 2))
            image = client.analyze_image(AnalyzeImageOptions(image=ImageData(content=content)))
        return max(each.severity or 0 for each in text.categories_analysis), max(
            each.severity or 0 for each in image.categories_analysis
        )

    async def serve_and_ask() -> tuple[int | None, int | None]:
        async with listening(make_app(KEY)) as listener:
            return await asyncio.to_thread(ask, listener.url)

    assert asyncio.run(serve_and_ask()) == (4, 2)


@pytest.mark.parametrize("kind", ["WEBP", "JPEG", "PNG", "GIF", "BMP", "TIFF"])
async def test_images_are_judged_by_their_marker(safety: Safety, kind: str) -> None:
    """Unmarked is 0; a marker gives its category and severity, in every format."""
    assert await safety.image(encoded(kind)) == dict.fromkeys(CATEGORIES, 0)
    for category, severity in (("SelfHarm", 2), ("Sexual", 4), ("Violence", 6)):
        found = await safety.image(encoded(kind, marker=(category, severity)))
        assert found == {**dict.fromkeys(CATEGORIES, 0), category: severity}


@pytest.mark.parametrize("size", [(50, 50), (7200, 50)])
async def test_images_at_the_limits_are_taken(safety: Safety, size: tuple[int, int]) -> None:
    """50 and 7200 pixels are inside."""
    assert await safety.image(encoded("PNG", size)) == dict.fromkeys(CATEGORIES, 0)


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")  # the SDK's way with 4 MB
@pytest.mark.parametrize(
    "content",
    [
        encoded("PNG", (49, 200)),
        encoded("PNG", (7201, 100)),
        encoded("PNG") + bytes(4 * 1024 * 1024),
        encoded("WEBP")[:40],
        encoded("PNG", (300, 300))[:-40],
        b"<!DOCTYPE html>",
        b"",
    ],
    ids=["small", "large", "heavy", "cut webp", "cut png", "html", "empty"],
)
async def test_images_that_cannot_be_judged_are_400(safety: Safety, content: bytes) -> None:
    """Too small, too large, too heavy, cut, not an image, nothing: the service's error, not a severity."""
    with pytest.raises(HttpResponseError) as caught:
        await safety.image(content)
    assert caught.value.status_code == 400
    assert caught.value.error is not None
    assert caught.value.error.code == "InvalidRequestBody"


async def test_texts_that_cannot_be_judged_are_400(safety: Safety) -> None:
    """10,000 characters pass, one more does not, nor does nothing."""
    assert await safety.text("é" * 10_000) == dict.fromkeys(CATEGORIES, 0)
    for text in ("é" * 10_001, ""):
        with pytest.raises(HttpResponseError) as caught:
            await safety.text(text)
        assert caught.value.status_code == 400


@pytest.mark.parametrize(
    "body",
    [b"{", b"[]", b'{"text": 7}', b'{"text": "x", "categories": ["Taste"]}', b'{"text": "x", "categories": [{}]}'],
)
async def test_bad_bodies_are_400(safety: Safety, body: bytes) -> None:
    """What the SDK would never send is refused as well."""
    answer = await safety.http.post(
        "/contentsafety/text:analyze?api-version=2023-10-01",
        content=body,
        headers={"Ocp-Apim-Subscription-Key": KEY},
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "InvalidRequestBody")


async def test_a_wrong_key_is_401(safety: Safety) -> None:
    """The SDK raises its authentication error; a missing api-version is 404."""
    async with AsyncContentSafetyClient(safety.url, AzureKeyCredential("other")) as client:
        with pytest.raises(ClientAuthenticationError) as caught:
            await client.analyze_text(AnalyzeTextOptions(text="x"))
    assert caught.value.status_code == 401
    assert caught.value.error is not None
    assert (caught.value.error.message or "").startswith("Access denied due to invalid subscription key")
    answer = await safety.http.post("/contentsafety/text:analyze", headers={"Ocp-Apim-Subscription-Key": KEY}, json={})
    assert answer.status_code == 404


@pytest.mark.parametrize(("kind", "status"), [("down", 503), ("throttled", 429)])
async def test_down_and_throttled(safety: Safety, kind: str, status: int) -> None:
    """The SDK raises with the status; the next call works; only the meant kind of request is hit."""
    await safety.fault(kind=kind, on="text")
    assert await safety.image(encoded()) == dict.fromkeys(CATEGORIES, 0)
    with pytest.raises(HttpResponseError) as caught:
        await safety.text("x")
    assert caught.value.status_code == status
    assert await safety.text("x") == dict.fromkeys(CATEGORIES, 0)


async def test_slow(safety: Safety) -> None:
    """The answer takes longer than the caller has."""
    await safety.fault(kind="slow", seconds=0.3)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await safety.text("x")


async def test_garbage(safety: Safety) -> None:
    """200 with JSON that ends in the middle."""
    await safety.fault(kind="garbage")
    with pytest.raises(DecodeError):
        await safety.text("x")


@pytest.mark.parametrize("keep_name", [False, True])
async def test_missing_category(safety: Safety, keep_name: bool) -> None:
    """A category is left out, or is there without its severity."""
    await safety.fault(kind="missing_category", category="Sexual", keep_name=keep_name)
    kept: dict[str, int | None] = {"Hate": 0, "SelfHarm": 0, "Violence": 0}
    assert await safety.text("nude") == (kept | {"Sexual": None} if keep_name else kept)


async def test_faults_are_listed_cleared_and_checked(safety: Safety) -> None:
    """GET shows them, DELETE forgets them, nonsense is 400."""
    await safety.fault(kind="down", times=-1)
    shown = {"kind": "down", "times": -1, "on": None}
    assert (await safety.http.get("/_sim/faults")).json() == [shown]
    assert (await safety.http.delete("/_sim/faults")).status_code == 204
    assert await safety.text("x") == dict.fromkeys(CATEGORIES, 0)
    for bad in (
        {"kind": "fire"},
        {"kind": "down", "times": 0},
        {"kind": "slow", "seconds": -1},
        {"kind": "down", "x": 1},
    ):
        assert (await safety.http.post("/_sim/faults", json=bad)).status_code == 400


async def test_stats(safety: Safety) -> None:
    """Requests by kind and answers by status."""
    await safety.text("x")
    await safety.image(encoded())
    with pytest.raises(HttpResponseError):
        await safety.text("")
    stats = (await safety.http.get("/_sim/stats")).json()
    assert stats == {"requests": {"text": 2, "image": 1}, "answers": {"200": 2, "400": 1}}
