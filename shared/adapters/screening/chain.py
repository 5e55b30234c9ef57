"""The chain of screeners. Their opinions are combined by core/safety/moderation.py.

Rules of this file:
1. A screener that is late, unavailable, or whose circuit is open has no opinion. Only ``combine`` decides what follows
   from that. Nothing here allows any content.
2. The first screener of a text is free (the blocklist). If it refuses, no other screener is called and nothing is paid.
3. A failure counts against the screener that failed. A picture that cannot be read is not a failure of the screener.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from shared.core.dependency import Dependency
from shared.core.provider.breaker import Breaker, BreakerRule, Circuit
from shared.core.safety.moderation import Assessment, Decision, Opinion, Policy, combine, refused_for
from shared.ports import OutputUnfit, Unavailable

_log = logging.getLogger("darkroom.screening")

#: The dependency in the chain's Unavailable.
DEPENDENCY = Dependency.CONTENT_SAFETY


class TextScreener(Protocol):
    """Assesses texts."""

    def text(self, text: str) -> Coroutine[Any, Any, Assessment]:
        """Assess a text of any length. Raises Unavailable if the screener gives no assessment."""


class ImageScreener(Protocol):
    """Assesses images."""

    def image(self, image: bytes) -> Coroutine[Any, Any, Assessment]:
        """Assess an image of at most 4 MB and 7200 px a side.

        Raises:
            Unavailable: the screener gives no assessment.
            OutputUnfit: the bytes are not an image that it can read.
        """


@dataclass(frozen=True, slots=True)
class TextLink:
    """One screener of texts, with its name in the policy."""

    name: str
    screener: TextScreener


@dataclass(frozen=True, slots=True)
class ImageLink:
    """One screener of images, with its name in the policy."""

    name: str
    screener: ImageScreener


class ScreenerChain:
    """ports.Screener. A screener of both texts and images has one circuit breaker for both. ``now`` is in seconds."""

    def __init__(
        self, policy: Policy, texts: Sequence[TextLink], images: Sequence[ImageLink], now: Callable[[], float]
    ) -> None:
        if not texts or not images:
            raise ValueError("a chain needs a screener of texts and one of images")
        self._policy = policy
        self._texts = texts
        self._images = images
        self._now = now
        names = {link.name for link in texts} | {link.name for link in images}
        self._breakers = {name: Breaker(rule=_breaker_rule(policy, name)) for name in names}

    async def text(self, text: str, plan: str = "") -> Assessment:
        """Assess a text under the policy of a plan. Raises Unavailable if the request has to wait."""
        first, *others = self._texts
        answers = [await self._ask(first.name, first.screener.text(text))]
        seen = answers[0].opinion.assessment
        if seen is None or not refused_for(self._policy, seen, plan):
            answers += await asyncio.gather(*(self._ask(link.name, link.screener.text(text)) for link in others))
        return self._combine(answers, plan)

    async def image(self, image: bytes, plan: str = "") -> Assessment:
        """Assess an image under the policy of a plan.

        Raises:
            Unavailable: the output has to wait.
            OutputUnfit: a screener cannot read the image.
        """
        asks = [self._ask(link.name, link.screener.image(image)) for link in self._images]
        return self._combine(await asyncio.gather(*asks), plan)

    async def several(self, images: Sequence[bytes], plan: str = "") -> Sequence[Assessment | None]:
        """Assess a few images at once. Raises Unavailable if one of them has to wait."""
        found = await asyncio.gather(*(self.image(image, plan) for image in images), return_exceptions=True)
        return [_readable(each) for each in found]

    def states(self) -> dict[str, Circuit]:
        """The state of each screener's circuit breaker, by name."""
        return {name: breaker.state(self._now()) for name, breaker in self._breakers.items()}

    async def _ask(self, name: str, question: Coroutine[Any, Any, Assessment]) -> "_Answer":
        """Get one screener's opinion within its time limit. There is none if it failed or its circuit is open."""
        asked_at = self._now()
        if (wait_s := self._breakers[name].wait_s(asked_at)) > 0:
            question.close()
            return _Answer(Opinion(name, None), "circuit open after failures", wait_s)
        self._breakers[name] = self._breakers[name].asked(asked_at)
        try:
            async with asyncio.timeout(self._policy.rule(name).timeout_s):
                assessment = await question
        except OutputUnfit:
            self._count_success(name, asked_at)
            raise
        except (Unavailable, TimeoutError) as trouble:
            return self._count_failure(name, asked_at, trouble)
        except BaseException:
            self._breakers[name] = self._breakers[name].given_up(asked_at)
            raise
        self._count_success(name, asked_at)
        return _Answer(Opinion(name, assessment))

    def _count_success(self, name: str, asked_at: float) -> None:
        self._breakers[name] = self._breakers[name].succeeded(asked_at, self._now())

    def _count_failure(self, name: str, asked_at: float, trouble: Unavailable | TimeoutError) -> "_Answer":
        now = self._now()
        self._breakers[name] = self._breakers[name].failed_at(asked_at, now, chance=0)  # the policy's pause, not varied
        why, hint_s = (trouble.why, trouble.retry_after_s) if isinstance(trouble, Unavailable) else ("too slow", None)
        state = self._breakers[name].state(now)
        _log.warning("the screener %s has no opinion: %s; its breaker is %s", name, why, state)
        return _Answer(Opinion(name, None), why, hint_s)

    def _combine(self, answers: Sequence["_Answer"], plan: str) -> Assessment:
        assessment, decision = combine(self._policy, [answer.opinion for answer in answers], plan)
        if decision is not Decision.WAIT:
            return assessment
        silent = [answer for answer in answers if answer.opinion.assessment is None]
        why = "; ".join(f"{answer.opinion.screener}: {answer.why}" for answer in silent)
        hints = [answer.retry_after_s for answer in silent if answer.retry_after_s is not None]
        raise Unavailable(DEPENDENCY, why, max(hints, default=None))


def _readable(found: Assessment | BaseException) -> Assessment | None:
    """An assessment, or None for an image that a screener cannot read. Any other error is raised."""
    if isinstance(found, OutputUnfit):
        return None
    if isinstance(found, BaseException):
        raise found
    return found


def _breaker_rule(policy: Policy, name: str) -> BreakerRule:
    """The breaker's rule from the policy. All pauses are equal, because they are short and outages end suddenly."""
    rule = policy.rule(name)
    probe_s = 2 * rule.timeout_s
    return BreakerRule(failures=rule.failures, pause_s=rule.pause_s, longest_pause_s=rule.pause_s, probe_s=probe_s)


@dataclass(frozen=True, slots=True)
class _Answer:
    """One screener's opinion. If it has none: the reason, and the seconds until the next try if a hint was given."""

    opinion: Opinion
    why: str = ""
    retry_after_s: float | None = None
