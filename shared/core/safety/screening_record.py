"""The record of a verdict: why content was allowed or refused, stored with its generation.

Rules of this file:
1. It never has the text or the image, only a keyed digest of it.
2. It has everything that is needed for another verdict: severities, topics, plan, screeners, unavailable screeners.
3. It is read leniently, because an older version may have written it. An unreadable record is skipped.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from shared.core.safety.moderation import Assessment, Category, Policy, Topic, Verdict, evaluate


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreeningRecord:
    """One verdict on ``subject``: "prompt", "input image", "input archive", or "output 1.0" (attempt and index).

    ``policy`` is the version of the policy. ``category`` is what the content was refused for; empty if it was allowed
    or refused for none. ``provenance`` is the result of validating an output's manifest; empty if it had none.
    ``sampled`` says how many of an archive's pictures were screened ("40 of 300"); empty if all were.
    """

    subject: str
    at: datetime
    policy: str
    plan: str
    allowed: bool
    category: str
    severities: Mapping[str, int]
    topics: tuple[str, ...] = ()
    screeners: tuple[str, ...] = ()
    unavailable: tuple[str, ...] = ()
    unscreened: str = ""
    digest: str = field(default="")
    provenance: str = ""
    sampled: str = ""

    @property
    def assessment(self) -> Assessment:
        """What the screeners found. A name that this version does not know counts as a topic that no policy allows."""
        categories = {category.value: category for category in Category}
        topics = {topic.value: topic for topic in Topic}
        known = frozenset(topics.get(name, Topic.UNNAMED) for name in self.topics)
        strange = {Topic.UNNAMED} if any(name not in categories for name in self.severities) else set()
        return Assessment(
            {categories[name]: severity for name, severity in self.severities.items() if name in categories},
            known | strange,
            screeners=self.screeners,
            unavailable=self.unavailable,
            unscreened=self.unscreened,
        )

    def verdict_under(self, policy: Policy) -> Verdict:
        """The verdict of another policy on the same assessment."""
        return evaluate(policy, self.assessment, self.plan)

    def to_json(self) -> dict[str, Any]:
        """The JSON object that ``read_record`` reads back, without empty values."""
        raw = {
            "subject": self.subject,
            "at": self.at.isoformat(),
            "policy": self.policy,
            "plan": self.plan,
            "allowed": self.allowed,
            "category": self.category,
            "severities": dict(self.severities),
            "topics": list(self.topics),
            "screeners": list(self.screeners),
            "unavailable": list(self.unavailable),
            "unscreened": self.unscreened,
            "digest": self.digest,
            "provenance": self.provenance,
            "sampled": self.sampled,
        }
        return {name: value for name, value in raw.items() if value not in ("", [], {})}


def record(
    subject: str, assessment: Assessment, verdict: Verdict, *, policy: Policy, plan: str, digest: str, now: datetime
) -> ScreeningRecord:
    """The record of an assessment and the verdict on it."""
    return ScreeningRecord(
        subject=subject,
        at=now,
        policy=policy.version,
        plan=plan,
        allowed=verdict.allowed,
        category=verdict.category.value if verdict.category else "",
        severities={category.value: severity for category, severity in assessment.severities.items()},
        topics=tuple(sorted(topic.value for topic in assessment.topics)),
        screeners=assessment.screeners,
        unavailable=assessment.unavailable,
        unscreened=assessment.unscreened,
        digest=digest,
    )


def read_record(raw: object) -> ScreeningRecord | None:
    """A record from a decoded JSON object, or None if it is not a valid record."""
    if not isinstance(raw, Mapping):
        return None
    try:
        at = datetime.fromisoformat(raw["at"])
        if at.tzinfo is None:
            return None
        severities = {str(name): _whole(value) for name, value in raw.get("severities", {}).items()}
        return ScreeningRecord(
            subject=str(raw["subject"]),
            at=at,
            policy=str(raw["policy"]),
            plan=_name(raw["plan"]),
            allowed=raw["allowed"] is True,
            category=str(raw.get("category", "")),
            severities=severities,
            topics=_texts(raw, "topics"),
            screeners=_texts(raw, "screeners"),
            unavailable=_texts(raw, "unavailable"),
            unscreened=str(raw.get("unscreened", "")),
            digest=str(raw.get("digest", "")),
            provenance=str(raw.get("provenance", "")),
            sampled=str(raw.get("sampled", "")),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _whole(value: object) -> int:
    """A severity as an integer. A float is refused, because a rounded severity might be a lower one."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError
    return value


def _name(value: object) -> str:
    """A plan's name. It need not exist any more: the record says under which plan the verdict was."""
    if not isinstance(value, str) or not value:
        raise TypeError
    return value


def _texts(raw: Mapping[str, Any], name: str) -> tuple[str, ...]:
    return tuple(str(item) for item in raw.get(name, []))
