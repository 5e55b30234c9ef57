"""Texts on the whole road: prompts and outputs of language models that are longer than one look takes."""

from typing import Any

import pytest

from shared.core.safety.chunks import TEXT_CHARACTERS
from shared.core.safety.moderation import Category
from tests.stack.road import PROMPT_MARK, Road

pytestmark = pytest.mark.stack

#: A model that takes long prompts, and as many words as it may write.
MODEL = {"model": "llama-4-scout", "max_tokens": 4096}

#: What the Content Safety simulator knows as a whole only.
PHRASE = "explicit sex"


async def asked(road: Road) -> int:
    """How many texts Content Safety was asked about so far."""
    stats = (await road.safety.get("/_sim/stats")).json()
    return int(stats["requests"].get("text", 0))


async def long_message(road: Road, ending: str = "", before: int = 0) -> dict[str, Any]:
    """A message with a prompt of two chunks; ``ending`` stands ``before`` characters before the end of the first."""
    message = await road.message(**MODEL)
    start, filling = message["prompt"], f" {PROMPT_MARK} over water" * 1000
    first = (start + filling)[: TEXT_CHARACTERS - before - 1]
    return {**message, "prompt": f"{first} {ending} {filling}"[: TEXT_CHARACTERS + 6000]}


async def test_a_long_answer_is_looked_at_whole_and_stored(road: Road) -> None:
    """The prompt takes two looks and the answer two: no more; both are beyond what one look takes."""
    message = await long_message(road)
    before = await asked(road)
    outcome = await road.outcome(message)
    assert outcome.event["type"] == "darkroom.generation.succeeded", outcome.event
    assert await asked(road) - before == 4
    (output,) = outcome.event["data"]["outputs"]
    stored = await road.stack.app.outputs.read_output(output["name"])
    assert len(stored.decode()) > TEXT_CHARACTERS
    seen = [(record.subject, dict(record.severities)) for record in outcome.generation.screenings]
    safe = {category.value: 0 for category in Category}
    assert seen == [("prompt", safe), ("output 1.0", safe)]
    await road.books_balance(outcome.key.user_id)


@pytest.mark.parametrize("before", [-300, 0, 1, 6, 11, 13, 150, 199, 200, 210])
async def test_what_stands_at_a_seam_is_seen(road: Road, before: int) -> None:
    """Wherever the first chunk ends: before the phrase, in it, or after it."""
    message = await long_message(road, PHRASE, before)
    assert PHRASE in message["prompt"]
    outcome = await road.outcome(message)
    assert outcome.reason == "PROMPT_REFUSED"
    assert outcome.event["data"]["reason"]["text"] == "The prompt was refused by the content rules (sexual content)."
    assert not await road.predictions(message["prompt"])
    await road.paid_nothing(outcome)


async def test_an_answer_is_judged_as_it_is_read_and_not_as_it_comes(road: Road) -> None:
    """It streams in parts of a word, each harmless; together they are not, so nothing is stored or charged."""
    outcome = await road.generate("unsafe_text", {"category": "Hate", "severity": 6}, **MODEL)
    assert outcome.reason == "OUTPUT_REFUSED"
    assert (
        outcome.event["data"]["reason"]["text"] == "The result was refused by the content rules (hate or harassment)."
    )
    assert not outcome.event["data"]["outputs"]
    await road.paid_nothing(outcome)
    assert not [name for name in await road.stack.app.outputs.list_outputs() if outcome.key.generation_id in name]


async def test_every_text_beside_the_prompt_is_screened_with_it(road: Road) -> None:
    """A system prompt that is refused is refused before anything is paid, whatever the prompt says."""
    message = await road.message(**MODEL, system_prompt="You write about gore.")
    outcome = await road.outcome(message)
    assert outcome.reason == "PROMPT_REFUSED"
    assert not await road.predictions(message["prompt"])
    await road.paid_nothing(outcome)
