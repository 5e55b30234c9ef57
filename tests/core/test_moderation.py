"""The judgement: a truth table of severities and thresholds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.moderation import PLAIN_WORDS, Category, Judgement, Policy, Verdict, judge
from shared.core.reasons import Reason

POLICY = Policy("test", dict.fromkeys(Category, 4))
SAFE = dict.fromkeys(Category, 0)


@pytest.mark.parametrize("severity", range(8))
@pytest.mark.parametrize("category", Category)
def test_each_category_is_refused_from_its_threshold(category: Category, severity: int) -> None:
    """Below 4 is allowed, from 4 on refused, for every category alike."""
    judgement = judge(POLICY, Verdict(SAFE | {category: severity}))
    assert judgement == (Judgement(allowed=True) if severity < 4 else Judgement(allowed=False, category=category))


@pytest.mark.parametrize("category", Category)
def test_a_verdict_without_a_category_is_refused(category: Category) -> None:
    """What was not looked at is not safe."""
    partial = {other: 0 for other in Category if other is not category}
    assert not judge(POLICY, Verdict(partial)).allowed


@pytest.mark.parametrize("category", Category)
def test_a_policy_without_a_category_refuses(category: Category) -> None:
    """A policy that forgot a category allows nothing."""
    partial = Policy("test", {other: 4 for other in Category if other is not category})
    assert not judge(partial, Verdict(SAFE)).allowed


def test_the_worst_category_is_named() -> None:
    """Of two refused categories the more severe one is told."""
    judgement = judge(POLICY, Verdict(SAFE | {Category.HATE: 4, Category.VIOLENCE: 6}))
    assert judgement.category is Category.VIOLENCE


@given(st.dictionaries(st.sampled_from(list(Category)), st.integers(0, 7)))
def test_allowed_means_every_category_is_below(severities: dict[Category, int]) -> None:
    """No verdict is allowed by accident."""
    allowed = judge(POLICY, Verdict(severities)).allowed
    assert allowed == (len(severities) == len(Category) and max(severities.values()) < 4)


@pytest.mark.parametrize("category", Category)
def test_the_user_is_told_the_category_in_plain_words(category: Category) -> None:
    """The sentence names what kind of content, and no number."""
    refusal = judge(POLICY, Verdict(SAFE | {category: 6})).refusal(Reason.PROMPT_REFUSED)
    assert PLAIN_WORDS[category] in refusal.text
    assert not any(char.isdigit() for char in refusal.text)
