"""Predictions that fail, each in its way: a reason for the user, everything released, nothing left behind."""

import asyncio
from typing import Any

import pytest

from tests.stack.road import Outcome, Road

pytestmark = pytest.mark.stack

#: Faults of the simulator, and the reason that the app is told.
CLASSES: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("failed", {"error": "Prediction interrupted; please retry (code: PA)"}, "PROVIDER_FAILED"),
    ("failed", {"error": "Content flagged for: sexual (E005)"}, "CONTENT_REFUSED"),
    ("failed", {"error": "width must be a multiple of 16"}, "PROVIDER_REFUSED"),
    ("failed", {"error": "Billing: spend limit reached"}, "PROVIDER_UNAVAILABLE"),
    ("failed", {"error": "list index out of range"}, "PROVIDER_FAILED"),
    ("failed", {"error": "CUDA error", "before_start": True}, "PROVIDER_FAILED"),
    ("nsfw_all", {}, "CONTENT_REFUSED"),
    ("abort", {}, "TIMED_OUT"),
)


async def test_every_class_of_failure_releases_and_says_why(road: Road) -> None:
    """All at once, on the model that nothing follows."""
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
        assert all([await road.stack.wiring.blobs.read_output(name) for name in stored])
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
        await road.stack.wiring.blobs.read_output(kept["name"].replace("1-1", "1-0"))


async def test_an_output_that_cannot_be_had_or_shown_costs_nothing(road: Road) -> None:
    """Unsafe, gone, no picture, far too large with and without saying so: failed with its reason, nothing stored."""
    cases: tuple[tuple[str, dict[str, Any], str], ...] = (
        ("unsafe_image", {"category": "Sexual", "severity": 6}, "OUTPUT_REFUSED"),
        ("output_404", {}, "OUTPUT_EXPIRED"),
        ("output_wrong_type", {}, "OUTPUT_INVALID"),
        ("output_oversized", {"declare_length": True}, "OUTPUT_INVALID"),
        ("output_oversized", {"declare_length": False}, "OUTPUT_INVALID"),
    )
    outcomes = await asyncio.gather(*(road.generate(kind, params) for kind, params, _ in cases))
    assert [outcome.reason for outcome in outcomes] == [reason for _, _, reason in cases]
    for outcome in outcomes:
        await road.paid_nothing(outcome)
        with pytest.raises(FileNotFoundError):
            await road.stack.wiring.blobs.read_output(f"{outcome.key}/1-0.webp")


async def test_an_output_that_breaks_off_is_fetched_again(road: Road) -> None:
    """Truncated once, whole the second time: one picture, and the cut one was never shown."""
    message = await road.message()
    await road.fault("output_truncated", message)
    outcome = await road.outcome(message)
    assert len(road.log.steps(outcome.key, "put_off")) == 1
    await road.paid_once(outcome, message["prompt"])
