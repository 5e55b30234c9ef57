"""Content safety, the pure part: a verdict, a policy, and the judgement of one by the other.

Rules of this file:
1. What cannot be read as safe is unsafe: a verdict that lacks a category refuses.
2. A policy is data: for each category the severity from which to refuse. It has a version.
3. A judgement names the category, never the threshold or the words.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from shared.core.reasons import Reason, Refusal


class Category(StrEnum):
    """The harm categories of Azure AI Content Safety."""

    HATE = "Hate"
    SELF_HARM = "SelfHarm"
    SEXUAL = "Sexual"
    VIOLENCE = "Violence"


#: How a category is named to a user.
PLAIN_WORDS: dict[Category, str] = {
    Category.HATE: "hate or harassment",
    Category.SELF_HARM: "self-harm",
    Category.SEXUAL: "sexual content",
    Category.VIOLENCE: "violence",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a screener saw: a severity from 0 (none) to 7 for each category."""

    severities: Mapping[Category, int]


@dataclass(frozen=True, slots=True)
class Policy:
    """From which severity on each category is refused."""

    version: str
    refuse_from: Mapping[Category, int]


@dataclass(frozen=True, slots=True)
class Judgement:
    """Allowed, or refused for a category (None: the verdict was not whole)."""

    allowed: bool
    category: Category | None = None

    def refusal(self, reason: Reason) -> Refusal:
        """What a user is told: the category in plain words, nothing of thresholds."""
        plain = PLAIN_WORDS[self.category] if self.category else ""
        because = f" ({plain})" if plain else ""
        subject = "prompt" if reason is Reason.PROMPT_REFUSED else "result"
        return Refusal(reason, f"The {subject} was refused by the content rules{because}.")


def judge(policy: Policy, verdict: Verdict) -> Judgement:
    """Allowed only if every category is there and below its threshold; the worst category is named."""
    over = {}
    for category in Category:
        severity = verdict.severities.get(category)
        if severity is None or category not in policy.refuse_from:
            return Judgement(allowed=False)
        if severity >= policy.refuse_from[category]:
            over[category] = severity
    if over:
        return Judgement(allowed=False, category=max(over, key=lambda category: over[category]))
    return Judgement(allowed=True)
