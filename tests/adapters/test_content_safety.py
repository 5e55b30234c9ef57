"""Content Safety: an assessment is complete, or the service is Unavailable."""

import asyncio
import base64
import io
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self

import httpx
import pytest
import pytest_asyncio
from aiohttp import web
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError
from PIL import Image

from dev.fakes.screener import UNSAFE_IMAGE, FakeScreener
from replicate_simulator.markers import draw_marker
from shared.adapters.content_safety import ContentSafety, _ImageBody
from shared.core.safety.chunks import OVERLAP_CHARACTERS, TEXT_CHARACTERS, chunks_of
from shared.core.safety.moderation import Category, Policy, Topic, evaluate
from shared.ports import Unavailable
from tests.adapters.simulators import Answer, Scripted, closed_port, never_answer, raw_server, running, scripted

NAMES = ("Hate", "SelfHarm", "Sexual", "Violence")
SAFE = [{"category": name, "severity": 0} for name in NAMES]


def analysis(*items: object, status: int = 200, **headers: str) -> web.Response:
    """An answer with these categories."""
    body = json.dumps({"blocklistsMatch": [], "categoriesAnalysis": items}).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return web.Response(status=status, body=body, headers={"Content-Type": "application/json", **named})


@asynccontextmanager
async def on(*answers: web.Response | Answer, timeout_s: float = 2.0) -> AsyncIterator[tuple[ContentSafety, Scripted]]:
    """The adapter on a server that answers so."""
    async with scripted(*answers) as server:
        screener = ContentSafety(server.url, key="a-key", timeout_s=timeout_s)
        try:
            yield screener, server
        finally:
            await screener.close()


async def test_a_text_is_asked_for_with_all_categories() -> None:
    """The request names the four categories and carries the key; the verdict holds them as numbers."""
    items = [*SAFE[:3], {"category": "Violence", "severity": 4}]
    async with on(analysis(*items)) as (screener, server):
        assessment = await screener.text("a lighthouse")
    ((method, path, headers, body),) = server.requests
    sent = json.loads(body)
    assert (method, path.partition("?")[0]) == ("POST", "/contentsafety/text:analyze")
    assert headers["ocp-apim-subscription-key"] == "a-key"
    assert sent["text"] == "a lighthouse"
    assert sent["categories"] == list(NAMES)
    assert assessment.severities == {**dict.fromkeys(Category, 0), Category.VIOLENCE: 4}


async def test_an_image_is_sent_as_its_bytes() -> None:
    """In base64, as the service takes it."""
    async with on(analysis(*SAFE)) as (screener, server):
        assessment = await screener.image(b"\x89PNG")
    assert server.requests[0][1].startswith("/contentsafety/image:analyze")
    assert json.loads(server.requests[0][3])["image"] == {"content": "iVBORw=="}
    assert set(assessment.severities) == set(Category)


@pytest.mark.parametrize(
    "items",
    [
        [],
        SAFE[:3],
        [*SAFE[:3], {"category": "Violence"}],
        [*SAFE[:3], {"category": "Violence", "severity": None}],
        [*SAFE[:3], {"category": "Violence", "severity": "high"}],
        [*SAFE[:3], {"category": "Violence", "severity": True}],
        [*SAFE[:3], {"category": "Violence", "severity": -1}],
        [*SAFE[:3], {"category": "Violence", "severity": 8}],
        [*SAFE[:3], {"category": "Weather", "severity": 0}],
        [*SAFE[:3], "nonsense"],
        [*SAFE[:3], {"category": ["Violence"], "severity": 0}],
        [*SAFE, {"category": "Violence", "severity": None}],
    ],
)
async def test_an_incomplete_answer_is_unavailable(items: list[object]) -> None:
    """A missing or odd severity never counts as 0."""
    async with on(analysis(*items)) as (screener, _):
        with pytest.raises(Unavailable, match="content safety"):
            await screener.text("a lighthouse")


async def test_of_a_category_that_is_there_twice_the_higher_counts() -> None:
    """Whichever comes last: an answer that contradicts itself is no leave."""
    for items in ([{"category": "Hate", "severity": 6}, *SAFE], [*SAFE, {"category": "Hate", "severity": 6}]):
        async with on(analysis(*items)) as (screener, _):
            assert (await screener.text("a lighthouse")).severities[Category.HATE] == 6


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"null", b'{"categoriesAnalysis": 5}', b"[" * 100_000], ids=range(6)
)
async def test_an_unreadable_answer_is_unavailable(body: bytes) -> None:
    """Whatever is no analysis."""
    answer = web.Response(body=body, headers={"Content-Type": "application/json"})
    async with on(answer) as (screener, _):
        with pytest.raises(Unavailable, match="content safety"):
            await screener.image(b"x")


async def test_a_silent_or_missing_service_is_unavailable_in_time() -> None:
    """The bound holds over the SDK's own retries."""
    async with raw_server(never_answer) as silent:
        for url in (silent, await closed_port()):
            screener = ContentSafety(url, key="a-key", timeout_s=0.5)
            began = time.monotonic()
            with pytest.raises(Unavailable):
                await screener.text("x")
            assert time.monotonic() - began < 2
            await screener.close()


def test_it_takes_a_key_or_a_credential() -> None:
    """Neither and both are mistakes of the composition."""
    with pytest.raises(ValueError, match="either a key or a credential"):
        ContentSafety("https://x.example")


class Identity:
    """A managed identity that returns a token, or raises that none is available."""

    def __init__(self, *, available: bool = True) -> None:
        self.available = available
        self.scopes: list[str] = []

    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """A token for these scopes."""
        self.scopes += scopes
        if not self.available:
            raise ClientAuthenticationError("no identity here, and a secret detail")
        return AccessToken("a-token", int(time.time()) + 3600)

    async def close(self) -> None:
        """There is nothing to close."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """There is nothing to close."""


@pytest.mark.parametrize("available", [True, False])
async def test_without_a_key_the_identity_is_asked(available: bool) -> None:
    """Its token is for this service only. Without one the service is Unavailable, and the error quotes no detail."""
    url = (await closed_port()).replace("http:", "https:")
    identity = Identity(available=available)
    screener = ContentSafety(url, credential=identity)
    with pytest.raises(Unavailable, match="content safety") as raised:
        await screener.text("a lighthouse")
    await screener.close()
    assert set(identity.scopes) == {"https://cognitiveservices.azure.com/.default"}
    assert "secret" not in str(raised.value)


def test_a_long_text_is_cut_without_losing_a_word() -> None:
    """Every chunk fits, the chunks make up the text, and every word is whole in one of them."""
    words = [f"word{number}" for number in range(5000)]
    text = " ".join(words)
    chunks = chunks_of(text)
    assert all(len(chunk) <= TEXT_CHARACTERS for chunk in chunks)
    assert set(words) <= {word for chunk in chunks for word in chunk.split()}
    rebuilt = chunks[0] + "".join(chunk[OVERLAP_CHARACTERS:] for chunk in chunks[1:])
    assert rebuilt == text


@pytest.mark.parametrize(
    "length", [0, 1, TEXT_CHARACTERS - 1, TEXT_CHARACTERS, TEXT_CHARACTERS + 1, 3 * TEXT_CHARACTERS]
)
def test_chunks_end_with_the_text(length: int) -> None:
    """There is at least one chunk, the last one ends the text, and none contains only overlap."""
    text = "".join(chr(97 + number % 26) for number in range(length))
    chunks = chunks_of(text)
    assert chunks[0][:1] == text[:1]
    assert text.endswith(chunks[-1])
    assert len(chunks) == 1 or len(chunks[-1]) > OVERLAP_CHARACTERS
    assert len(chunks) == 1 or length > TEXT_CHARACTERS


def test_characters_that_may_count_twice_are_given_room() -> None:
    """An emoji may count as one or two."""
    assert all(len(chunk) <= TEXT_CHARACTERS // 2 for chunk in chunks_of("🗼" * TEXT_CHARACTERS))


async def test_the_worst_of_all_chunks_counts() -> None:
    """Per category, wherever in the text it stands."""
    first = [{"category": name, "severity": severity} for name, severity in zip(NAMES, (2, 0, 0, 6), strict=True)]
    second = [{"category": name, "severity": severity} for name, severity in zip(NAMES, (0, 4, 0, 2), strict=True)]
    async with on(analysis(*first), analysis(*second)) as (screener, server):
        assessment = await screener.text("xy " * 4000)
    assert len(server.requests) == 2
    assert [assessment.severities[category] for category in Category] == [2, 4, 0, 6]


@asynccontextmanager
async def with_blocklists(*answers: web.Response) -> AsyncIterator[tuple[ContentSafety, Scripted]]:
    """The adapter with two lists of the resource's own."""
    async with scripted(*answers) as server:
        screener = ContentSafety(server.url, key="a-key", blocklists=("brands", "names"))
        try:
            yield screener, server
        finally:
            await screener.close()


def matched(*matches: object, **more: object) -> web.Response:
    """An answer with hits in a blocklist."""
    return web.json_response({"blocklistsMatch": list(matches), **more})


async def test_a_hit_in_a_blocklist_is_a_topic_of_its_own() -> None:
    """The service halts there, so there are no severities; it is refused all the same."""
    hit = {"blocklistName": "brands", "blocklistItemId": "1", "blocklistItemText": "a brand"}
    async with with_blocklists(matched(hit, categoriesAnalysis=[])) as (screener, server):
        assessment = await screener.text("a brand of shoes")
    sent = json.loads(server.requests[0][3])
    assert (sent["blocklistNames"], sent["haltOnBlocklistHit"]) == (["brands", "names"], True)
    assert assessment.topics == {Topic.BLOCKED}
    assert not assessment.severities


async def test_no_hit_leaves_the_categories() -> None:
    """One call for both."""
    async with with_blocklists(matched(categoriesAnalysis=SAFE)) as (screener, server):
        assessment = await screener.text("a lighthouse")
    assert len(server.requests) == 1
    assert assessment.severities == dict.fromkeys(Category, 0)


async def test_an_answer_without_the_lists_is_unavailable() -> None:
    """The request named blocklists, so an answer without them does not mean "no match"."""
    async with with_blocklists(web.json_response({"categoriesAnalysis": SAFE})) as (screener, _):
        with pytest.raises(Unavailable, match="unreadable"):
            await screener.text("a lighthouse")


async def test_a_hit_in_any_chunk_refuses_the_whole_text() -> None:
    """Even if a policy allows the topic, because the chunk with the match was not analysed further."""
    hit = {"blocklistName": "brands", "blocklistItemId": "1", "blocklistItemText": "a brand"}
    safe = matched(categoriesAnalysis=SAFE)
    async with with_blocklists(safe, matched(hit, categoriesAnalysis=[]), safe) as (screener, server):
        assessment = await screener.text("word " * 5000)
    assert len(server.requests) == 3
    assert all(json.loads(request[3])["haltOnBlocklistHit"] for request in server.requests)
    assert assessment.topics == {Topic.BLOCKED}
    assert not assessment.severities
    assert not evaluate(
        Policy("test", dict.fromkeys(Category, 4), allow_topics=frozenset({Topic.BLOCKED})), assessment
    ).allowed


async def test_several_chunks_of_a_long_text_are_analysed_at_once() -> None:
    """Ten chunks are analysed four at a time, never more, so a long text takes less than ten times as long."""
    at_once, most = 0, 0

    async def slow(request: web.Request) -> web.Response:
        nonlocal at_once, most
        at_once, most = at_once + 1, max(most, at_once + 1)
        await asyncio.sleep(0.05)
        at_once -= 1
        return analysis(*SAFE)

    async with on(slow) as (screener, _):
        assessment = await screener.text("word " * 19_000)
    assert assessment.severities == dict.fromkeys(Category, 0)
    assert most == 4


async def test_a_chunk_without_an_assessment_leaves_the_text_without_one() -> None:
    """The result of the other chunks does not count. Of the twelve, no more are sent than those already under way."""

    async def later(request: web.Request) -> web.Response:
        return await asyncio.sleep(0.2, analysis(*SAFE))

    async with on(analysis(*SAFE, status=503), later) as (screener, server):
        with pytest.raises(Unavailable, match="503"):
            await screener.text("word " * 19_000)
        await asyncio.sleep(0.3)
        assert len(server.requests) <= 5


# The same on the fake and on the simulator.


@dataclass
class Setting:
    """A screener, and what it takes for unsafe."""

    screener: ContentSafety | FakeScreener
    word: str
    safe_image: bytes
    unsafe_image: bytes


@pytest_asyncio.fixture(scope="session")
async def simulator() -> AsyncIterator[dict[str, str]]:
    """The Content Safety simulator."""
    async with running("replicate_simulator.content_safety") as ready:
        yield ready


@pytest_asyncio.fixture
async def real(simulator: dict[str, str]) -> AsyncIterator[ContentSafety]:
    """The adapter on the simulator."""
    screener = ContentSafety(simulator["url"], key=simulator["key"])
    yield screener
    await screener.close()


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.stack)])
def setting(request: pytest.FixtureRequest) -> Setting:
    """The setting on the fake, or on the real service: the parameter says which."""
    if request.param == "fake":
        return Setting(FakeScreener(), "gory", b"an image", b"an image" + UNSAFE_IMAGE)
    return Setting(request.getfixturevalue("real"), "gore", painted(marked=False), painted(marked=True))


def painted(*, marked: bool) -> bytes:
    """A PNG, with or without the mark of an unsafe picture."""
    picture = Image.new("RGB", (256, 256), (90, 100, 120))
    if marked:
        draw_marker(picture, "Violence", 6)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


async def test_harm_is_found_and_harmless_is_zero(setting: Setting) -> None:
    """All four categories are there, and only what is meant is raised."""
    safe = await setting.screener.text("a lighthouse")
    assert safe.severities == dict.fromkeys(Category, 0)
    unsafe = await setting.screener.text(f"a {setting.word} lighthouse")
    assert unsafe.severities == {**dict.fromkeys(Category, 0), Category.VIOLENCE: 6}


async def test_images_are_judged(setting: Setting) -> None:
    """One that is marked is unsafe, one that is not is safe."""
    assert not any((await setting.screener.image(setting.safe_image)).severities.values())
    assert any((await setting.screener.image(setting.unsafe_image)).severities.values())


@pytest.mark.stack
@pytest.mark.parametrize("fault", [{"kind": "down", "times": 9}, {"kind": "garbage"}, {"kind": "missing_category"}])
async def test_what_the_simulator_breaks_is_unavailable(
    real: ContentSafety, simulator: dict[str, str], fault: dict[str, object]
) -> None:
    """Down, garbage, a category missing: never a verdict."""
    async with httpx.AsyncClient(base_url=simulator["url"], trust_env=False) as hands:
        await hands.post("/_sim/faults", json=fault)
        with pytest.raises(Unavailable, match="content safety"):
            await real.text("a lighthouse")
        await hands.delete("/_sim/faults")


@pytest.mark.parametrize("size_bytes", [0, 1, 2, 3, 196_607, 196_608, 196_609, 500_000])
async def test_an_image_is_sent_whole_in_chunks(size_bytes: int) -> None:
    """For any length: the base64 has no gap, and Content-Length is correct, even when the body is sent again."""
    image = (bytes(range(256)) * 2000)[:size_bytes]
    body = _ImageBody(image)

    for _ in range(2):
        sent = b"".join([chunk async for chunk in body])
        assert len(sent) == len(body)
        assert base64.b64decode(json.loads(sent)["image"]["content"]) == image
