"""catalog costs, and the arithmetic that health shows: what models cost at worst and what their credits bring."""

import json
import re
from dataclasses import replace

import pytest

from dev.fakes.catalogs import REAL, REAL_PLANS
from shared.core.catalog.margin import sold
from tests.cli.counter import ENV, Counter

CENT = 10_000
LOSER = re.compile(
    r"^flux-dev +2 +0\.025000 +0\.012500 +0\.020000 +-25 +0 +not to basic, premium: needs 3 credits$", re.MULTILINE
)


@pytest.fixture
def unset(counter: Counter) -> Counter:
    """The app's own catalogue, where a credit has no price."""
    counter.operations.deps = replace(counter.deps, catalog=REAL, plans=REAL_PLANS)
    return counter


@pytest.fixture
def cent(unset: Counter) -> Counter:
    """The same where a credit is sold for a cent."""
    unset.operations.deps = replace(unset.operations.deps, catalog=sold(REAL, REAL_PLANS, CENT))
    unset.operations.settings = replace(unset.operations.settings, credit_usd_micros=CENT)
    return unset


def test_without_a_price_of_a_credit_costs_alone_are_shown(unset: Counter) -> None:
    """Each model has its worst cost and what a credit must bring; nothing is below anything."""
    called = unset.call("catalog", "costs")
    assert called.code == 0
    assert re.search(r"^flux-dev +2 +0\.025000 +0\.012500$", called.out, re.MULTILINE)
    assert "MARGIN" not in called.out
    called = unset.call("catalog", "costs", "--below")
    assert (called.code, called.out) == (0, "CREDIT_USD is not set: nothing is checked.\n")


def test_a_loss_is_shown_with_its_arithmetic(cent: Counter) -> None:
    """With what would be enough; with --below alone, and then the exit code is 1."""
    assert LOSER.search(cent.call("catalog", "costs").out)
    called = cent.call("catalog", "costs", "--below")
    assert (called.code, len(called.out.splitlines())) == (1, 2)
    assert LOSER.search(called.out)


def test_another_price_can_be_tried(cent: Counter) -> None:
    """flux-dev needs 0.0125 USD a credit. The catalogue stays as it is."""
    called = cent.call("catalog", "costs", "--credit-usd", "0.0125", "--below")
    assert (called.code, called.out) == (0, "No model is below its margin.\n")
    assert cent.call("catalog", "costs", "--credit-usd", "0.012499", "--below").code == 1


@pytest.mark.parametrize("wrong", ["0", "-1", "NaN", "inf", "1e3", "0,01", "0.0000001", "12345", "1 USD", "", "\u0661"])
def test_what_is_no_price_is_refused(cent: Counter, wrong: str) -> None:
    """On the command line."""
    called = cent.call("catalog", "costs", "--credit-usd", wrong)
    assert called.code == 2
    assert "--credit-usd must be USD above 0" in called.err


def test_a_loss_that_is_allowed_shows_its_reason(counter: Counter) -> None:
    """The model is offered."""
    changed = replace(REAL.models["flux-dev"], allow_loss=True, loss_reason="it brings people in")
    catalog = replace(REAL, models={**REAL.models, "flux-dev": changed})
    counter.operations.deps = replace(counter.deps, catalog=sold(catalog, REAL_PLANS, CENT), plans=REAL_PLANS)
    called = counter.call("catalog", "costs", "--below")
    assert called.code == 0
    assert called.out.endswith("at a loss: it brings people in\n")


def test_the_guides_trainings_are_reckoned_at_today_s_prices(unset: Counter) -> None:
    """An L40S costs 3.51 USD an hour, an A100 5.04."""
    out = unset.call("catalog", "costs").out.partition("TRAINING")[2]
    assert [re.split(r"  +", line) for line in out.splitlines()[1:]] == [
        ["LoRA for FLUX", "1000", "gpu-l40s", "30 to 60", "1.76 to 3.51", "-"],
        ["LoRA for FLUX", "2000", "gpu-l40s", "60 to 120", "3.51 to 7.02", "-"],
        ["LoRA for SDXL", "2000", "gpu-l40s", "45 to 90", "2.63 to 5.27", "-"],
        ["full fine-tuning", "5000", "gpu-a100-large", "240 to 720", "20.16 to 60.48", "-"],
        ["flux-dev-lora-trainer", "1000", "its own", "20 to 30", "1.83 to 2.75", "350"],
        ["flux-dev-lora-trainer", "2000", "its own", "40 to 60", "3.66 to 5.49", "700"],
    ]


def test_costs_as_json(cent: Counter) -> None:
    """Money is in micros, and each number has its name."""
    printed = json.loads(cent.call("catalog", "costs", "--json").out)
    assert printed["credit_usd_micros"] == CENT
    assert next(line for line in printed["models"] if line["model"] == "flux-dev") == {
        "model": "flux-dev",
        "credits": 2,
        "credits_per": "output",
        "cost_usd_micros": 25_000,
        "bounded": True,
        "sold_usd_micros": 20_000,
        "margin_percent": -25,
        "least_percent": 0,
        "needed_credits": 3,
        "not_offered_to": ["basic", "premium"],
        "loss_reason": None,
    }
    assert printed["trainings"][0]["most_usd_micros"] == 3_510_000


def test_health_shows_the_arithmetic_to_operators(cent: Counter, unset: Counter) -> None:
    """A model below its margin is no failure. The JSON is that of the HTTP route, without it."""
    cent.operations.answers = {"settings": "ok", "margins": "ok, 1 model below its margin"}
    called = cent.call("health")
    assert called.code == 0
    assert re.search(
        r"^basic +flux-dev +costs 0\.025000 USD at worst, 2 credits sell for 0\.020000: -25 %, at least 0 % +no$",
        called.out,
        re.MULTILINE,
    )
    assert json.loads(cent.call("health", "--json").out) == dict(cent.operations.answers)
    unset.operations.settings = replace(unset.operations.settings, credit_usd_micros=0)
    assert "flux-dev" not in unset.call("health").out


def test_the_price_of_a_credit_is_a_setting(counter: Counter) -> None:
    """It is listed with its shape, and a wrong one is malformed."""
    listed = counter.call("settings", env=ENV | {"CREDIT_USD": "free"}).out
    assert re.search(r"^CREDIT_USD +malformed +USD above 0 .*such as 0\.01$", listed, re.MULTILINE)
