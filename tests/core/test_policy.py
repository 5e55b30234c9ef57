"""The policy file: what comes with the app, and what is wrong with a bad one."""

from pathlib import Path

import pytest

from shared.core.safety.moderation import (
    BLOCKLIST,
    CONTENT_SAFETY,
    LLAMA_GUARD,
    Category,
    Partial,
    Topic,
    may_be_offered,
)
from shared.core.safety.policy_file import PolicyError, check_plans, parse_policy

TEXT = (Path(__file__).parents[2] / "shared" / "core" / "safety" / "moderation.toml").read_text(encoding="utf-8")


def test_the_policy_that_comes_with_the_app() -> None:
    """Medium severity refuses, nothing passes unscreened, and only the secondary screener may be missing."""
    policy = parse_policy(TEXT)
    assert policy.refuse_from == dict.fromkeys(Category, 4)
    assert policy.unscreened == frozenset()
    assert policy.partial_outputs is Partial.DELIVER_SAFE
    assert not policy.allow_topics & {Topic.MINORS, Topic.BLOCKED, Topic.UNNAMED, Topic.WEAPONS, Topic.CRIME}
    without = [name for name in (BLOCKLIST, CONTENT_SAFETY, LLAMA_GUARD) if policy.rule(name).go_on_without]
    assert without == [LLAMA_GUARD]
    assert set(policy.screeners) == {BLOCKLIST, CONTENT_SAFETY, LLAMA_GUARD}


def test_plans_may_differ() -> None:
    """A table of their own."""
    policy = parse_policy(TEXT + "\n[plans.free]\nViolence = 2\n")
    assert policy.thresholds("free")[Category.VIOLENCE] == 2
    assert policy.thresholds("basic")[Category.VIOLENCE] == 4


@pytest.mark.parametrize("names", [["video"], ["audio"], ["training"], ["training", "video", "audio"]])
def test_what_may_pass_unscreened_is_named_one_by_one(names: list[str]) -> None:
    """Video, audio and training, each by itself: to let one pass says nothing of the others."""
    policy = parse_policy(TEXT.replace("unscreened = []", f"unscreened = {names}"))
    assert policy.unscreened == frozenset(names)
    for modality in ("video", "audio", "training"):
        assert may_be_offered(policy, modality) == (modality in names)


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('version = "2026-11-29"', "", "version"),
        ('version = "2026-11-29"', "version = 7", "version"),
        ("Hate = 4\n", "", "Hate is missing"),
        ("Hate = 4", "Hate = 0", "refuse_from.Hate"),
        ("Hate = 4", "Hate = 9", "refuse_from.Hate"),
        ("Hate = 4", "Hate = true", "refuse_from.Hate"),
        ("Hate = 4", "Hatred = 4", "refuse_from.Hatred"),
        ('"advice"', '"weather"', "allow_topics"),
        ('partial_outputs = "deliver_safe"', "partial_outputs = 7", "partial_outputs"),
        ("unscreened = []", "unscreened = true", "unscreened"),
        ("unscreened = []", 'unscreened = "video"', "unscreened"),
        ("unscreened = []", 'unscreened = ["vidoe"]', "'vidoe' is not known; known are audio, training, video"),
        ("unscreened = []", 'unscreened = ["video", "image"]', "'image' is not known"),
        ("unscreened = []", 'unscreened = ["text"]', "'text' is not known"),
        ("unscreened = []", 'unscreened = [""]', "unscreened"),
        ("unscreened = []", "unscreened = [1]", "unscreened"),
        ("unscreened = []", "unseen = []", "unseen"),
        ("failures = 5", "failures = 0", "content_safety.failures"),
        ("failures = 5", "failures = 1.5", "content_safety.failures"),
        ("pause_s = 30.0", "pause_s = -1", "content_safety.pause_s"),
        ("timeout_s = 10.0", "timeout_s = 'long'", "content_safety.timeout_s"),
        ("go_on_without = false", "go_on_without = 'no'", "content_safety.go_on_without"),
        ("go_on_without = false", "go_on = false", "content_safety.go_on"),
        ("[refuse_from]", "[refuse_from", "not TOML"),
    ],
)
def test_a_bad_policy_names_file_and_place(old: str, new: str, named: str) -> None:
    """An operator finds the place at once, and nothing is allowed by a typing error."""
    assert old in TEXT
    with pytest.raises(PolicyError) as caught:
        parse_policy(TEXT.replace(old, new, 1), file="mine.toml")
    assert str(caught.value).startswith("mine.toml")
    assert named in str(caught.value)


def test_a_plan_that_does_not_exist_is_an_error_of_the_policy() -> None:
    """A typing error in a plan's name would leave the plan without its thresholds."""
    policy = parse_policy(TEXT + "\n[plans.gold]\nViolence = 2\n")
    check_plans(policy, ("free", "gold"))
    with pytest.raises(PolicyError, match=r"^mine\.toml, plans\.gold: must be one of free, basic$"):
        check_plans(policy, ("free", "basic"), "mine.toml")
