"""The reading of Content Safety's answers, fuzzed: nothing that the service could say is allowed by accident."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.content_safety import read_image, read_text
from shared.core.safety.moderation import Assessment, Category, Policy, Topic, evaluate
from shared.ports import Unavailable

NAMES = [category.value for category in Category]
POLICY = Policy("test", dict.fromkeys(Category, 4), allow_topics=frozenset({Topic.BLOCKED}))

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 12) | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
severities = st.integers(0, 7) | st.sampled_from([True, False, None, -1, 8, 0.0, "0"]) | json_values
items = st.fixed_dictionaries(
    {}, optional={"category": st.sampled_from([*NAMES, "hate", None, []]), "severity": severities}
)
#: An answer that would be allowed, were it not for what stands beside it.
whole = st.permutations(NAMES).flatmap(
    lambda names: st.tuples(
        *(st.fixed_dictionaries({"category": st.just(name), "severity": st.integers(0, 3)}) for name in names)
    ).map(list)
)
analyses = st.tuples(whole, st.lists(items | json_values, max_size=4)).map(lambda parts: [*parts[0], *parts[1]])
answers = st.fixed_dictionaries(
    {},
    optional={
        "categoriesAnalysis": analyses | st.lists(items | json_values, max_size=6) | json_values,
        "blocklistsMatch": st.just([]) | json_values,
    },
)


@given(answers, st.booleans())
def test_no_text_is_allowed_by_accident(answer: dict[str, Any], blocklists: bool) -> None:
    """Allowed means: no list was hit and, where lists were asked for, the answer says so; and every category is low."""
    try:
        assessment = read_text(answer, blocklists=blocklists)
    except Unavailable:
        return
    if evaluate(POLICY, assessment).allowed:
        matches = answer.get("blocklistsMatch")
        assert matches == [] if blocklists else not matches
        assert_low(assessment, answer)


@given(answers)
def test_no_image_is_allowed_by_accident(answer: dict[str, Any]) -> None:
    """The same of an image, for which there are no lists."""
    try:
        assessment = read_image(answer)
    except Unavailable:
        return
    if evaluate(POLICY, assessment).allowed:
        assert_low(assessment, answer)


def assert_low(assessment: Assessment, answer: dict[str, Any]) -> None:
    """Whatever the answer says of a category, however often, is a whole number below the threshold."""
    assert set(assessment.severities) == set(Category)
    said = [item for item in answer["categoriesAnalysis"] if isinstance(item, dict)]
    for name in NAMES:
        numbers = [item.get("severity") for item in said if item.get("category") == name]
        assert numbers
        assert all(type(number) is int and 0 <= number < 4 for number in numbers)


@given(analyses)
def test_some_answers_do_have_a_verdict(analysis: list[Any]) -> None:
    """Or the two above would hold for a reader that never reads."""
    clean = analysis[: len(NAMES)]
    assessment = read_image({"categoriesAnalysis": clean})
    assert {category.value: severity for category, severity in assessment.severities.items()} == {
        item["category"]: item["severity"] for item in clean
    }
