"""The plans: what their file may say, what an account has by its plan, and what a mistake in the file is called."""

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dev.fakes.catalogs import CORE, REAL, REAL_PLANS, REQUEST, catalog, model
from shared.core.catalog.catalog import Quote, Status, quote
from shared.core.catalog.plans_file import MOST_LIMITS, build_plans, parse_plans
from shared.core.catalog.reading import CatalogError
from shared.core.catalog.tiers import Tier
from shared.core.events.generation_event import ChosenBy
from shared.core.money.allowance import Allowance, Period
from shared.core.money.limits import Effect, Limit, Scope, Unit
from shared.core.money.plans import Plan, Plans
from shared.core.money.windows import Span
from shared.core.reasons import Reason, Refusal

CATALOG = catalog(
    {
        "small": model(),
        "large": model(replicate="owner/large", tier="premium"),
        "film": model(replicate="owner/film", modality="video", tier="basic"),
        "gone": model(replicate="owner/gone", status="hidden"),
    }
)
PLAN = {"tier": "free", "default_models": {"image": "small"}}
LIMIT = {"window": "day", "unit": "credits", "amount": 100, "effect": "block", "scope": "account"}
ALLOWANCE = {"credits": 500, "period": "monthly", "rollover_credits": 100}


def built(plan: Any = None, **more: Any) -> Plans:
    """The plans of a file with one plan, ``one``."""
    tables = {"one": PLAN if plan is None else plan}
    return build_plans({"default": "one", "plans": tables} | more, "mine.toml", CATALOG)


def wrong(plan: Any = None, **more: Any) -> str:
    """The error about a file with one plan."""
    with pytest.raises(CatalogError) as caught:
        built(plan, **more)
    return str(caught.value)


# Tiers.


def test_tiers_are_ordered_and_named() -> None:
    """A tier includes those below it, and the refusal of an unknown name lists the tiers."""
    assert Tier.FREE < Tier.BASIC < Tier.PREMIUM
    assert Tier.named("premium") is Tier.PREMIUM
    with pytest.raises(ValueError, match="free, basic, premium"):
        Tier.named("gold")


# The plans of the app.


def test_the_plans_of_the_guides_come_with_the_app() -> None:
    """Each has the tier of its name and the guides' default image; none has an allowance, a limit or a bound."""
    assert {name: (plan.tier, plan.default_models["image"]) for name, plan in REAL_PLANS.items()} == {
        "free": (Tier.FREE, "flux-schnell"),
        "basic": (Tier.BASIC, "flux-dev"),
        "premium": (Tier.PREMIUM, "flux-1.1-pro"),
    }
    assert REAL_PLANS.default == "free"
    for plan in REAL_PLANS.values():
        assert (plan.allowance, plan.limits, plan.concurrency, plan.weight) == (None, (), None, 1)


@pytest.mark.parametrize("name", REAL_PLANS)
def test_the_default_of_a_plan_serves_at_its_own_price(name: str) -> None:
    """A request that names neither model nor quality is served by it, for every modality."""
    plan = REAL_PLANS[name]
    for modality, default in plan.default_models.items():
        needs = (
            {"prompt": "", "input_file": "ada/ada/a.zip", "destination": "ada/lora"} if modality == "training" else {}
        )
        offer = quote(REAL, replace(REQUEST, modality=modality, **needs), plan)  # type: ignore[arg-type]
        assert isinstance(offer, Quote), offer
        assert (offer.model.name, offer.chosen_by, offer.plan) == (default, ChosenBy.PLAN, name)


# Which plan an account has.


def test_an_account_without_a_plan_has_the_default_plan() -> None:
    """An empty name is the default plan; any other name is the plan of that name."""
    assert REAL_PLANS.find("") is REAL_PLANS["free"]
    assert REAL_PLANS.find("basic") is REAL_PLANS["basic"]


@pytest.mark.parametrize("name", ["gold", "Free", " free", "premium "])
def test_an_unknown_name_is_no_plan(name: str) -> None:
    """It never stands for another plan."""
    assert REAL_PLANS.find(name) is None


def test_two_plans_of_a_tier_may_have_other_defaults() -> None:
    """The plan decides, and the tier only says what is included."""
    two = {"one": PLAN, "two": {"tier": "premium", "default_models": {"image": "large", "video": "film"}}}
    three = {**two, "three": {"tier": "premium", "default_models": {"image": "small", "video": "film"}}}
    plans = build_plans({"default": "one", "plans": three}, "mine.toml", CATALOG)
    chosen = {name: quote(CATALOG, REQUEST, plan) for name, plan in plans.items()}
    assert {name: offer.model.name for name, offer in chosen.items() if isinstance(offer, Quote)} == {
        "one": "small",
        "two": "large",
        "three": "small",
    }
    assert quote(CATALOG, replace(REQUEST, model="large"), plans["one"]) == Refusal.of(Reason.PLAN_TOO_LOW)
    assert isinstance(quote(CATALOG, replace(REQUEST, model="large"), plans["three"]), Quote)


# Reading.


def test_every_field_of_a_plan_is_read() -> None:
    """Each value arrives under its own name."""
    user = LIMIT | {"scope": "user", "window": "rolling_24h", "unit": "usd_micros", "effect": "warn", "amount": 7}
    whole = PLAN | {
        "allowance": ALLOWANCE,
        "limits": [LIMIT, user],
        "concurrency": 4,
        "weight": 3,
        "min_margin_percent": 20,
    }
    read = built(whole, version="mine")
    assert (read.version, read.default, list(read), len(read)) == ("mine", "one", ["one"], 1)
    assert read["one"] == Plan(
        name="one",
        tier=Tier.FREE,
        default_models={"image": "small"},
        allowance=Allowance(credits=500, period=Period.MONTHLY, rollover_credits=100),
        limits=(
            Limit(
                limit_id="plan-day-credits-block",
                window=Span.DAY,
                unit=Unit.CREDITS,
                amount=100,
                effect=Effect.BLOCK,
                scope=Scope.ACCOUNT,
            ),
            Limit(
                limit_id="plan-rolling_24h-usd_micros-warn",
                window=Span.ROLLING_24H,
                unit=Unit.USD,
                amount=7,
                effect=Effect.WARN,
                scope=Scope.USER,
            ),
        ),
        concurrency=4,
        weight=3,
        min_margin_percent=20,
    )
    assert {item.name for item in fields(Plan)} == {"name", *whole}


def test_what_is_not_said_has_its_default() -> None:
    """No allowance, no limit, no bound, weight 1; unused credits expire; a limit is the account's."""
    read = built()["one"]
    assert (read.allowance, read.limits, read.concurrency, read.weight) == (None, (), None, 1)
    granted = built(PLAN | {"allowance": {"credits": 1, "period": "weekly"}})["one"].allowance
    assert granted == Allowance(credits=1, period=Period.WEEKLY, rollover_credits=0)
    limit = {name: value for name, value in LIMIT.items() if name != "scope"}
    assert built(PLAN | {"limits": [limit]})["one"].limits[0].scope is Scope.ACCOUNT


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"tier": "gold"}, "tier: must be one of free, basic, premium"),
        ({"tier": None}, "tier: must be one of free, basic, premium"),
        ({"tier": 0}, "tier: must be one of free, basic, premium"),
        (
            {"price": 5},
            "price: is not known; known are allowance, concurrency, default_models, limits, min_margin_percent, tier",
        ),
        ({"default_models": "small"}, "default_models: must be a table"),
        ({"default_models": {"images": "small"}}, "default_models, images: is not known; known are audio, image"),
        ({"default_models": {}}, "default_models.image: must be one of small (offered, and in the tier free"),
        ({"default_models": {"image": "gone"}}, "default_models.image: must be one of small (offered"),
        ({"default_models": {"image": "flux-0"}}, "default_models.image: must be one of small (offered"),
        ({"default_models": {"image": "large"}}, "default_models.image: must be one of small (offered"),
        ({"default_models": {"image": ["small"]}}, "default_models.image: must be one of small (offered"),
        ({"default_models": {"image": "film"}, "tier": "basic"}, "default_models.image: must be one of small (offered"),
        ({"tier": "basic"}, "default_models.video: must be one of film (offered, and in the tier basic or below)"),
        (
            {"default_models": {"image": "small", "audio": "small"}},
            "default_models.audio: must be left out, as there is none (offered",
        ),
        ({"allowance": 500}, "allowance: must be a table"),
        ({"allowance": ALLOWANCE | {"credits": 0}}, "allowance, credits: must be a whole number from 1 to 1000000000"),
        ({"allowance": ALLOWANCE | {"credits": True}}, "allowance, credits: must be a whole number from 1"),
        ({"allowance": ALLOWANCE | {"credits": 5.0}}, "allowance, credits: must be a whole number from 1"),
        ({"allowance": ALLOWANCE | {"credits": 2**63}}, "allowance, credits: must be a whole number from 1"),
        ({"allowance": {"period": "weekly"}}, "allowance, credits: must be a whole number from 1"),
        ({"allowance": ALLOWANCE | {"period": "daily"}}, "allowance, period: must be one of monthly, weekly"),
        ({"allowance": {"credits": 5}}, "allowance, period: must be one of monthly, weekly"),
        ({"allowance": ALLOWANCE | {"rollover_credits": -1}}, "allowance, rollover_credits: must be a whole number"),
        ({"allowance": ALLOWANCE | {"unused": "expires"}}, "allowance, unused: is not known; known are credits"),
        ({"limits": LIMIT}, "limits: must be a list of at most 32 tables"),
        ({"limits": [LIMIT] * (MOST_LIMITS + 1)}, "limits: must be a list of at most 32 tables"),
        ({"limits": [7]}, "limit 1: must be a table of window, unit, amount, effect, scope"),
        ({"limits": [LIMIT | {"window": "year"}]}, "limit 1, window: must be one of hour, day, week, month, rolling_2"),
        ({"limits": [LIMIT | {"unit": "usd"}]}, "limit 1, unit: must be one of credits, usd_micros"),
        ({"limits": [LIMIT | {"effect": "stop"}]}, "limit 1, effect: must be one of warn, block, approve"),
        ({"limits": [LIMIT | {"scope": "app"}]}, "limit 1, scope: must be one of account, user"),
        ({"limits": [LIMIT | {"amount": 0}]}, "limit 1, amount: must be a whole number from 1 to 1000000000, not 0"),
        ({"limits": [LIMIT | {"amount": False}]}, "limit 1, amount: must be a whole number"),
        ({"limits": [LIMIT | {"amount": 1.5}]}, "limit 1, amount: must be a whole number"),
        (
            {"limits": [LIMIT | {"unit": "usd_micros", "amount": 10**12 + 1}]},
            "limit 1, amount: must be a whole number from 1 to 1000000000000",
        ),
        ({"limits": [LIMIT | {"name": "a"}]}, "limit 1, name: is not known; known are amount, effect, scope, unit, w"),
        ({"limits": [LIMIT, LIMIT | {"amount": 5}]}, "limit 2: day, credits, block, account is there twice"),
        ({"concurrency": 0}, "concurrency: must be a whole number from 1 to 100000, not 0"),
        ({"concurrency": True}, "concurrency: must be a whole number from 1"),
        ({"weight": 0}, "weight: must be a whole number from 1 to 1000, not 0"),
        ({"weight": 1.0}, "weight: must be a whole number from 1 to 1000, not 1.0"),
    ],
)
def test_a_mistake_in_a_plan_names_plan_field_and_what_is_allowed(changes: dict[str, Any], named: str) -> None:
    """The operator finds the place, and what to write there, from the error alone."""
    table = {name: value for name, value in {**PLAN, **changes}.items() if value is not None}
    said = wrong(table)
    assert said.startswith(f"mine.toml: plan one, {named}"), said


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"plans": {}}, "mine.toml: no plan in it"),
        ({"plans": [PLAN]}, "mine.toml, plans: must be a table"),
        ({"plans": {"one": 7}}, "mine.toml: plan one: must be a table"),
        ({"default": "two"}, "mine.toml, default: must be one of one"),
        ({"default": None}, "mine.toml, default: must be one of one"),
        ({"default": ["one"]}, "mine.toml, default: must be one of one"),
        ({"tiers": {}}, "mine.toml, tiers: is not known; known are default, plans, replace, version"),
    ],
)
def test_a_mistake_in_the_file_is_named(more: dict[str, Any], said: str) -> None:
    """Also where no plan is at fault."""
    assert wrong(**more) == said


@pytest.mark.parametrize("name", ["", "Gold", "two words", "-a", "_a", "a" * 65, "a/b", "größe", "a\n"])
def test_a_plans_name_is_one_that_every_row_and_command_line_can_hold(name: str) -> None:
    """Another name is refused by a sentence that says the rule."""
    assert "its name must be 1 to 64 small letters, digits, - or _" in wrong(plans={name: PLAN})


@pytest.mark.parametrize("name", ["a", "pro-2026", "team_xl", "9", "a" * 64])
def test_names_at_the_bound_are_taken(name: str) -> None:
    """From one character to 64."""
    assert list(built(plans={name: PLAN}, default=name)) == [name]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=5,
)


def said_of(plan: Any) -> str:
    """The error about a plan, or nothing."""
    try:
        built(plan)
    except CatalogError as error:
        return str(error)
    return ""


@given(st.sampled_from([*PLAN, "allowance", "limits", "concurrency", "weight", "other"]), _JSON)
def test_nothing_in_a_field_breaks_the_reader(field: str, value: Any) -> None:
    """Any value gives a plan, or an error that names the plan."""
    assert said_of(PLAN | {field: value})[:19] in ("", "mine.toml: plan one")


# A file laid over ours.

OURS = (CORE / "catalog" / "plans.toml").read_text(encoding="utf-8")


def overlaid(over: str) -> Plans:
    """The app's plans with another file laid over them."""
    return parse_plans(OURS, REAL, "plans.toml", over, "mine.toml")


def test_a_plan_is_changed_in_two_lines() -> None:
    """Everything else stays: its other fields, and the other plans."""
    after = overlaid("[plans.basic]\nconcurrency = 4\n")
    assert after["basic"] == replace(REAL_PLANS["basic"], concurrency=4)
    assert {**after, "basic": REAL_PLANS["basic"]} == dict(REAL_PLANS)
    assert (after.version, after.default) == (REAL_PLANS.version, "free")


def test_a_default_model_is_changed_alone() -> None:
    """The plan's other modalities keep theirs."""
    after = overlaid('[plans.premium.default_models]\nimage = "flux-dev"\n')
    assert after["premium"].default_models == {**REAL_PLANS["premium"].default_models, "image": "flux-dev"}


def test_own_plans_stand_alone_where_the_file_says_so() -> None:
    """With ``replace = true`` nothing of ours stays. That is how a plan is removed."""
    own = OURS.replace("plans.premium", "plans.gold").replace('version = "2026-11-28"', "replace = true")
    assert list(overlaid(own)) == ["free", "basic", "gold"]


@pytest.mark.parametrize(
    ("over", "said"),
    [
        ("[plans.basic]\nweight = 0\n", "mine.toml: plan basic, weight: must be"),
        ("[plans.gold]\nweight = 2\n", "mine.toml: plan gold, tier: must be one of"),
        ("[plans.gold", "mine.toml: not TOML"),
        ("replace = true\n", "mine.toml: no plan in it"),
    ],
)
def test_a_mistake_in_the_upper_file_is_said_of_it(over: str, said: str) -> None:
    """The error names the operator's own file."""
    with pytest.raises(CatalogError) as caught:
        overlaid(over)
    assert str(caught.value).startswith(said)


def test_a_hidden_default_is_named() -> None:
    """A catalogue that hides a plan's default model needs other plans."""
    hidden = replace(REAL, models={**REAL.models, "flux-dev": replace(REAL.models["flux-dev"], status=Status.HIDDEN)})
    with pytest.raises(CatalogError, match=r"^plans.toml: plan basic, default_models.image: must be one of flux-schn"):
        parse_plans(OURS, hidden)


# The digest.

CHANGES: dict[str, Callable[[Plan], Plan]] = {
    "tier": lambda plan: replace(plan, tier=Tier.BASIC),
    "default model": lambda plan: replace(plan, default_models={"image": "other"}),
    "allowance": lambda plan: replace(plan, allowance=Allowance(credits=1, period=Period.WEEKLY)),
    "concurrency": lambda plan: replace(plan, concurrency=1),
    "weight": lambda plan: replace(plan, weight=2),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_digest_changes_with_every_value(change: str) -> None:
    """A version that nobody raised hides no change."""
    plans = built()
    changed = replace(plans, plans={"one": CHANGES[change](plans["one"])})
    assert changed.version == plans.version
    assert len(plans.digest) == 16
    assert changed.digest != plans.digest
    assert built().digest == plans.digest


def test_the_order_of_the_plans_is_no_part_of_the_digest() -> None:
    """The default plan is."""
    two = {"one": PLAN, "two": PLAN}
    there = build_plans({"default": "one", "plans": two}, "mine.toml", CATALOG)
    back = build_plans({"default": "one", "plans": dict(reversed(two.items()))}, "mine.toml", CATALOG)
    assert there.digest == back.digest
    assert replace(there, default="two").digest != there.digest
