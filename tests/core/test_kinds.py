"""The kinds that are refused beyond Content Safety's four, by the default policy and the blocklist alone."""

import tomllib
from pathlib import Path

import pytest

from shared.core.safety.blocklist import Blocklist
from shared.core.safety.moderation import PLAIN_WORDS, Assessment, Category, Topic, evaluate
from shared.core.safety.policy_file import parse_policy

CORE = Path(__file__).parents[2] / "shared" / "core"
BLOCKLIST = Blocklist.parse((CORE / "safety" / "blocklist.toml").read_text(encoding="utf-8"))
POLICY = parse_policy((CORE / "safety" / "moderation.toml").read_text(encoding="utf-8"))
KINDS: dict[str, dict[str, list[str]]] = tomllib.loads(
    Path(__file__).with_name("kinds.toml").read_text(encoding="utf-8")
)
SAFE = dict.fromkeys(Category, 0)


def found(text: str) -> set[Topic]:
    """The topics for which the default policy refuses a text that Content Safety finds harmless."""
    assessment = BLOCKLIST.look(text)
    whole = Assessment(SAFE | dict(assessment.severities), assessment.topics)
    return set(assessment.topics) if not evaluate(POLICY, whole).allowed else set()


def test_each_kind_has_its_prompts() -> None:
    """Twenty refused and twenty harmless texts, and a name that may be shown to a user."""
    assert {*KINDS} == {"minors", "weapons", "drugs", "fraud", "code", "trafficking", "crime", "privacy"}
    for kind, prompts in KINDS.items():
        assert len({*prompts["refused"]}) == len({*prompts["harmless"]}) == 20, kind
        assert PLAIN_WORDS[Topic(kind)]


@pytest.mark.parametrize(
    ("kind", "text"), [(kind, text) for kind, prompts in KINDS.items() for text in prompts["refused"]]
)
def test_what_is_never_wanted_is_refused_for_its_kind(kind: str, text: str) -> None:
    """This holds in capitals, and in the middle of a longer prompt."""
    for written in (text, text.upper(), f"A poster, high detail. {text.capitalize()}. Thank you!"):
        assert Topic(kind) in found(written), written


@pytest.mark.parametrize(
    ("kind", "text"), [(kind, text) for kind, prompts in KINDS.items() for text in prompts["harmless"]]
)
def test_what_speaks_of_it_harmlessly_is_allowed(kind: str, text: str) -> None:
    """The list finds nothing in texts about cooking, museums, news and medicine."""
    assessment = BLOCKLIST.look(text)
    assert (assessment.topics, assessment.severities) == (frozenset(), {})


def test_what_is_harmless_apart_is_not_found_apart() -> None:
    """The words of a "near" group count only if they stand together."""
    assert found("sell stolen credit cards")
    assert not found("They sell bread and cheese, and the story that is written is one of stolen credit cards.")
    assert not found("A man who cooks. " + "A quiet lake at dawn. " * 3 + "Meth is bad for you.")
