"""The record of a verdict: it is read as it was written, and can be judged again."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.safety.moderation import Assessment, Category, Policy, Topic, evaluate, keyed_digest
from shared.core.safety.screening_record import ScreeningRecord, read_record, record

POLICY = Policy("p1", dict.fromkeys(Category, 4))
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
VERDICT = Assessment(
    {**dict.fromkeys(Category, 0), Category.VIOLENCE: 6},
    frozenset({Topic.CRIME}),
    screeners=("blocklist", "content_safety"),
)


def with_records(assessment: Assessment = VERDICT, policy: Policy = POLICY) -> ScreeningRecord:
    """The record of a prompt's verdict."""
    digest = keyed_digest(b"key", b"a prompt")
    verdict = evaluate(policy, assessment)
    return record("prompt", assessment, verdict, policy=policy, plan="free", digest=digest, now=NOW)


def test_it_says_why_and_by_whom() -> None:
    """Category, policy, screeners, time and digest."""
    made = with_records()
    assert (made.allowed, made.category, made.policy, made.screeners) == (
        False,
        "crime",
        "p1",
        ("blocklist", "content_safety"),
    )
    assert (made.at, len(made.digest)) == (NOW, 32)


@given(
    st.builds(
        Assessment,
        st.dictionaries(st.sampled_from(list(Category)), st.integers(0, 7)),
        st.frozensets(st.sampled_from(list(Topic))),
        screeners=st.tuples(st.just("blocklist")),
        unavailable=st.sampled_from([(), ("content_safety",)]),
        unscreened=st.sampled_from(["", "video"]),
    )
)
def test_it_is_read_as_it_was_written(assessment: Assessment) -> None:
    """Through JSON, and the verdict in it is the verdict."""
    made = with_records(assessment)
    assert read_record(json.loads(json.dumps(made.to_json()))) == made
    assert made.assessment == assessment
    assert made.verdict_under(POLICY) == evaluate(POLICY, assessment, "free")


def test_another_policy_may_say_something_else() -> None:
    """Replaying is judging the same verdict again."""
    milder = Policy("p2", {**POLICY.refuse_from, Category.VIOLENCE: 8}, allow_topics=frozenset({Topic.CRIME}))
    assert with_records().verdict_under(milder).allowed


@pytest.mark.parametrize(
    "raw",
    [
        None,
        [],
        {},
        {"at": "yesterday"},
        {**with_records().to_json(), "at": 7},
        {**with_records().to_json(), "plan": 7},
        {**with_records().to_json(), "severities": {"Hate": "high"}},
        {**with_records().to_json(), "severities": {"Hate": "0"}},
        {**with_records().to_json(), "severities": {"Hate": 3.9}},
        {**with_records().to_json(), "severities": {"Hate": float("inf")}},
        {**with_records().to_json(), "severities": {"Hate": True}},
        {**with_records().to_json(), "at": "2026-11-21T12:00:00"},
        {**with_records().to_json(), "severities": [1]},
        {name: value for name, value in with_records().to_json().items() if name != "allowed"},
    ],
    ids=range(14),
)
def test_what_cannot_be_read_is_no_record(raw: object) -> None:
    """It never becomes one that allows."""
    assert read_record(raw) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 12) | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
names = st.lists(st.sampled_from(["minors", "crime", "blocklist", "content_safety", "new"]), max_size=2)
severities = st.dictionaries(
    st.sampled_from([*(category.value for category in Category), "New"]), st.integers(0, 7) | json_values, max_size=5
)
changes = st.fixed_dictionaries(
    {},
    optional={
        "subject": json_values,
        "at": st.sampled_from(["2026-11-21T12:00:00Z", "2026-11-21"]) | json_values,
        "plan": st.sampled_from(["free", "premium"]) | json_values,
        "allowed": json_values,
        "severities": severities | json_values,
        "topics": names | json_values,
        "screeners": names | json_values,
        "unavailable": names | json_values,
        "unscreened": st.sampled_from(["", "video", "training"]) | json_values,
    },
)


@given(changes | json_values)
def test_no_record_is_replayed_as_allowed_by_accident(changed: Any) -> None:
    """Whatever stands there is none, or is judged: allowed means whole numbers below the threshold, and no topic."""
    raw = (
        with_records(Assessment(dict.fromkeys(Category, 0))).to_json() | changed
        if isinstance(changed, dict)
        else changed
    )
    read = read_record(raw)
    if read is None or not read.verdict_under(POLICY).allowed:
        return
    assert read.at.tzinfo is not None
    assert all(type(raw["severities"][category.value]) is int for category in Category)
    assert max(raw["severities"].values()) < 4
    assert not raw.get("topics")
    assert not raw.get("unavailable")
    assert not raw.get("unscreened")


def test_names_of_another_version_never_allow() -> None:
    """A category or topic that this version does not know counts as one that nobody allows."""
    raw = with_records(Assessment(dict.fromkeys(Category, 0))).to_json()
    for strange in ({"topics": ["new"]}, {"severities": {**raw["severities"], "New": 0}}):
        read = read_record(raw | strange)
        assert read is not None
        assert not read.verdict_under(POLICY).allowed
