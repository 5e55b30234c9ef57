"""Content Safety and disguised texts: they are analysed again without their disguise, and no other text is."""

import json

import pytest

from tests.adapters.test_content_safety import NAMES, analysis, on


async def test_a_disguised_text_is_shown_without_its_disguise_too() -> None:
    """It is one more chunk, and the higher severity counts: the service does not recognise look-alike characters."""
    harmless = [{"category": name, "severity": 0} for name in NAMES]
    found = [{"category": name, "severity": severity} for name, severity in zip(NAMES, (0, 0, 6, 0), strict=True)]
    async with on(analysis(*harmless), analysis(*found)) as (screener, server):
        assessment = await screener.text("a n\u0443d\u0435 picture")
    asked = [json.loads(body)["text"] for *_, body in server.requests]
    assert sorted(asked) == ["a nyde picture", "a n\u0443d\u0435 picture"]
    assert max(assessment.severities.values()) == 6


@pytest.mark.parametrize("text", ["a lighthouse, 8k, 50mm", "Ein schöner Abend", "закат над горами", "山の上の夕日 ❤️"])
async def test_a_text_without_a_disguise_is_shown_once(text: str) -> None:
    """In any language it costs one analysis."""
    async with on(analysis(*[{"category": name, "severity": 0} for name in NAMES])) as (screener, server):
        await screener.text(text)
    assert [json.loads(body)["text"] for *_, body in server.requests] == [text]
