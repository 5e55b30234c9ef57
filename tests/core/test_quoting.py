"""What a request would cost and take: at least, likely, at most; and what is not known."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from dev.fakes.catalogs import REAL, REAL_PLANS, REQUEST
from shared.core.catalog.choosing import Quote, quote
from shared.core.catalog.quoting import Basis, Estimate, Measured, Spread, estimate
from shared.core.money.usage import Used

UNKNOWN = Spread()
TRAINING: dict[str, Any] = {
    "model": "flux-dev-lora-trainer",
    "prompt": "",
    "input_file": "ada/ada/a.zip",
    "destination": "ada/lora",
}


def used(model: str, unit_credits: int, took_s: int, cost: int, **changes: Any) -> Used:
    """A generation of one output that succeeded."""
    made = Used(
        account_id="ada",
        user_id="ada",
        model=model,
        succeeded=True,
        outputs=1,
        captured_credits=unit_credits,
        unit_credits=unit_credits,
        cost_usd_micros=cost,
        opened_at=datetime(2026, 11, 21, tzinfo=UTC),
        took_s=took_s,
    )
    return replace(made, **changes)


def estimated(*measured: Used, plan: str = "premium", **said: Any) -> Estimate:
    """The estimate for a request on the app's own catalogue."""
    request = replace(REQUEST, **said)
    quoted = quote(REAL, request, REAL_PLANS[plan])
    assert isinstance(quoted, Quote), quoted
    known = Measured(quoted.model)
    for each in measured:
        known.add(each)
    return estimate(REAL, request, quoted, known)


def test_a_price_by_the_picture_leaves_nothing_open() -> None:
    """Credits at least are those of the cheapest that may serve, and so is the cost. No time was measured."""
    found = estimated(plan="basic", num_outputs=3)
    assert (found.quote.model.name, found.quote.chain) == ("flux-dev", ("flux-dev", "flux-schnell"))
    assert found.credits == Spread(3, 6, 6)
    assert found.usd_micros == Spread(9_000, 75_000, 75_000)
    assert (found.basis, found.seconds, found.measured) == (Basis.PRICES, UNKNOWN, 0)


def test_at_most_is_what_is_held() -> None:
    """Of every modality: credits are those of the hold, USD those that a limit counts."""
    for said in ({}, {"modality": "video"}, {"modality": "audio"}, {"modality": "text"}, TRAINING):
        found = estimated(**said)
        assert found.credits.most == found.quote.hold_credits
        assert found.usd_micros.most == found.quote.worst_cost_usd_micros
        assert found.credits.least is not None
        assert found.credits.likely is not None
        assert found.credits.most is not None
        assert found.credits.least <= found.credits.likely <= found.credits.most


@pytest.mark.parametrize(
    ("steps", "credits_", "least", "likely"), [(1000, 350, 1.83, 2.2875), (2000, 700, 3.66, 4.575)]
)
def test_a_training_is_reckoned_by_its_steps(steps: int, credits_: int, least: float, likely: float) -> None:
    """The catalogue says 20 to 30 minutes for 1,000 steps. The likely cost is in the middle, and says so."""
    found = estimated(**TRAINING, training_steps=steps)
    assert (found.credits.likely, found.basis) == (credits_, Basis.CATALOG)
    assert (found.usd_micros.least, found.usd_micros.likely) == (least * 1_000_000, likely * 1_000_000)
    assert found.seconds == UNKNOWN


def test_a_measured_training_is_scaled_by_its_steps() -> None:
    """500 steps took 600 s and cost a dollar: 2,000 take four times both."""
    found = estimated(used("flux-dev-lora-trainer", 35 * 5, 600, 1_000_000), **TRAINING, training_steps=2000)
    assert found.seconds == Spread(2400, 2400, 2400)
    assert (found.usd_micros.likely, found.basis) == (4_000_000, Basis.MEASURED)


def test_what_a_machine_or_tokens_cost_is_unknown_until_it_was_measured() -> None:
    """No number is made up."""
    for said in ({"modality": "text"}, {"model": "bark"}, {"model": "musicgen"}):
        found = estimated(**said)
        assert (found.usd_micros.likely, found.basis, found.seconds) == (None, Basis.UNKNOWN, UNKNOWN)
    found = estimated(used("bark", 9, 30, 20_000), used("bark", 9, 31, 40_000), model="bark")
    assert (found.usd_micros.likely, found.basis, found.measured) == (30_000, Basis.MEASURED, 2)


def test_seconds_are_the_shortest_the_middle_and_the_longest() -> None:
    """Whatever the order; an even number has the lower of the two in the middle."""
    took = (9, 3, 100, 4)
    found = estimated(*(used("flux-schnell", 1, each, 3_000) for each in took), model="flux-schnell")
    assert found.seconds == Spread(3, 4, 100)


@pytest.mark.parametrize(
    "changes",
    [
        {"succeeded": False},
        {"model": "flux-dev"},
        {"took_s": None},
        {"unit_credits": 0},
        {"unit_credits": 36},
    ],
)
def test_what_says_nothing_of_the_model_is_not_measured(changes: dict[str, Any]) -> None:
    """It failed, or is another model's, or has not ended, or was sold at another price."""
    one = replace(used("flux-dev-lora-trainer", 350, 1500, 2_000_000), **changes)
    found = estimated(one, **TRAINING)
    assert (found.measured, found.seconds, found.basis) == (0, UNKNOWN, Basis.CATALOG)


def test_the_cost_of_one_output_is_the_mean_over_outputs() -> None:
    """Two outputs of a measured generation are two."""
    found = estimated(used("sdxl", 3, 5, 30_000, outputs=2), model="sdxl", num_outputs=3)
    assert found.usd_micros.likely == 45_000
