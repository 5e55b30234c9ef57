"""Content safety, the pure part: verdicts, how several become one, and the judgement of one by a policy.

Rules of this file:
1. What cannot be read as safe is unsafe: a verdict that lacks a category refuses, and so does a topic that the
   policy does not name as allowed.
2. A policy is data (moderation.toml, read by policy.py). Its version is stored with every verdict.
3. A judgement names the category, never the threshold or the words.
4. A refusal by one screener is final, whoever else is silent. A silence never allows: it waits, or, where the
   operator has chosen so for this screener, the verdict says that it went on without it.
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from shared.core.modality import InputKind, Modality
from shared.core.money.ledger import Plan
from shared.core.reasons import Reason, Refusal


class Category(StrEnum):
    """The harm categories of Azure AI Content Safety: a whole verdict has a severity for each."""

    HATE = "Hate"
    SELF_HARM = "SelfHarm"
    SEXUAL = "Sexual"
    VIOLENCE = "Violence"


class Topic(StrEnum):
    """What has no severity: it is there or not. Found by term lists, block lists and second opinions."""

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


#: How a category is named to a user. Empty: it is not named, because the name itself would say too much or nothing.
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

#: The screeners there are. Content Safety alone measures every category.
BLOCKLIST, CONTENT_SAFETY, LLAMA_GUARD = "blocklist", "content_safety", "llama_guard"

#: The highest severity there is (EightSeverityLevels); the four levels are 0, 2, 4 and 6 of them.
MOST_SEVERE = 7


@dataclass(frozen=True, slots=True)
class Assessment:
    """What was seen: a severity from 0 (none) to 7 for each category, and the topics that were found.

    ``screeners`` have looked, ``unavailable`` should have. ``unscreened`` names a modality that nobody can look at
    ("video"); empty for whatever was looked at.
    """

    severities: Mapping[Category, int]
    topics: frozenset[Topic] = frozenset()
    screeners: tuple[str, ...] = ()
    unavailable: tuple[str, ...] = ()
    unscreened: str = ""


class Partial(StrEnum):
    """What becomes of the safe outputs of a generation when another of its outputs is refused."""

    DELIVER_SAFE = "deliver_safe"
    REFUSE_ALL = "refuse_all"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreenerRule:
    """When one screener counts as unavailable, and what then.

    An answer later than ``timeout_s`` is none. After ``failures`` in a row it is not asked for ``pause_s``, then once.
    ``go_on_without``: its silence does not hold a request up, as long as another has looked.
    """

    timeout_s: float = 10.0
    failures: int = 5
    pause_s: float = 30.0
    go_on_without: bool = False


@dataclass(frozen=True, slots=True)
class Policy:
    """From which severity on each category is refused, for everybody and (``plans``) for single plans; and the rest.

    ``allow_topics`` are the only topics that pass. ``unscreened`` are the modalities whose outputs may be delivered
    although nobody looked at them ("video", "audio", "training").
    """

    version: str
    refuse_from: Mapping[Category, int]
    plans: Mapping[Plan, Mapping[Category, int]] = field(default_factory=dict)
    allow_topics: frozenset[Topic] = frozenset()
    partial_outputs: Partial = Partial.DELIVER_SAFE
    unscreened: frozenset[str] = frozenset()
    screeners: Mapping[str, ScreenerRule] = field(default_factory=dict)

    def thresholds(self, plan: Plan) -> Mapping[Category, int]:
        """From which severity on each category is refused for a plan."""
        return {**self.refuse_from, **self.plans.get(plan, {})}

    def rule(self, screener: str) -> ScreenerRule:
        """The rule of a screener; the defaults for one that the policy does not name."""
        return self.screeners.get(screener, _DEFAULT_RULE)

    def overridden(self, thresholds: Mapping[Category, int]) -> "Policy":
        """The policy with these thresholds for everybody, whatever the plan; its version says so."""
        changed = any(
            self.thresholds(plan).get(name) != severity for plan in Plan for name, severity in thresholds.items()
        )
        if not changed:
            return self
        plans = {
            plan: {category: severity for category, severity in own.items() if category not in thresholds}
            for plan, own in self.plans.items()
        }
        said = "-".join(f"{category.value}{thresholds[category]}" for category in Category if category in thresholds)
        return Policy(
            version=f"{self.version}+{said}",
            refuse_from={**self.refuse_from, **thresholds},
            plans=plans,
            allow_topics=self.allow_topics,
            partial_outputs=self.partial_outputs,
            unscreened=self.unscreened,
            screeners=self.screeners,
        )


_DEFAULT_RULE = ScreenerRule()


@dataclass(frozen=True, slots=True)
class Verdict:
    """Allowed, or refused for a category or topic (None: the verdict was not whole)."""

    allowed: bool
    category: Category | Topic | None = None

    def refusal(self, reason: Reason) -> Refusal:
        """What a user is told: the category in plain words, nothing of thresholds or terms."""
        plain = PLAIN_WORDS[self.category] if self.category else ""
        because = f" ({plain})" if plain else ""
        return Refusal(reason, f"The {_SUBJECTS.get(reason, 'result')} was refused by the content rules{because}.")


_SUBJECTS = {Reason.PROMPT_REFUSED: "prompt", Reason.INPUT_REFUSED: "input image"}


def evaluate(policy: Policy, assessment: Assessment, plan: Plan = Plan.FREE) -> Verdict:
    """Allowed only if every category is there and below its threshold, and no topic is refused; the worst is named.

    Severities may be missing only where the policy goes on without Content Safety, which was unavailable.
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


def refused_for(policy: Policy, assessment: Assessment, plan: Plan) -> Category | Topic | None:
    """What a verdict, whole or not, is refused for: the gravest topic, else the severest category."""
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


# Several screeners.


@dataclass(frozen=True, slots=True)
class Opinion:
    """What one screener said; ``verdict`` is None where it could not be had."""

    screener: str
    assessment: Assessment | None


class Decision(StrEnum):
    """What follows from several opinions."""

    ALLOWED = "allowed"
    REFUSED = "refused"
    WAIT = "wait"


def combine(policy: Policy, opinions: Sequence[Opinion], plan: Plan = Plan.FREE) -> tuple[Assessment, Decision]:
    """The verdict of all screeners together, and what follows.

    1. One that refuses refuses, whoever is silent.
    2. Else one that is silent and may not be gone on without makes the request wait; so does nobody having looked.
    3. Else it is allowed, if what was seen is whole (or lacks only what a silent screener would have said).
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
    """Several looks at the same thing, or at its parts, as one: the highest severities, and every topic."""
    severities: dict[Category, int] = {}
    topics: frozenset[Topic] = frozenset()
    for assessment in screenings:
        topics |= assessment.topics
        for category, severity in assessment.severities.items():
            severities[category] = max(severity, severities.get(category, severity))
    return Assessment(severities, topics)


#: Modalities that a screener can look at. Of all others the verdict says that they are unscreened.
SCREENED_MODALITIES = frozenset({Modality.IMAGE, Modality.TEXT})

#: Those that nobody here can look into: moving pictures, sound, and what a training learns from and makes. A policy
#: may name them in ``unscreened``, and no others: what can be looked at never passes unseen.
UNSCREENED_MODALITIES = frozenset({Modality.VIDEO, Modality.AUDIO, Modality.TRAINING})

#: Kinds of inputs that are looked at, or hold nothing that could be shown.
SCREENED_INPUTS = frozenset(kind for kind in InputKind if not kind.is_file)

#: Inputs that nobody here can look into, by kind, and the modality that the policy has to let pass for each.
UNSCREENED_INPUTS: Mapping[InputKind, Modality] = {
    InputKind.AUDIO: Modality.AUDIO,
    InputKind.ARCHIVE: Modality.TRAINING,
}


def unscreened(modality: str) -> Assessment:
    """The verdict on an output that nobody can look at: allowed only by a policy that names its modality."""
    return Assessment({}, unscreened=modality)


def may_be_offered(policy: Policy, modality: str, inputs: Iterable[InputKind] = ()) -> bool:
    """Whether outputs of a modality can be screened, or the policy lets them pass unscreened.

    ``inputs`` are the kinds of the files that a request brings along: each has to be one that can be screened, or to
    be let pass as well, whatever is made of it.
    """
    needed = [modality, *(UNSCREENED_INPUTS[kind] for kind in inputs if kind not in SCREENED_INPUTS)]
    return all(name in SCREENED_MODALITIES or evaluate(policy, unscreened(name)).allowed for name in needed)


_MADE: Mapping[str, str] = {
    Modality.VIDEO: "A video",
    Modality.AUDIO: "A sound",
    Modality.TRAINING: "What a training makes",
}


def not_screened(policy: Policy, modality: str) -> Refusal:
    """Why what nobody can look at is not offered: another model would not help, other things would."""
    if may_be_offered(policy, modality):
        return Refusal(Reason.NOT_SCREENED, "The input file cannot be checked here. Send the request without it.")
    made = _MADE.get(modality, "This")
    said = f"{made} cannot be checked here, so none is offered, whatever the model."
    return Refusal(Reason.NOT_SCREENED, f"{said} Pictures and texts can be checked.")


def keyed_digest(key: bytes, content: bytes) -> str:
    """What a record keeps of a text or an image: 32 hex digits of HMAC-SHA256, or nothing without a key.

    Without the key nobody can try out whether a text that he guesses is the one.
    """
    return hmac.new(key, content, hashlib.sha256).hexdigest()[:32] if key else ""
