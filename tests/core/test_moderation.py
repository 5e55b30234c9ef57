"""The judgement: truth tables of severities and thresholds, and of several screeners."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.modality import InputKind
from shared.core.reasons import Reason
from shared.core.requests.fields import MODALITIES
from shared.core.safety.moderation import (
    BLOCKLIST,
    CONTENT_SAFETY,
    LLAMA_GUARD,
    PLAIN_WORDS,
    SCREENED_INPUTS,
    SCREENED_MODALITIES,
    UNSCREENED_INPUTS,
    UNSCREENED_MODALITIES,
    Assessment,
    Category,
    Decision,
    Opinion,
    Policy,
    ScreenerRule,
    Topic,
    Verdict,
    combine,
    evaluate,
    keyed_digest,
    may_be_offered,
    merged,
    not_screened,
    unscreened,
)

POLICY = Policy("test", dict.fromkeys(Category, 4))
SAFE = dict.fromkeys(Category, 0)


@pytest.mark.parametrize("severity", range(8))
@pytest.mark.parametrize("category", Category)
def test_each_category_is_refused_from_its_threshold(category: Category, severity: int) -> None:
    """Below 4 is allowed, from 4 on refused, for every category alike."""
    verdict = evaluate(POLICY, Assessment(SAFE | {category: severity}))
    assert verdict == (Verdict(allowed=True) if severity < 4 else Verdict(allowed=False, category=category))


@pytest.mark.parametrize("category", Category)
def test_a_verdict_without_a_category_is_refused(category: Category) -> None:
    """What was not looked at is not safe."""
    partial = {other: 0 for other in Category if other is not category}
    assert not evaluate(POLICY, Assessment(partial)).allowed


@pytest.mark.parametrize("category", Category)
def test_a_policy_without_a_category_refuses(category: Category) -> None:
    """A policy that forgot a category allows nothing."""
    partial = Policy("test", {other: 4 for other in Category if other is not category})
    assert not evaluate(partial, Assessment(SAFE)).allowed


def test_the_worst_category_is_named() -> None:
    """Of two refused categories the reason names the more severe one."""
    verdict = evaluate(POLICY, Assessment(SAFE | {Category.HATE: 4, Category.VIOLENCE: 6}))
    assert verdict.category is Category.VIOLENCE


@given(st.dictionaries(st.sampled_from(list(Category)), st.integers(0, 7)))
def test_allowed_means_every_category_is_below(severities: dict[Category, int]) -> None:
    """No verdict is allowed by accident."""
    allowed = evaluate(POLICY, Assessment(severities)).allowed
    assert allowed == (len(severities) == len(Category) and max(severities.values()) < 4)


@pytest.mark.parametrize("category", Category)
def test_the_reason_names_the_category_in_plain_words(category: Category) -> None:
    """The sentence names what kind of content, and no number."""
    refusal = evaluate(POLICY, Assessment(SAFE | {category: 6})).refusal(Reason.PROMPT_REFUSED)
    assert PLAIN_WORDS[category] in refusal.text
    assert not any(char.isdigit() for char in refusal.text)


@pytest.mark.parametrize("topic", Topic)
def test_a_topic_is_refused_unless_the_policy_names_it(topic: Topic) -> None:
    """Whatever the severities say."""
    assessment = Assessment(SAFE, frozenset({topic}))
    assert evaluate(POLICY, assessment) == Verdict(allowed=False, category=topic)
    assert evaluate(Policy("test", POLICY.refuse_from, allow_topics=frozenset({topic})), assessment).allowed


@pytest.mark.parametrize("severity", [-1, 8, True, None, "0", 0.5])
def test_a_value_that_is_no_severity_is_refused(severity: object) -> None:
    """A number that the scale does not have says nothing, so nothing is allowed by it."""
    strange: dict[Category, Any] = {**SAFE, Category.HATE: severity}
    assert not evaluate(POLICY, Assessment(strange)).allowed


def test_a_plan_may_be_stricter_or_milder() -> None:
    """Its own thresholds count for it, the common ones for all others."""
    policy = Policy("test", POLICY.refuse_from, plans={"free": {Category.VIOLENCE: 2}})
    mild = Assessment(SAFE | {Category.VIOLENCE: 2})
    assert not evaluate(policy, mild, "free").allowed
    assert evaluate(policy, mild, "premium").allowed


def test_settings_override_every_plan_and_say_so() -> None:
    """An operator's own threshold counts for everybody, and changes the policy's version."""
    policy = Policy("test", POLICY.refuse_from, plans={"free": {Category.VIOLENCE: 2, Category.HATE: 2}})
    stricter = policy.overridden({Category.VIOLENCE: 6})
    assert stricter.version == "test+Violence6"
    assert stricter.thresholds("free") == {**POLICY.refuse_from, Category.VIOLENCE: 6, Category.HATE: 2}
    assert policy.overridden({}) is policy


@pytest.mark.parametrize("modality", ["video", "audio", "training", "smell"])
def test_what_nobody_looked_at_is_refused_unless_the_policy_lets_it_pass(modality: str) -> None:
    """By default no video, sound or training is offered, and nothing that this version does not know."""
    assert not evaluate(POLICY, unscreened(modality)).allowed
    assert not may_be_offered(POLICY, modality)
    willing = Policy("test", POLICY.refuse_from, unscreened=frozenset({modality}))
    assert evaluate(willing, unscreened(modality)).allowed
    assert may_be_offered(willing, modality)
    assert may_be_offered(POLICY, "image")


def test_every_modality_is_looked_at_or_needs_leave() -> None:
    """None of those that Darkroom makes is forgotten, and none is both."""
    assert {*MODALITIES} == SCREENED_MODALITIES | UNSCREENED_MODALITIES
    assert not SCREENED_MODALITIES & UNSCREENED_MODALITIES


@pytest.mark.parametrize(
    ("modality", "kinds", "needed"),
    [
        ("image", [], set()),
        ("text", ["text", "image", "images", "choice", "flag"], set()),
        ("text", ["audio"], {"audio"}),
        ("audio", ["audio"], {"audio"}),
        ("video", ["image"], {"video"}),
        ("video", ["audio"], {"video", "audio"}),
        ("training", ["archive", "text"], {"training"}),
        ("image", ["archive"], set()),
    ],
)
def test_a_file_that_nobody_can_look_into_needs_leave_as_well(
    modality: str, kinds: list[str], needed: set[str]
) -> None:
    """Whatever is made of it: exactly what is needed is enough, and nothing less."""
    for named in ([], ["audio"], ["video"], ["training"], ["audio", "video"], ["audio", "video", "training"]):
        policy = Policy("test", POLICY.refuse_from, unscreened=frozenset(named))
        assert may_be_offered(policy, modality, map(InputKind, kinds)) == (needed <= set(named))


def test_every_kind_of_input_is_looked_at_or_needs_leave() -> None:
    """A new kind that is in neither would pass unseen."""
    assert set(InputKind) == SCREENED_INPUTS | UNSCREENED_INPUTS.keys()
    assert not SCREENED_INPUTS & UNSCREENED_INPUTS.keys()


# Several screeners.

WHOLE = Assessment(SAFE, screeners=(CONTENT_SAFETY,))
NOTHING = Assessment({}, screeners=(BLOCKLIST,))
MILD = Assessment(SAFE | {Category.HATE: 2}, screeners=(CONTENT_SAFETY,))
HARM = Assessment(SAFE | {Category.HATE: 6}, screeners=(CONTENT_SAFETY,))
HIT = Assessment({Category.SEXUAL: 6}, screeners=(BLOCKLIST,))
TOPIC = Assessment({}, frozenset({Topic.MINORS}), screeners=(BLOCKLIST,))
SILENT = None

#: What the blocklist, Content Safety and Llama Guard say -> what follows: if every screener is required; if the
#: secondary screener may be missing; if Content Safety may be missing as well.
TABLE = [
    (NOTHING, WHOLE, NOTHING, "allowed", "allowed", "allowed"),
    (NOTHING, MILD, NOTHING, "allowed", "allowed", "allowed"),
    (NOTHING, HARM, NOTHING, "refused", "refused", "refused"),
    (HIT, WHOLE, NOTHING, "refused", "refused", "refused"),
    (TOPIC, WHOLE, NOTHING, "refused", "refused", "refused"),
    (NOTHING, WHOLE, TOPIC, "refused", "refused", "refused"),
    (NOTHING, WHOLE, SILENT, "wait", "allowed", "allowed"),
    (NOTHING, HARM, SILENT, "refused", "refused", "refused"),
    (HIT, WHOLE, SILENT, "refused", "refused", "refused"),
    (NOTHING, SILENT, NOTHING, "wait", "wait", "allowed"),
    (HIT, SILENT, NOTHING, "refused", "refused", "refused"),
    (NOTHING, SILENT, TOPIC, "refused", "refused", "refused"),
    (NOTHING, SILENT, SILENT, "wait", "wait", "allowed"),
    (SILENT, WHOLE, NOTHING, "wait", "wait", "wait"),
    (SILENT, HARM, NOTHING, "refused", "refused", "refused"),
    (SILENT, SILENT, TOPIC, "refused", "refused", "refused"),
    (SILENT, SILENT, SILENT, "wait", "wait", "wait"),
    (NOTHING, NOTHING, NOTHING, "refused", "refused", "refused"),
]
WITHOUT = [(), (LLAMA_GUARD,), (LLAMA_GUARD, CONTENT_SAFETY)]


def going_on_without(*names: str) -> Policy:
    """A policy that may go on without these."""
    return Policy("test", POLICY.refuse_from, screeners={name: ScreenerRule(go_on_without=True) for name in names})


@pytest.mark.parametrize("row", TABLE, ids=range(len(TABLE)))
def test_what_follows_from_several_opinions(row: tuple[object, ...]) -> None:
    """The truth table, and that the judgement of the combined verdict is the same: only "allowed" is allowed."""
    said: list[Assessment | None] = row[:3]  # type: ignore[assignment]  # a row is three verdicts and three words
    opinions = [
        Opinion(name, assessment)
        for name, assessment in zip((BLOCKLIST, CONTENT_SAFETY, LLAMA_GUARD), said, strict=True)
    ]
    for names, expected in zip(WITHOUT, row[3:], strict=True):
        policy = going_on_without(*names)
        assessment, decision = combine(policy, opinions)
        assert decision.value == expected
        assert evaluate(policy, assessment).allowed == (expected == "allowed")
        assert assessment.unavailable == tuple(each.screener for each in opinions if each.assessment is None)


def test_nobody_having_looked_never_passes() -> None:
    """Not even where the operator would go on without everybody."""
    policy = going_on_without(CONTENT_SAFETY)
    assert combine(policy, [Opinion(CONTENT_SAFETY, None)])[1] is Decision.WAIT
    assert combine(policy, [])[1] is Decision.WAIT
    assert not evaluate(policy, Assessment({}, unavailable=(CONTENT_SAFETY,))).allowed


screenings = st.builds(
    Assessment,
    st.dictionaries(st.sampled_from(list(Category)), st.integers(0, 7)),
    st.frozensets(st.sampled_from(list(Topic))),
)


@given(st.lists(st.builds(Opinion, st.sampled_from([BLOCKLIST, CONTENT_SAFETY, LLAMA_GUARD]), st.none() | screenings)))
def test_nothing_is_allowed_by_accident(opinions: list[Opinion]) -> None:
    """With nobody excused, allowed means: everybody spoke, every category is known and low, no topic was found."""
    assessment, decision = combine(POLICY, opinions)
    sound = bool(opinions) and all(opinion.assessment is not None for opinion in opinions)
    low = len(assessment.severities) == len(Category) and max(assessment.severities.values()) < 4
    assert (decision is Decision.ALLOWED) == (sound and low and not assessment.topics)
    assert evaluate(POLICY, assessment).allowed == (decision is Decision.ALLOWED)


@given(st.lists(screenings), st.randoms())
def test_the_order_of_the_screeners_does_not_matter(looks: list[Assessment], chance: object) -> None:
    """Merged is merged."""
    shuffled = list(looks)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]  # Hypothesis hands in a random.Random
    assert merged(looks) == merged(shuffled)


def test_a_digest_needs_its_key() -> None:
    """Without a key there is none; with another key it is another."""
    assert keyed_digest(b"", b"a prompt") == ""
    assert keyed_digest(b"one", b"a prompt") != keyed_digest(b"two", b"a prompt")
    assert len(keyed_digest(b"one", b"a prompt")) == 32


@pytest.mark.parametrize("found", [*Category, *Topic])
def test_no_sentence_has_a_number_or_a_name_of_ours(found: Category | Topic) -> None:
    """Plain words, for prompts, inputs and results alike."""
    for reason in (Reason.PROMPT_REFUSED, Reason.INPUT_REFUSED, Reason.OUTPUT_REFUSED):
        text = Verdict(allowed=False, category=found).refusal(reason).text
        assert PLAIN_WORDS[found] in text
        assert not any(char.isdigit() for char in text)
        assert "content_safety" not in text


@pytest.mark.parametrize(
    ("modality", "made"), [("video", "A video"), ("audio", "A sound"), ("training", "What a training makes")]
)
def test_the_reason_for_an_unscreenable_output_advises_no_other_model(modality: str, made: str) -> None:
    """No model would help; leaving the file out does, where only that is what nobody can look at."""
    refusal = not_screened(POLICY, modality)
    assert refusal.reason is Reason.NOT_SCREENED
    assert refusal.text.startswith(f"{made} cannot be checked here, so none is offered, whatever the model.")
    willing = replace(POLICY, unscreened=frozenset({modality}))
    assert not_screened(willing, modality).text == "The input file cannot be checked here. Send the request without it."
