"""Content safety, the pure part: assessments, how several become one, and the verdict of a policy on one.

Rules of this file:
1. What cannot be read as safe is unsafe. An assessment that lacks a category is refused, and so is one with a topic
   that the policy does not allow.
2. A policy is data (moderation.toml, read by policy_file.py). Its version is stored with every verdict.
3. A verdict names the category, never the threshold or the words.
4. One refusal is final even if other screeners are unavailable. An unavailable screener never allows content: the
   request waits, or, with ``go_on_without``, proceeds and the record names the missing screener.
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from shared.core.modality import InputKind, Modality
from shared.core.reasons import Reason, Refusal
from shared.core.values import replace


class Category(StrEnum):
    """The harm categories of Azure AI Content Safety. A complete assessment has a severity for each."""

    HATE = "Hate"
    SELF_HARM = "SelfHarm"
    SEXUAL = "Sexual"
    VIOLENCE = "Violence"


class Topic(StrEnum):
    """What has no severity: it is found or not. Blocklists, term lists and the secondary screener find topics."""

    MINORS = "minors"
    WEAPONS = "weapons"
    CRIME = "crime"
    DRUGS = "drugs"
    FRAUD = "fraud"
    TRAFFICKING = "trafficking"
    BLOCKED = "blocked"
    PRIVACY = "privacy"
    DEFAMATION = "defamation"
    ADVICE = "advice"
    RIGHTS = "rights"
    ELECTIONS = "elections"
    CODE = "code"
    UNNAMED = "unnamed"


#: The words for a category in a user's sentence. Empty: it is not named, as its name would reveal too much or nothing.
PLAIN_WORDS: dict[Category | Topic, str] = {
    Category.HATE: "hate or harassment",
    Category.SELF_HARM: "self-harm",
    Category.SEXUAL: "sexual content",
    Category.VIOLENCE: "violence",
    Topic.MINORS: "the safety of children",
    Topic.WEAPONS: "weapons",
    Topic.CRIME: "criminal acts",
    Topic.DRUGS: "illegal drugs",
    Topic.FRAUD: "fraud or stolen goods",
    Topic.TRAFFICKING: "trade in people",
    Topic.BLOCKED: "",
    Topic.PRIVACY: "the privacy of others",
    Topic.DEFAMATION: "defamation",
    Topic.ADVICE: "advice that needs an expert",
    Topic.RIGHTS: "the rights of others",
    Topic.ELECTIONS: "elections",
    Topic.CODE: "misuse of programs",
    Topic.UNNAMED: "",
}

#: The screeners. Only Content Safety measures every category.
BLOCKLIST, CONTENT_SAFETY, LLAMA_GUARD = "blocklist", "content_safety", "llama_guard"

#: The highest severity (EightSeverityLevels). The four-level scale uses 0, 2, 4 and 6 of them.
MOST_SEVERE = 7


@dataclass(frozen=True, slots=True)
class Assessment:
    """What was found: a severity from 0 (none) to 7 for each category, and the topics.

    ``screeners`` have assessed the content; those in ``unavailable`` should have. ``unscreened`` names a modality that
    no screener can assess ("video"); empty if the content was assessed.
    """

    severities: Mapping[Category, int]
    topics: frozenset[Topic] = frozenset()
    screeners: tuple[str, ...] = ()
    unavailable: tuple[str, ...] = ()
    unscreened: str = ""


class Partial(StrEnum):
    """What happens to the safe outputs of a generation if another of its outputs is refused."""

    DELIVER_SAFE = "deliver_safe"
    REFUSE_ALL = "refuse_all"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreenerRule:
    """When one screener counts as unavailable, and what follows.

    An answer later than ``timeout_s`` does not count. After ``failures`` in a row the screener is not called for
    ``pause_s``, then once. ``go_on_without``: its absence does not delay a request if another screener has assessed it.
    """

    timeout_s: float = 10.0
    failures: int = 5
    pause_s: float = 30.0
    go_on_without: bool = False


@dataclass(frozen=True, slots=True)
class Policy:
    """From which severity each category is refused: for everybody, and per plan (``plans``); and the other rules.

    ``allow_topics`` are the only topics that pass. ``unscreened`` are the modalities whose outputs may be delivered
    without any screening ("video", "audio", "training"). ``loosened`` are the inputs of models that a request may set
    although they loosen a model's own safety. Of a training's pictures only so many are screened, drawn at random, as
    ``sample_pictures_above`` says; 0: all are. ``lora_hosts`` are the hosts from which a model may load weights that a
    request names; nobody screens these.
    """

    version: str
    refuse_from: Mapping[Category, int]
    plans: Mapping[str, Mapping[Category, int]] = field(default_factory=dict)
    allow_topics: frozenset[Topic] = frozenset()
    partial_outputs: Partial = Partial.DELIVER_SAFE
    unscreened: frozenset[str] = frozenset()
    screeners: Mapping[str, ScreenerRule] = field(default_factory=dict)
    loosened: frozenset[str] = frozenset()
    sample_pictures_above: int = 0
    lora_hosts: frozenset[str] = frozenset()

    def thresholds(self, plan: str) -> Mapping[Category, int]:
        """From which severity each category is refused for a plan. A plan that the policy does not name has no own."""
        return {**self.refuse_from, **self.plans.get(plan, {})}

    def rule(self, screener: str) -> ScreenerRule:
        """The rule of a screener. A screener that the policy does not name gets the defaults."""
        return self.screeners.get(screener, _DEFAULT_RULE)

    def overridden(self, thresholds: Mapping[Category, int]) -> "Policy":
        """The policy with these thresholds for everybody, whatever the plan. Its version says so."""
        changed = any(
            self.thresholds(plan).get(name) != severity
            for plan in ("", *self.plans)
            for name, severity in thresholds.items()
        )
        if not changed:
            return self
        plans = {
            plan: {category: severity for category, severity in own.items() if category not in thresholds}
            for plan, own in self.plans.items()
        }
        said = "-".join(f"{category.value}{thresholds[category]}" for category in Category if category in thresholds)
        refuse_from = {**self.refuse_from, **thresholds}
        return replace(self, version=f"{self.version}+{said}", refuse_from=refuse_from, plans=plans)


_DEFAULT_RULE = ScreenerRule()


@dataclass(frozen=True, slots=True)
class Verdict:
    """Allowed, or refused for a category or topic (None: the assessment was not complete)."""

    allowed: bool
    category: Category | Topic | None = None

    def refusal(self, reason: Reason, subject: str = "") -> Refusal:
        """The refusal for the user: the category in plain words, without thresholds or terms. ``subject``: of what."""
        plain = PLAIN_WORDS[self.category] if self.category else ""
        because = f" ({plain})" if plain else ""
        return Refusal(
            reason, f"The {subject or _SUBJECTS.get(reason, 'result')} was refused by the content rules{because}."
        )


_SUBJECTS = {Reason.PROMPT_REFUSED: "prompt", Reason.INPUT_REFUSED: "input image"}


def evaluate(policy: Policy, assessment: Assessment, plan: str = "") -> Verdict:
    """Allowed only if every category is there and below its threshold, and no topic is refused. Names the worst.

    Severities may be missing only if Content Safety was unavailable and the policy goes on without it.
    """
    if assessment.unscreened:
        return Verdict(allowed=assessment.unscreened in policy.unscreened)
    thresholds = policy.thresholds(plan)
    if any(category not in thresholds for category in Category):
        return Verdict(allowed=False)
    if found := refused_for(policy, assessment, plan):
        return Verdict(allowed=False, category=found)
    silent = [name for name in assessment.unavailable if not policy.rule(name).go_on_without]
    excused = bool(assessment.screeners) and CONTENT_SAFETY in assessment.unavailable
    whole = all(_is_severity(assessment.severities.get(category)) for category in Category)
    return Verdict(allowed=not silent and (whole or excused))


def refused_for(policy: Policy, assessment: Assessment, plan: str) -> Category | Topic | None:
    """What an assessment, complete or not, is refused for: the gravest topic, else the severest category."""
    topics = [topic for topic in Topic if topic in assessment.topics and topic not in policy.allow_topics]
    if topics:
        return topics[0]
    thresholds = policy.thresholds(plan)
    over = {
        category: severity
        for category, severity in assessment.severities.items()
        if _is_severity(severity) and severity >= thresholds.get(category, 0)
    }
    return max(over, key=lambda category: over[category]) if over else None


def _is_severity(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_SEVERE


# Several screeners together.


@dataclass(frozen=True, slots=True)
class Opinion:
    """What one screener found; ``verdict`` is None if it was unavailable."""

    screener: str
    assessment: Assessment | None


class Decision(StrEnum):
    """What follows from several opinions."""

    ALLOWED = "allowed"
    REFUSED = "refused"
    WAIT = "wait"


def combine(policy: Policy, opinions: Sequence[Opinion], plan: str = "") -> tuple[Assessment, Decision]:
    """The assessment of all screeners together, and what follows.

    1. If one refuses, the content is refused, even if others are unavailable.
    2. Otherwise the request waits if an unavailable screener is required, or if no screener has assessed it.
    3. Otherwise it is allowed, if the assessment is complete or lacks only what an unavailable screener would add.
    """
    assessment = merged(opinion.assessment for opinion in opinions if opinion.assessment is not None)
    assessment = Assessment(
        assessment.severities,
        assessment.topics,
        screeners=tuple(opinion.screener for opinion in opinions if opinion.assessment is not None),
        unavailable=tuple(opinion.screener for opinion in opinions if opinion.assessment is None),
    )
    if refused_for(policy, assessment, plan):
        return assessment, Decision.REFUSED
    silent = any(not policy.rule(name).go_on_without for name in assessment.unavailable)
    if silent or not assessment.screeners:
        return assessment, Decision.WAIT
    allowed = evaluate(policy, assessment, plan).allowed
    return assessment, Decision.ALLOWED if allowed else Decision.REFUSED


def merged(screenings: Iterable[Assessment]) -> Assessment:
    """Several assessments of the same content, or of its parts, as one: the highest severities, and every topic."""
    severities: dict[Category, int] = {}
    topics: frozenset[Topic] = frozenset()
    for assessment in screenings:
        topics |= assessment.topics
        for category, severity in assessment.severities.items():
            severities[category] = max(severity, severities.get(category, severity))
    return Assessment(severities, topics)


#: Modalities that a screener can assess. The assessment of any other says that it is unscreened.
SCREENED_MODALITIES = frozenset({Modality.IMAGE, Modality.TEXT})

#: Modalities whose outputs no screener here can assess: video, audio, and trained weights. A policy may name them in
#: ``unscreened``, and no others, because content that can be screened is never delivered unscreened.
UNSCREENED_MODALITIES = frozenset({Modality.VIDEO, Modality.AUDIO, Modality.TRAINING})

#: Kinds of inputs that are screened, or that contain nothing to screen. An archive is opened, its files are screened.
SCREENED_INPUTS = frozenset(kind for kind in InputKind if kind is not InputKind.AUDIO)

#: Kinds of inputs that no screener here can assess, and the modality that the policy has to name for each.
UNSCREENED_INPUTS: Mapping[InputKind, Modality] = {
    InputKind.AUDIO: Modality.AUDIO,
}


def unscreened(modality: str) -> Assessment:
    """The assessment of an output that no screener can assess: allowed only by a policy that names its modality."""
    return Assessment({}, unscreened=modality)


def may_be_offered(policy: Policy, modality: str, inputs: Iterable[InputKind] = ()) -> bool:
    """Whether outputs of a modality can be screened, or the policy allows them unscreened.

    ``inputs`` are the kinds of the request's files. Each has to be screenable, or allowed unscreened by the policy,
    whatever the modality of the output is.
    """
    needed = [modality, *(UNSCREENED_INPUTS[kind] for kind in inputs if kind not in SCREENED_INPUTS)]
    return all(name in SCREENED_MODALITIES or evaluate(policy, unscreened(name)).allowed for name in needed)


_MADE: Mapping[str, str] = {
    Modality.VIDEO: "A video",
    Modality.AUDIO: "A sound",
    Modality.TRAINING: "What a training makes",
}


def not_screened(policy: Policy, modality: str) -> Refusal:
    """Why content that cannot be screened is not offered. Another model would not help, another modality would."""
    if may_be_offered(policy, modality):
        return Refusal(Reason.NOT_SCREENED, "The input file cannot be checked here. Send the request without it.")
    made = _MADE.get(modality, "This")
    said = f"{made} cannot be checked here, so none is offered, whatever the model."
    return Refusal(Reason.NOT_SCREENED, f"{said} Pictures and texts can be checked.")


def not_loosened(policy: Policy, inputs: Iterable[str]) -> Refusal | None:
    """Why a request may not set these inputs, which loosen a model's own safety. None if the policy allows them."""
    refused = [name for name in inputs if name not in policy.loosened]
    if not refused:
        return None
    said = f"inputs.{refused[0]} loosens the model's own safety, which is not allowed here"
    return Refusal(Reason.INVALID_REQUEST, f"{said}: leave it out")


def keyed_digest(key: bytes, content: bytes) -> str:
    """The digest of a text or an image that a record keeps: 32 hex digits of HMAC-SHA256. Empty without a key.

    Without the key nobody can test whether a guessed text is the original.
    """
    return hmac.new(key, content, hashlib.sha256).hexdigest()[:32] if key else ""
