"""Predictions that fail in each way: the user gets a reason, all credits are released, nothing is left behind."""

import asyncio
from typing import Any

import pytest

from shared import worker
from shared.core.lifecycle.state import State
from shared.core.requests.messages import Check
from shared.ports import Envelope
from tests.stack.road import Outcome, Road, key_of, later

pytestmark = pytest.mark.stack

#: Faults of the simulator, and the reason in the event.
CLASSES: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("failed", {"error": "Prediction interrupted; please retry (code: PA)"}, "PROVIDER_FAILED"),
    ("failed", {"error": "Content flagged for: sexual (E005)"}, "CONTENT_REFUSED"),
    ("failed", {"error": "width must be a multiple of 16"}, "PROVIDER_REFUSED"),
    ("failed", {"error": "Monthly spend limit reached"}, "PROVIDER_UNAVAILABLE"),
    ("failed", {"error": "list index out of range"}, "PROVIDER_FAILED"),
    ("failed", {"error": "CUDA error", "before_start": True}, "PROVIDER_FAILED"),
    ("nsfw_all", {}, "CONTENT_REFUSED"),
    ("abort", {}, "TIMED_OUT"),
)


async def test_every_class_of_failure_releases_and_says_why(road: Road) -> None:
    """All run at once, on the model without a fallback."""
    outcomes = await asyncio.gather(*(road.generate(kind, params) for kind, params, _ in CLASSES))
    assert [outcome.reason for outcome in outcomes] == [reason for _, _, reason in CLASSES]
    for outcome in outcomes:
        assert outcome.event["type"] == "darkroom.generation.failed"
        assert outcome.credits == (1, 0, 1)
        await road.paid_nothing(outcome)


async def test_the_next_model_takes_over_and_only_its_price_is_paid(road: Road) -> None:
    """flux-dev breaks, flux-schnell delivers: 2 credits held, 1 captured."""
    message = await road.message(model="flux-dev")
    await road.fault("failed", message, error="list index out of range")
    outcome = await road.outcome(message)
    assert outcome.event["data"]["model"] == "flux-schnell"
    assert outcome.event["data"]["attempts"] == 2
    assert outcome.credits == (2, 1, 1)
    assert [made["status"] for made in await road.predictions(message["prompt"])] == ["failed", "succeeded"]
    assert await road.balances(outcome.key.user_id) == (9, 0, 1)
    await road.books_balance(outcome.key.user_id)


async def test_a_partial_delivery_is_paid_in_part(road: Road) -> None:
    """Replicate keeps two of four as unsafe; Content Safety refuses one of two: what is stored is paid."""

    async def partial(kind: str, params: dict[str, Any], asked: int) -> Outcome:
        message = await road.message(num_outputs=asked)
        await road.fault(kind, message, **params)
        outcome = await road.outcome(message)
        stored = [output["name"] for output in outcome.event["data"]["outputs"]]
        assert all([await road.stack.app.outputs.read_output(name) for name in stored])
        await road.paid_once(outcome, message["prompt"], captured=len(stored))
        return outcome

    nsfw, unsafe = await asyncio.gather(
        partial("nsfw_partial", {"drop": 2}, 4), partial("unsafe_image", {"index": 0}, 2)
    )
    assert nsfw.credits == (4, 2, 2)
    assert unsafe.credits == (2, 1, 1)
    assert unsafe.event["data"]["refused_outputs"] == 1
    (kept,) = unsafe.event["data"]["outputs"]
    assert kept["name"].endswith("/1-1.webp")
    with pytest.raises(FileNotFoundError):
        await road.stack.app.outputs.read_output(kept["name"].replace("1-1", "1-0"))


async def test_an_output_that_cannot_be_had_or_shown_costs_nothing(road: Road) -> None:
    """It is unsafe, no picture, or too large with and without an announced size: it fails with a reason, unstored."""
    cases: tuple[tuple[str, dict[str, Any], str], ...] = (
        ("unsafe_image", {"category": "Sexual", "severity": 6}, "OUTPUT_REFUSED"),
        ("output_wrong_type", {}, "OUTPUT_INVALID"),
        ("output_oversized", {"declare_length": True}, "OUTPUT_INVALID"),
        ("output_oversized", {"declare_length": False}, "OUTPUT_INVALID"),
    )
    outcomes = await asyncio.gather(*(road.generate(kind, params) for kind, params, _ in cases))
    assert [outcome.reason for outcome in outcomes] == [reason for _, _, reason in cases]
    for outcome in outcomes:
        await road.paid_nothing(outcome)
        with pytest.raises(FileNotFoundError):
            await road.stack.app.outputs.read_output(f"{outcome.key}/1-0.webp")


async def test_an_output_that_is_not_there_yet_is_fetched_again(road: Road) -> None:
    """404 in its first seconds: of two outputs both are delivered, and both are paid."""
    message = await road.message(num_outputs=2)
    await road.fault("output_404", message, times=2)
    outcome = await road.outcome(message)
    assert len(road.log.steps(outcome.key, "deferred")) == 2
    assert len(outcome.generation.outputs) == 2
    await road.paid_once(outcome, message["prompt"], captured=2)


async def test_an_output_that_never_comes_is_expired_when_its_hour_is_nearly_over(road: Road) -> None:
    """The other output is delivered and paid."""
    message = await road.message(num_outputs=2)
    await road.fault("webhook_lost", message)
    key = key_of(message)
    await road.send(message)
    await road.log.step(key, "prediction_created")
    (made,) = await road.predictions(message["prompt"])
    await road.fault("output_404", message, times=-1)
    await road.log.step(key, "deferred")
    assert (await road.generation(key)).state is State.RUNNING
    assert await road.balances(key.user_id) == (8, 2, 0)
    await worker.handle(later(road.deps, 3000), Check(key), Envelope("later"), "")
    outcome = await road.ended(key)
    assert (outcome.event["type"], outcome.reason) == ("darkroom.generation.failed", "OUTPUT_EXPIRED")
    assert made["status"] in {"starting", "processing", "succeeded"}
    await road.paid_nothing(outcome)


async def test_a_success_whose_webhook_is_empty_is_asked_for(road: Road) -> None:
    """The webhook has ``output: null``, and a read has the whole output: it is delivered and paid."""
    message = await road.message()
    await road.fault("webhook_empty", message)
    outcome = await road.outcome(message)
    await road.paid_once(outcome, message["prompt"])


async def test_a_success_that_is_empty_everywhere_is_given_up(road: Road) -> None:
    """One read has no output either, so the end is OUTPUT_INVALID, and the credits are released."""
    message = await road.message()
    await road.fault("webhook_empty", message)
    await road.fault("get_empty", message, times=-1)
    outcome = await road.outcome(message)
    assert outcome.reason == "OUTPUT_INVALID"
    await road.paid_nothing(outcome)


async def test_404s_for_what_runs_end_nothing(road: Road) -> None:
    """No webhook comes, and the first looks are answered 404: the picture is delivered, and nothing was canceled.

    With Replicate's JSON, and with a load balancer's line.
    """

    async def missed(*, plain: bool) -> None:
        message = await road.message()
        await road.fault("webhook_lost", message)
        await road.fault("get_404", message, times=2, plain=plain)
        outcome = await road.outcome(message)
        (made,) = await road.predictions(message["prompt"])
        assert made["status"] == "succeeded"
        await road.paid_once(outcome, message["prompt"])

    await asyncio.gather(missed(plain=False), missed(plain=True))


async def test_an_output_that_breaks_off_is_fetched_again(road: Road) -> None:
    """Truncated once, whole the second time: one picture, and the cut one was never shown."""
    message = await road.message()
    await road.fault("output_truncated", message)
    outcome = await road.outcome(message)
    assert len(road.log.steps(outcome.key, "deferred")) == 1
    await road.paid_once(outcome, message["prompt"])
