"""The chain of screeners: asked in turn or at once, combined by core/safety/moderation.py.

Rules of this file:
1. A screener that is late, down, or left alone by its breaker has no opinion. What follows from that is decided by
   ``combine`` alone; nothing here allows anything.
2. The first screener of a text is free (the own terms). Where it refuses, nobody else is asked, and nothing is paid.
3. A failure is counted for the dependency that failed. A picture that cannot be read is no failure of the dependency.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from shared.core.dependency import Dependency
from shared.core.money.ledger import Plan
from shared.core.provider.breaker import Breaker, BreakerRule
from shared.core.safety.moderation import Assessment, Decision, Opinion, Policy, combine, refused_for
from shared.ports import OutputUnfit, Unavailable

_log = logging.getLogger("darkroom.screening")

#: What the chain is called where it is not available; the corridor knows it by this name.
NEIGHBOUR = Dependency.CONTENT_SAFETY


class TextScreener(Protocol):
    """Looks at texts."""

    def text(self, text: str) -> Coroutine[Any, Any, Assessment]:
        """A verdict on a text of any length. Unavailable where there is none to be had."""


class ImageScreener(Protocol):
    """Looks at images."""

    def image(self, image: bytes) -> Coroutine[Any, Any, Assessment]:
        """A verdict on an image of at most 4 MB and 7200 px. Unavailable; OutputUnfit for what is no image."""


@dataclass(frozen=True, slots=True)
class TextLink:
    """One screener of texts, by the name that the policy knows it by."""

    name: str
    screener: TextScreener


@dataclass(frozen=True, slots=True)
class ImageLink:
    """One screener of images."""

    name: str
    screener: ImageScreener


class ScreenerChain:
    """ports.Screener. A screener that looks at texts and images has one breaker for both."""

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

    async def text(self, text: str, plan: Plan = Plan.FREE) -> Assessment:
        """A verdict on a text, for the policy of a plan. Unavailable where it has to wait."""
        first, *others = self._texts
        answers = [await self._asked(first.name, first.screener.text(text))]
        seen = answers[0].opinion.assessment
        if seen is None or not refused_for(self._policy, seen, plan):
            answers += await asyncio.gather(*(self._asked(link.name, link.screener.text(text)) for link in others))
        return self._combined(answers, plan)

    async def image(self, image: bytes, plan: Plan = Plan.FREE) -> Assessment:
        """A verdict on an image, for the policy of a plan. Unavailable where it has to wait; OutputUnfit."""
        asks = [self._asked(link.name, link.screener.image(image)) for link in self._images]
        return self._combined(await asyncio.gather(*asks), plan)

    def states(self) -> dict[str, str]:
        """Each screener's breaker: closed, open or half-open."""
        return {name: breaker.state(self._now()) for name, breaker in self._breakers.items()}

    async def _asked(self, name: str, question: Coroutine[Any, Any, Assessment]) -> "_Answer":
        """One screener's opinion, in time or not at all."""
        asked_at = self._now()
        if (wait_s := self._breakers[name].wait_s(asked_at)) > 0:
            question.close()
            return _Answer(Opinion(name, None), "circuit open after failures", wait_s)
        self._breakers[name] = self._breakers[name].asked(asked_at)
        try:
            async with asyncio.timeout(self._policy.rule(name).timeout_s):
                assessment = await question
        except OutputUnfit:
            self._answered(name, asked_at)
            raise
        except (Unavailable, TimeoutError) as trouble:
            return self._silent(name, asked_at, trouble)
        except BaseException:
            self._breakers[name] = self._breakers[name].given_up(asked_at)
            raise
        self._answered(name, asked_at)
        return _Answer(Opinion(name, assessment))

    def _answered(self, name: str, asked_at: float) -> None:
        self._breakers[name] = self._breakers[name].succeeded(asked_at, self._now())

    def _silent(self, name: str, asked_at: float, trouble: Unavailable | TimeoutError) -> "_Answer":
        now = self._now()
        self._breakers[name] = self._breakers[name].failed_at(asked_at, now, chance=0)  # as long as the policy says
        why, hint_s = (trouble.why, trouble.retry_after_s) if isinstance(trouble, Unavailable) else ("too slow", None)
        state = self._breakers[name].state(now)
        _log.warning("the screener %s has no opinion: %s; its breaker is %s", name, why, state)
        return _Answer(Opinion(name, None), why, hint_s)

    def _combined(self, answers: Sequence["_Answer"], plan: Plan) -> Assessment:
        assessment, decision = combine(self._policy, [answer.opinion for answer in answers], plan)
        if decision is not Decision.WAIT:
            return assessment
        silent = [answer for answer in answers if answer.opinion.assessment is None]
        why = "; ".join(f"{answer.opinion.screener}: {answer.why}" for answer in silent)
        hints = [answer.retry_after_s for answer in silent if answer.retry_after_s is not None]
        raise Unavailable(NEIGHBOUR, why, max(hints, default=None))


def _breaker_rule(policy: Policy, name: str) -> BreakerRule:
    """The policy's own pause, each time: it is short, and a screener answers again as suddenly as it fell silent."""
    rule = policy.rule(name)
    probe_s = 2 * rule.timeout_s
    return BreakerRule(failures=rule.failures, pause_s=rule.pause_s, longest_pause_s=rule.pause_s, probe_s=probe_s)


@dataclass(frozen=True, slots=True)
class _Answer:
    """One screener's opinion; where it has none, why, and when to ask again."""

    opinion: Opinion
    why: str = ""
    retry_after_s: float | None = None
