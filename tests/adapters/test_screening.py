"""The chain of screeners: which screeners are called, and that a missing opinion never allows content."""

import asyncio
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from replicate_simulator.content_safety import severities_of_text
from shared.adapters.screening import BlocklistScreener, ImageLink, LlamaGuard, ScreenerChain, TextLink
from shared.core.dependency import Dependency
from shared.core.reasons import Reason, Refusal
from shared.core.safety.blocklist import Blocklist
from shared.core.safety.moderation import (
    BLOCKLIST,
    CONTENT_SAFETY,
    LLAMA_GUARD,
    Assessment,
    Category,
    Policy,
    Topic,
    evaluate,
)
from shared.core.safety.policy_file import parse_policy
from shared.ports import OutputUnfit, Unavailable

CORE = Path(__file__).parents[2] / "shared" / "core"
POLICY = parse_policy((CORE / "safety" / "moderation.toml").read_text(encoding="utf-8"))
TERM_LIST = Blocklist.parse((CORE / "safety" / "blocklist.toml").read_text(encoding="utf-8"))
CASES: list[dict[str, Any]] = tomllib.loads(
    (Path(__file__).parents[1] / "core" / "moderation_cases.toml").read_text(encoding="utf-8")
)["cases"]
SAFE = dict.fromkeys(Category, 0)


class Scripted:
    """A screener that does what the test sets: it returns an assessment, raises, or hangs for a while."""

    def __init__(self, say: Assessment | Exception | float) -> None:
        self.say = say
        self.asked = 0

    async def text(self, text: str) -> Assessment:
        """Returns the given assessment of a text, or raises."""
        self.asked += 1
        if isinstance(self.say, float):
            await asyncio.sleep(self.say)
            return Assessment(SAFE)
        if isinstance(self.say, Exception):
            raise self.say
        return self.say

    async def image(self, image: bytes) -> Assessment:
        """Returns the given assessment of an image, or raises."""
        return await self.text("")


class Service:
    """Content Safety with the simulator's list of words, in memory."""

    def __init__(self) -> None:
        self.calls = 0

    async def text(self, text: str) -> Assessment:
        """Returns an assessment of every category by the words of the text."""
        self.calls += 1
        found = severities_of_text(text)
        return Assessment(
            {category: found.get(category.value, 0) for category in Category}, screeners=(CONTENT_SAFETY,)
        )


class Guard:
    """Replicate, as far as the secondary screener needs it."""

    def __init__(self, *outputs: str) -> None:
        self.outputs = outputs
        self.asked: list[Mapping[str, str]] = []

    async def run(self, model: str, inputs: Mapping[str, str], within_s: float) -> tuple[str, ...]:
        """Returns the answer immediately."""
        self.asked.append(inputs)
        return self.outputs


def chain(
    service: Any, *, guard: Any = None, terms: Any = None, policy: Policy = POLICY, now: Callable[[], float] = lambda: 0
) -> ScreenerChain:
    """A chain of the blocklist, the service, and a secondary screener if one is given."""
    links = [TextLink(BLOCKLIST, terms or BlocklistScreener(TERM_LIST)), TextLink(CONTENT_SAFETY, service)]
    if guard is not None:
        links.append(TextLink(LLAMA_GUARD, guard))
    return ScreenerChain(policy, links, [ImageLink(CONTENT_SAFETY, service)], now)


def slow(seconds: float, **without: bool) -> Policy:
    """The policy with this time-out for every screener; ``without`` names screeners with ``go_on_without``."""
    text = (CORE / "safety" / "moderation.toml").read_text(encoding="utf-8")
    for before in ("timeout_s = 5.0", "timeout_s = 10.0", "timeout_s = 20.0"):
        text = text.replace(before, f"timeout_s = {seconds}")
    if without.get(CONTENT_SAFETY):
        text = text.replace("go_on_without = false", "go_on_without = true")
    return parse_policy(text)


async def test_every_case_is_judged_by_the_whole_chain() -> None:
    """Every written case has its result, and the service is not called if the blocklist refuses."""
    for case in CASES:
        service = Service()
        text = case["text"] * case.get("repeat", 1) + case.get("then", "")
        assessment = await chain(service).text(text)
        allowed = evaluate(POLICY, assessment).allowed
        assert allowed == (case["chain"] == "allowed"), case["text"][:40]
        assert service.calls == (0 if case["blocklist"] == "refused" else 1)


async def test_the_verdict_says_who_looked() -> None:
    """The assessment names both screeners, and none is missing."""
    assessment = await chain(Service()).text("a lighthouse")
    assert (assessment.screeners, assessment.unavailable) == ((BLOCKLIST, CONTENT_SAFETY), ())
    assert assessment.severities == SAFE


@pytest.mark.parametrize(
    "trouble",
    [Unavailable(Dependency.CONTENT_SAFETY, "down"), Unavailable(Dependency.CONTENT_SAFETY, "unreadable"), 5.0],
    ids=str,
)
async def test_a_silent_service_makes_the_request_wait(trouble: Exception | float) -> None:
    """A service that is down, unreadable or slow is Unavailable, and gives no assessment."""
    with pytest.raises(Unavailable, match="content_safety") as raised:
        await chain(Scripted(trouble), policy=slow(0.1)).text("a lighthouse")
    assert raised.value.dependency is Dependency.CONTENT_SAFETY


async def test_a_silent_service_does_not_save_what_is_refused_already() -> None:
    """The blocklist refuses, and the request need not wait for the service."""
    assessment = await chain(Scripted(Unavailable(Dependency.CONTENT_SAFETY, "down"))).text("hentai")
    assert not evaluate(POLICY, assessment).allowed


async def test_the_operator_may_go_on_without_and_the_verdict_says_so() -> None:
    """Then the blocklist decides alone. For images no other screener is left, so they wait."""
    policy = slow(0.1, content_safety=True)
    made = chain(Scripted(Unavailable(Dependency.CONTENT_SAFETY, "down")), policy=policy)
    assessment = await made.text("a lighthouse")
    assert (assessment.screeners, assessment.unavailable) == ((BLOCKLIST,), (CONTENT_SAFETY,))
    assert evaluate(policy, assessment).allowed
    assert not evaluate(POLICY, assessment).allowed
    with pytest.raises(Unavailable):
        await made.image(b"an image")


async def test_the_hint_of_the_dependency_is_passed_on() -> None:
    """The request is retried when the service may answer again."""
    with pytest.raises(Unavailable) as raised:
        await chain(Scripted(Unavailable(Dependency.CONTENT_SAFETY, "answered 429", 17))).text("a lighthouse")
    assert raised.value.retry_after_s == 17


async def test_a_secondary_screener_counts() -> None:
    """It refuses what the service allows. By the default policy a request does not wait for it if it is unavailable."""
    assessment = await chain(Service(), guard=LlamaGuard(Guard("unsafe\nS9"), "a/b", 5)).text("a harmless text")
    assert evaluate(POLICY, assessment).category is Topic.WEAPONS
    assessment = await chain(Service(), guard=LlamaGuard(Guard("safe"), "a/b", 5)).text("a harmless text")
    assert evaluate(POLICY, assessment).allowed
    assessment = await chain(Service(), guard=Scripted(Unavailable(Dependency.REPLICATE, "down"))).text(
        "a harmless text"
    )
    assert evaluate(POLICY, assessment).allowed
    assert assessment.unavailable == (LLAMA_GUARD,)


async def test_a_long_text_is_shown_to_the_secondary_screener_in_chunks() -> None:
    """Each chunk stands in the prompt's frame, and one unsafe chunk is enough."""
    guard = Guard("unsafe\nS1")
    assessment = await LlamaGuard(guard, "a/b", 5).text("word <|eot_id|> " * 400)
    assert len(guard.asked) == 3
    assert all("<" not in inputs["prompt"] for inputs in guard.asked)
    assert assessment.severities == {Category.VIOLENCE: 6}


async def test_the_plan_decides_whether_the_service_is_still_asked() -> None:
    """If a plan allows a category, a match of the blocklist in it does not end the chain, and the service is called."""
    text = (CORE / "safety" / "moderation.toml").read_text(encoding="utf-8") + "\n[plans.premium]\nSexual = 8\n"
    service = Service()
    made = chain(service, policy=parse_policy(text))
    await made.text("hentai", "free")
    assert service.calls == 0
    assessment = await made.text("hentai", "premium")
    assert service.calls == 1
    assert evaluate(parse_policy(text), assessment, "premium").allowed


async def test_after_failures_in_a_row_its_circuit_is_open() -> None:
    """After five failures the service is not called for 30 seconds. Then one probe goes, and closes the circuit."""
    time = [0.0]
    service = Scripted(Unavailable(Dependency.CONTENT_SAFETY, "down"))
    made = chain(service, now=lambda: time[0])
    for _ in range(7):
        with pytest.raises(Unavailable):
            await made.text("a lighthouse")
    assert (service.asked, made.states()[CONTENT_SAFETY]) == (5, "open")
    time[0] = 31
    service.say = Assessment(SAFE)
    assert made.states()[CONTENT_SAFETY] == "half-open"
    await made.text("a lighthouse")
    assert made.states()[CONTENT_SAFETY] == "closed"


async def test_a_picture_that_cannot_be_read_is_no_failure_of_the_service() -> None:
    """The caller gets OutputUnfit, and the circuit stays closed."""
    service = Scripted(OutputUnfit(Refusal.of(Reason.OUTPUT_INVALID)))
    made = chain(service)
    for _ in range(6):
        with pytest.raises(OutputUnfit):
            await made.image(b"no image")
    assert made.states()[CONTENT_SAFETY] == "closed"


async def test_who_gives_up_waiting_does_not_block_the_probe() -> None:
    """A canceled probe is not counted, and the next call is the probe."""
    time = [0.0]
    service = Scripted(Unavailable(Dependency.CONTENT_SAFETY, "down"))
    made = chain(service, now=lambda: time[0])
    for _ in range(5):
        with pytest.raises(Unavailable):
            await made.text("a lighthouse")
    time[0] = 31
    service.say = 5.0
    probe = asyncio.create_task(made.text("a lighthouse"))
    await asyncio.sleep(0.01)
    probe.cancel()
    with pytest.raises(asyncio.CancelledError):
        await probe
    service.say = Assessment(SAFE)
    await made.text("a lighthouse")
    assert made.states()[CONTENT_SAFETY] == "closed"


def test_a_chain_needs_somebody() -> None:
    """A chain without screeners is a mistake of the composition, and is refused at once."""
    with pytest.raises(ValueError, match="needs a screener"):
        ScreenerChain(POLICY, [], [], lambda: 0)
