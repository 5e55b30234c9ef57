"""The margin: what a credit is sold for against what it pays for, and what is not offered then."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dev.fakes.catalogs import REAL, REAL_PLANS, REQUEST, SECONDS, TEXT, catalog, model, plans_of
from shared.core.catalog.catalog import Catalog, Status
from shared.core.catalog.choosing import Quote, quote
from shared.core.catalog.margin import Margin, credits_for, margin_of, margins, megapixels, sold, worst_unit_usd_micros
from shared.core.catalog.reading import CatalogError
from shared.core.events.generation_event import ChosenBy, PassedOver
from shared.core.money.plans import Plan
from shared.core.reasons import Reason, Refusal

CENT = 10_000
IMAGE = [{"unit": "image", "usd_micros": 25_000}]
LOSS: dict[str, Any] = {"allow_loss": True, "loss_reason": "it brings people in"}


def shop(plan: dict[str, Any] | None = None, credit: int = CENT, **loser: Any) -> tuple[Catalog, Plan]:
    """Two pictures: ``loser`` costs 2.5 cents and 2 credits, ``winner`` 0.3 cents and 1; sold to the free plan."""
    models = {"loser": model(prices=IMAGE, credits=2, replicate="owner/loser", **loser), "winner": model()}
    found = catalog(models)
    plans = plans_of(found, image="loser")
    plans = replace(plans, plans={name: replace(each, **(plan or {})) for name, each in plans.items()})
    return sold(found, plans, credit), plans["free"]


def chosen(where: tuple[Catalog, Plan], **said: Any) -> Quote | Refusal:
    """The quote or the refusal of a request."""
    return quote(where[0], replace(REQUEST, **said), where[1])


def margin(**changes: Any) -> Margin:
    """The margin of the loser."""
    found = catalog({"loser": model(prices=IMAGE, credits=2, **changes)})
    return margin_of(found.models["loser"], plans_of(found)["free"], CENT)


# What is offered.


def test_a_model_below_its_margin_is_refused_by_name() -> None:
    """The reason has no number of ours, and names the nearest model that is offered."""
    refusal = chosen(shop(), model="loser")
    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.BELOW_MARGIN
    assert refusal.text == (
        "loser is not offered here: its price in credits is too low for it. The nearest that is offered is winner."
    )


def test_a_default_below_its_margin_is_replaced_and_named() -> None:
    """A request that names nothing is served by another model of the plan, and the one passed over is named."""
    offer = chosen(shop())
    assert isinstance(offer, Quote)
    assert (offer.model.name, offer.chosen_by, offer.chain) == ("winner", ChosenBy.PLAN, ("winner",))
    assert offer.passed_over == (PassedOver("loser", Reason.BELOW_MARGIN),)


def test_a_plan_without_a_model_left_says_why() -> None:
    """It is not "nothing of this modality", and not "your plan is too low"."""
    found = catalog({"loser": model(prices=IMAGE), "dear": model(tier="premium", credits=9)})
    plans = plans_of(found)
    refusal = quote(sold(found, plans, CENT), REQUEST, plans["free"])
    assert isinstance(refusal, Refusal)
    assert (refusal.reason, refusal.text[:5]) == (Reason.BELOW_MARGIN, "loser")


def test_no_fallback_and_no_successor_is_below_its_margin() -> None:
    """A chain skips it, and a retired model that it replaces is refused with it."""
    old = model(status="retired", successor="loser", inputs={})
    found = catalog(
        {"first": model(fallback=["loser", "last"]), "loser": model(prices=IMAGE), "last": model(), "old": old}
    )
    plans = plans_of(found)
    where = sold(found, plans, CENT), plans["free"]
    offer, refusal = chosen(where), chosen(where, model="old")
    assert isinstance(offer, Quote)
    assert offer.chain == ("first", "last")
    assert isinstance(refusal, Refusal)
    assert (refusal.reason, refusal.text.split()[0]) == (Reason.BELOW_MARGIN, "loser")


def test_a_model_may_lose_money_for_a_reason() -> None:
    """It is the plan's default again."""
    offer = chosen(shop(**LOSS))
    assert isinstance(offer, Quote)
    assert (offer.model.name, offer.passed_over) == ("loser", ())


@pytest.mark.parametrize("wrong", [{"allow_loss": True}, {"loss_reason": "why not"}, LOSS | {"loss_reason": "  "}])
def test_a_loss_needs_its_reason(wrong: dict[str, Any]) -> None:
    """A flag without a reason is refused, and a reason without the flag."""
    with pytest.raises(CatalogError, match="allow_loss: needs loss_reason"):
        catalog({"loser": model(**wrong)})


@pytest.mark.parametrize(
    ("plan", "own", "credit", "offered"),
    [
        (None, None, 12_500, True),  # exactly nothing is left
        (None, None, 12_499, False),
        (20, None, 15_625, True),  # exactly a fifth is left
        (20, None, 15_624, False),
        (20, 0, 12_500, True),  # the model's own takes precedence, also if it is lower
        (0, 20, 15_624, False),
        (99, None, 1_250_000, True),
    ],
)
def test_the_least_margin_is_that_of_the_model_or_the_plan(
    plan: int | None, own: int | None, credit: int, *, offered: bool
) -> None:
    """It is compared without rounding."""
    asked = {} if own is None else {"min_margin_percent": own}
    offer = chosen(shop({"min_margin_percent": plan}, credit, **asked), model="loser")
    assert isinstance(offer, Quote) is offered


def test_a_model_may_be_below_the_margin_of_one_plan_only() -> None:
    """Each plan sees its own catalogue; one that needs nothing sees the whole."""
    found = catalog({"loser": model(prices=IMAGE, credits=3)})
    plans = plans_of(found)
    strict = replace(plans, plans={**plans.plans, "free": replace(plans["free"], min_margin_percent=50)})
    view = sold(found, strict, CENT)
    assert view.sold_to("free").models["loser"].status is Status.BELOW_MARGIN
    assert view.sold_to("basic").models["loser"].status is Status.ACTIVE
    assert view.sold_to("a plan that is gone").models == found.models


def test_without_a_price_of_a_credit_nothing_is_checked() -> None:
    """The catalogue is as it was read."""
    assert (REAL.credit_usd_micros, REAL.by_plan) == (0, {})
    assert REAL.sold_to("free") is REAL


# The arithmetic.


def test_of_the_models_on_offer_flux_dev_alone_loses_at_a_cent() -> None:
    """At two credits it needs 0.0125 USD for each: then nothing is below its margin."""
    assert {each.model for each in margins(REAL, REAL_PLANS, CENT) if not each.enough} == {"flux-dev"}
    assert {each.model for each in margins(REAL, REAL_PLANS, 12_499) if not each.enough} == {"flux-dev"}
    assert [each.model for each in margins(REAL, REAL_PLANS, 12_500) if not each.enough] == []


def test_the_arithmetic_has_all_its_numbers() -> None:
    """An operator can follow it, and sees what would be enough."""
    found = margin(min_margin_percent=10)
    assert found.arithmetic == "costs 0.025000 USD at worst, 2 credits sell for 0.020000: -25 %, at least 10 %"
    assert (found.needed_credits, found.bounded) == (3, True)


@given(st.integers(1, 10**9), st.integers(1, 10**8), st.integers(0, 99))
def test_proposed_credits_are_enough_and_one_less_is_not(cost: int, credit: int, percent: int) -> None:
    """What the margin rule proposes is offered, to the micro."""
    credits_ = credits_for(cost, credit, percent)

    def of(number: int) -> Margin:
        return replace(
            margin(), cost_usd_micros=cost, credits=number, sold_usd_micros=number * credit, least_percent=percent
        )

    assert of(credits_).enough
    assert credits_ == 1 or not of(credits_ - 1).enough
    assert of(credits_).needed_credits == credits_


@pytest.mark.parametrize(
    ("changes", "micros"),
    [
        ({"prices": [{"unit": "gpu_second", "usd_micros": 1000}]}, 60_000),  # until it is canceled
        ({"prices": [{"unit": "gpu_second", "usd_micros": 1000}], "run_s": 7}, 7_000),
        (
            {
                "inputs": {"prompt": TEXT, "duration": SECONDS},
                "credits_per": "second",
                "prices": [{"unit": "second", "usd_micros": 50}],
            },
            50,
        ),
        ({"inputs": {"prompt": TEXT, "duration": SECONDS}, "prices": [{"unit": "second", "usd_micros": 50}]}, 450),
        ({"prices": [{"unit": "run", "usd_micros": 5}, {"unit": "image", "usd_micros": 6}]}, 11),
        (
            {
                "inputs": {"prompt": TEXT, "pictures": {"type": "images", "field": "image_url", "to": 5}},
                "prices": [{"unit": "megapixel_in", "usd_micros": 7}],
            },
            35,
        ),
        (
            {
                "inputs": {
                    "prompt": TEXT,
                    "resolution": {"type": "choice", "choices": ["1K", "2K"], "field": "resolution"},
                },
                "prices": [{"unit": "megapixel_out", "usd_micros": 1_000_000}],
            },
            4_194_304,
        ),
        (
            {
                "inputs": {"prompt": TEXT, "max_tokens": {"type": "whole", "from": 1, "to": 4000, "default": 10}},
                "prompt_characters": [1, 1000],
                "credits_per": "thousand_tokens",
                "prices": [
                    {"unit": "million_tokens_in", "usd_micros": 50_001},
                    {"unit": "million_tokens_out", "usd_micros": 250_000},
                ],
            },
            301,
        ),
    ],
)
def test_the_worst_cost_is_that_of_what_the_credits_count(changes: dict[str, Any], micros: int) -> None:
    """Each unit is counted as high as a request can set it, and the sum is rounded up."""
    assert worst_unit_usd_micros(catalog({"one": model(**changes)}).models["one"]) == micros


def test_a_run_that_only_the_cancellation_bounds_says_so() -> None:
    """The margin of such a model is of a case that hardly ever comes."""
    machine = [{"unit": "gpu_second", "usd_micros": 1}]
    cases: tuple[tuple[dict[str, Any], bool], ...] = (({}, False), ({"run_s": 5}, True))
    for changes, bounded in cases:
        found = catalog({"one": model(prices=machine, **changes)})
        assert margin_of(found.models["one"], plans_of(found)["free"], CENT).bounded is bounded


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"run_s": 5}, "run_s: nothing is paid by the second"),
        ({"run_s": 0}, "run_s: must be a whole number from 1"),
        ({"prices": [{"unit": "gpu_second", "usd_micros": 1}], "run_s": 4, "least_run_s": 5}, "at most run_s"),
        ({"min_margin_percent": 100}, "min_margin_percent: must be a whole number from 0 to 99"),
        ({"min_margin_percent": -1}, "min_margin_percent: must be a whole number from 0 to 99"),
    ],
)
def test_a_mistake_in_an_entry_is_named(changes: dict[str, Any], said: str) -> None:
    """A run without a price by the second, or a margin that cannot be."""
    with pytest.raises(CatalogError, match=said):
        catalog({"one": model(**changes)})


@pytest.mark.parametrize(
    ("word", "size"), [("2 MP", 2), ("0.5MP", Fraction(1, 2)), ("4K", Fraction(16_777_216, 10**6)), ("large", 0)]
)
def test_a_word_for_a_size_is_read(word: str, size: Fraction) -> None:
    """The words that models use for their resolutions."""
    assert megapixels(word) == size
