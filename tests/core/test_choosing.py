"""Which model serves a request, which follow it, and how much is held, on small catalogues."""

from dataclasses import replace
from typing import Any

import pytest

from dev.fakes.catalogs import IMAGE, REAL, REAL_PLANS, REQUEST, SECONDS, SEED, TEXT, VERSION, catalog, model, plans_of
from shared.core.catalog.catalog import Catalog, CreditsPer, asked, calculate_cost, unit_credits, worst_case_credits
from shared.core.catalog.choosing import Quote, quote
from shared.core.catalog.tiers import Tier
from shared.core.events.generation_event import ChosenBy, PassedOver
from shared.core.money.plans import Plans
from shared.core.reasons import Reason, Refusal

PICTURE = "https://pictures.example/cat.png"
FILE = {"type": "audio", "field": "input_file"}

MODELS: dict[str, Any] = {
    "plain": model(replicate="owner/plain"),
    "plain-too": model(replicate="owner/plain-too", credits=2),
    "good": model(
        {"prompt": TEXT, "image": IMAGE},
        replicate="owner/good:" + VERSION,
        tier="basic",
        quality="standard",
        credits=3,
        fallback=["plain"],
    ),
    "best": model(replicate="owner/best", tier="premium", quality="premium", credits=5, fallback=["good", "plain"]),
    "best-of-pictures": model(
        {"prompt": TEXT, "image": IMAGE | {"required": True}},
        replicate="owner/bop",
        tier="premium",
        quality="premium",
        credits=7,
    ),
    "old": model(replicate="owner/old", status="retired", successor="good", inputs={}),
    "older": model(replicate="owner/older", status="retired", successor="old", inputs={}),
    "secret": model(replicate="owner/secret", status="hidden"),
    "film": model(
        {"prompt": TEXT, "start": IMAGE, "duration": SECONDS},
        replicate="owner/film",
        modality="video",
        quality="standard",
        tier="basic",
        credits=20,
        credits_per="second",
        fallback=["short-film"],
    ),
    "short-film": model(
        {"prompt": TEXT}, replicate="owner/short-film", modality="video", quality="economy", tier="basic", credits=60
    ),
    "song": model(
        {"prompt": TEXT, "input_audio": FILE}, replicate="owner/song", modality="audio", credits=4, fallback=["hum"]
    ),
    "hum": model(replicate="owner/hum", modality="audio", credits=2),
    "chat": model(
        {"prompt": TEXT, "max_tokens": {"type": "whole", "from": 1, "to": 9000, "default": 1024}},
        replicate="owner/chat",
        modality="text",
        credits=2,
        credits_per="thousand_tokens",
    ),
}
CATALOG = catalog(MODELS)


def plans_for(of: Catalog = CATALOG) -> Plans:
    """The plans for one of the catalogues of this file, or for the app's own."""
    return REAL_PLANS if of is REAL else plans_of(of, image={"premium": "good"}, video="film")


def quoted(plan: str = "premium", of: Catalog = CATALOG, **said: Any) -> Quote:
    """The quote for a request."""
    result = quote(of, replace(REQUEST, **said), plans_for(of)[plan])
    assert isinstance(result, Quote), result
    return result


def refused(plan: str = "premium", of: Catalog = CATALOG, **said: Any) -> Refusal:
    """The refusal of a request."""
    result = quote(of, replace(REQUEST, **said), plans_for(of)[plan])
    assert isinstance(result, Refusal), result
    return result


# By name.


@pytest.mark.parametrize("name", ["good", "owner/good", f"owner/good:{VERSION}"])
def test_a_model_is_named_in_three_ways(name: str) -> None:
    """Our name, Replicate's name, and that with the version; the choice is reported as by name."""
    offer = quoted(model=name)
    assert (offer.model.name, offer.chosen_by, offer.passed_over) == ("good", ChosenBy.REQUEST, ())


@pytest.mark.parametrize("name", ["Good", "owner", "goo", "owner/good:", f"owner/good:{VERSION[::-1]}", "other/good"])
def test_what_is_no_name_is_unknown(name: str) -> None:
    """Names are not guessed, and another version is another model."""
    assert refused(model=name).reason is Reason.UNKNOWN_MODEL


@pytest.mark.parametrize("name", ["secret", "owner/secret"])
def test_a_hidden_model_is_unknown(name: str) -> None:
    """The refusal never reveals that the model exists, and does not suggest it for a similar name."""
    assert refused(model=name).reason is Reason.UNKNOWN_MODEL
    assert "secret" not in refused(model=name).text + refused(model="secre").text


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("flux-schnel", "flux-schnell"), ("Flux-Dev", "flux-dev"), ("black-forest-labs/flux-shnell", "flux-schnell")],
)
def test_a_refused_unknown_model_names_the_nearest(name: str, nearest: str) -> None:
    """The suggestion is our name, whichever name is similar; without a similar name there is none."""
    refusal = refused(of=REAL, model=name)
    assert refusal.reason is Reason.UNKNOWN_MODEL
    assert f" {nearest}" in refusal.text
    assert refused(of=REAL, model="zzzzzz") == Refusal.of(Reason.UNKNOWN_MODEL)


def test_a_named_model_is_in_the_plan_or_it_is_not() -> None:
    """The tier of a model is the lowest plan that may use it."""
    assert quoted("basic", model="good").model.name == "good"
    assert refused("free", model="good").reason is Reason.PLAN_TOO_LOW


def test_a_modality_may_not_contradict_the_model() -> None:
    """The refusal says what the model makes; the same modality is taken."""
    refusal = refused(model="film", modality="image")
    assert refusal == Refusal(Reason.INVALID_REQUEST, "modality must be video for film, or left out")
    assert quoted(model="film", modality="video").model.name == "film"


# Retired.


@pytest.mark.parametrize("name", ["old", "older", "owner/old"])
def test_a_retired_model_is_served_by_its_last_successor(name: str) -> None:
    """The result says so and names the skipped models; the fallbacks are the successor's."""
    offer = quoted(model=name)
    assert (offer.model.name, offer.chosen_by, offer.chain) == ("good", ChosenBy.SUCCESSOR, ("good", "plain"))
    assert offer.passed_over == (PassedOver(name.removeprefix("owner/"), Reason.MODEL_RETIRED),)


def test_a_retired_model_is_refused_where_no_fallback_is_allowed() -> None:
    """The text names the successor."""
    refusal = refused(model="older", allow_fallback=False)
    assert refusal.reason is Reason.MODEL_RETIRED
    assert "older" in refusal.text
    assert "good" in refusal.text


def test_a_successor_beyond_the_plan_is_not_offered() -> None:
    """A successor may cost more than the named model, but must be in the user's plan."""
    assert quoted("basic", model="old").model.name == "good"
    assert refused("free", model="old").reason is Reason.PLAN_TOO_LOW


def test_the_successor_takes_the_request_or_says_why_not() -> None:
    """It was not named by the user, so it must use every field."""
    begin = "old is no longer offered, and for good in its place: "
    assert refused(model="old", num_outputs=2).text == f"{begin}num_outputs must be 1 for good"
    assert refused(model="old", seed=7).text == f"{begin}seed is not taken by good: leave it out"


# By plan, modality and quality.


@pytest.mark.parametrize(
    ("plan", "said", "name"),
    [
        ("free", {}, "plain"),
        ("premium", {}, "good"),
        ("premium", {"modality": "image"}, "good"),
        ("basic", {"modality": "video"}, "film"),
        ("free", {"modality": "audio"}, "song"),
        ("free", {"modality": "text"}, "chat"),
    ],
)
def test_the_plan_decides_where_nothing_is_named(plan: str, said: dict[str, Any], name: str) -> None:
    """The result is a picture unless the request names a modality."""
    offer = quoted(plan, **said)
    assert (offer.model.name, offer.chosen_by) == (name, ChosenBy.PLAN)
    assert offer.model is CATALOG.get_model_for_plan(plans_for()[plan], said.get("modality", "image"))


def test_a_plan_in_which_a_modality_has_nothing_is_too_low() -> None:
    """The modality is offered in a higher plan, which is another refusal than not offered at all."""
    assert CATALOG.get_model_for_plan(plans_for()["free"], "video") is None
    assert refused("free", modality="video").reason is Reason.PLAN_TOO_LOW
    assert refused("free", modality="video", quality="economy").reason is Reason.PLAN_TOO_LOW


def test_a_modality_of_which_there_is_nothing_is_said_so() -> None:
    """This holds even if only a destination shows that it is a training."""
    text = "nothing of the modality training is offered here"
    assert refused(modality="training") == Refusal(Reason.INVALID_REQUEST, text)
    assert refused(destination="ada/lora") == Refusal(Reason.INVALID_REQUEST, text)


@pytest.mark.parametrize(
    ("plan", "said", "name"),
    [
        ("premium", {"quality": "economy"}, "plain"),
        ("premium", {"quality": "standard"}, "good"),
        ("premium", {"quality": "premium"}, "best"),
        ("basic", {"quality": "standard", "modality": "video"}, "film"),
        ("basic", {"quality": "economy", "modality": "video"}, "short-film"),
        ("free", {"quality": "economy", "modality": "audio"}, "hum"),
    ],
)
def test_a_quality_is_the_cheapest_of_its_class(plan: str, said: dict[str, Any], name: str) -> None:
    """This holds in each modality."""
    offer = quoted(plan, **said)
    assert (offer.model.name, offer.chosen_by) == (name, ChosenBy.QUALITY)


def test_the_cheapest_is_the_one_that_can_do_it() -> None:
    """A dearer model that takes the picture or the number of outputs precedes a cheaper one that does not."""
    assert quoted(quality="premium", image_url=PICTURE).model.name == "best-of-pictures"
    assert quoted("free", quality="economy", modality="audio", input_file="ada/ada/a.wav").model.name == "song"


def test_what_none_of_the_class_can_do_is_refused_by_its_field() -> None:
    """The refusal names the nearest value and the model for it, and not "no model"."""
    refusal = refused(quality="premium", num_outputs=2)
    text = "num_outputs cannot be 2: the nearest is 1, by best"
    assert refusal == Refusal(Reason.INVALID_REQUEST, text)


def test_a_quality_beyond_the_plan_is_too_high() -> None:
    """The quality exists, but not for this user."""
    assert refused("basic", quality="premium").reason is Reason.PLAN_TOO_LOW


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ({"quality": "best"}, "quality must be one of economy, standard, premium"),
        ({"quality": "premium", "modality": "video"}, "quality must be one of economy, standard"),
        ({"quality": "standard", "modality": "text"}, "quality must be one of economy"),
    ],
)
def test_a_quality_that_a_modality_has_not_is_refused(said: dict[str, Any], text: str) -> None:
    """The text lists the qualities that the modality has."""
    assert refused(**said) == Refusal(Reason.INVALID_REQUEST, text)


def test_a_picture_goes_to_a_model_that_takes_it() -> None:
    """The plan's own model would ignore it; if no model takes it, the request is refused."""
    assert quoted("basic", image_url=PICTURE).model.name == "good"
    assert quoted("basic", image_url=PICTURE).chosen_by is ChosenBy.PLAN
    text = "image_url is not taken by any model that could serve this: leave it out"
    assert refused("free", image_url=PICTURE).text == f"{text}; with a plan of the tier basic, good takes it as it is"


def test_the_plans_own_model_gives_way_to_one_that_takes_the_request() -> None:
    """The request named no model, so another one may serve it."""
    longer = MODELS | {"long": model(replicate="owner/long", credits=9, prompt_characters=[1, 9000])}
    assert quoted(of=catalog(longer), prompt="x" * 600).model.name == "long"


def test_the_cheapest_is_asked_for_directly_too() -> None:
    """Models compare by one usual output: 20 credits a second for five seconds are more than 60."""
    films = catalog(MODELS | {"short-film": MODELS["short-film"] | {"quality": "standard"}})
    cheap = films.cheapest("video", "standard")
    assert cheap is not None
    assert cheap.name == "short-film"
    assert films.cheapest("video", "standard", Tier.BASIC) is cheap
    assert films.cheapest("video", "standard", Tier.FREE) is None
    assert films.cheapest("image", "none") is None


def test_a_seed_of_the_users_is_taken_or_refused_as_it_is() -> None:
    """Another seed makes another picture, so the model that takes the seed serves."""
    narrow = {"prompt": TEXT, "seed": {"type": "whole", "from": 1, "to": 99}}
    wide = {"prompt": TEXT, "seed": SEED}
    models = {"narrow": model(narrow, replicate="owner/narrow"), "wide": model(wide, replicate="o/wide", credits=2)}
    refusal = refused(of=catalog(models), model="narrow", seed=100)
    assert refusal == Refusal(Reason.INVALID_REQUEST, "seed must be from 1 to 99 for narrow")
    assert quoted(of=catalog(models), model="narrow", seed=99).model.name == "narrow"
    assert quoted(of=catalog(models), seed=99).model.name == "narrow"
    assert quoted(of=catalog(models)).model.name == "narrow"
    assert quoted(of=catalog(models), seed=100).model.name == "wide"


# The chain.


def test_a_chain_is_the_models_own() -> None:
    """Its fallbacks come in its order, and their own fallbacks are not followed."""
    assert quoted(model="best").chain == ("best", "good", "plain")
    assert quoted(model="plain").chain == ("plain",)


def test_a_chain_keeps_what_was_asked() -> None:
    """A fallback that would ignore the picture, the sound or any other field is left out."""
    assert quoted(model="film", duration_s=5).chain == ("film",)
    assert quoted(model="film", image_url=PICTURE).chain == ("film",)
    assert quoted(model="film").chain == ("film", "short-film")
    assert quoted(model="song", input_file="ada/ada/a.wav").chain == ("song",)
    assert quoted(model="song").chain == ("song", "hum")


def test_a_chain_leaves_out_what_is_hidden_or_retired_since() -> None:
    """An operator hides a model with one line, even where it is a fallback."""
    few = {name: MODELS[name] for name in ("plain", "good", "best")}
    for gone in ({"status": "hidden"}, {"status": "retired", "successor": "plain"}):
        without = catalog(few | {"good": MODELS["good"] | gone})
        assert quoted(of=without, model="best").chain == ("best", "plain")


# What it costs.


def test_the_guides_example_costs_what_it_says() -> None:
    """Four pictures of flux-1.1-pro are 20 credits."""
    assert calculate_cost(REAL.models["flux-1.1-pro"], 4) == 20


@pytest.mark.parametrize(
    ("name", "said", "credits"),
    [
        ("plain", {}, 1),
        ("film", {}, 100),
        ("film", {"duration_s": 9}, 180),
        ("chat", {}, 4),
        ("chat", {"max_tokens": 1}, 2),
        ("chat", {"max_tokens": 1000}, 2),
        ("chat", {"max_tokens": 1001}, 4),
        ("chat", {"max_tokens": 9000}, 18),
    ],
)
def test_credits_are_counted_by_what_was_asked(name: str, said: dict[str, Any], credits: int) -> None:  # noqa: A002
    """Seconds and begun thousands of tokens count, else the model's own default."""
    assert quoted(model=name, **said).hold_credits == credits


def test_each_count_has_its_case() -> None:
    """A training counts by begun hundreds of steps, and at least one."""
    steps = {"type": "whole", "field": "training_steps", "from": 1, "to": 6000, "default": 1000}
    trainer = model(
        {"a": {"type": "archive", "field": "input_file"}, "steps": steps},
        modality="training",
        replicate="owner/trainer:" + VERSION,
        credits=35,
        credits_per="hundred_steps",
        output="version",
    )
    made = catalog({"trainer": trainer}).models["trainer"]
    assert [unit_credits(made, replace(REQUEST, training_steps=count)) for count in (None, 1, 100, 101)] == [
        350,
        35,
        35,
        70,
    ]
    assert set(CreditsPer) == {"output", "second", "thousand_tokens", "hundred_steps"}


def test_a_field_that_a_model_does_not_have_is_not_counted() -> None:
    """100 tokens asked of a picture model cost one picture."""
    assert asked(CATALOG.models["plain"], replace(REQUEST, max_tokens=100), "max_tokens") == 0
    assert quoted(model="plain", max_tokens=100).hold_credits == 1


def test_the_hold_is_the_dearest_of_the_chain() -> None:
    """This holds even if the dearest model is the last one and counts in another unit."""
    offer = quoted(model="film")
    links = tuple(CATALOG.models[name] for name in offer.chain)
    assert offer.hold_credits == worst_case_credits(links, REQUEST, 1) == 100
    dear = catalog(MODELS | {"short-film": MODELS["short-film"] | {"credits": 500}})
    assert quoted(of=dear, model="film").hold_credits == 500


def test_the_limit_shortens_the_chain_and_so_the_hold() -> None:
    """A dearer fallback is left out, a dearer first model is refused, and a price equal to the limit is taken."""
    dear = catalog(MODELS | {"short-film": MODELS["short-film"] | {"credits": 500}})
    offer = quoted(of=dear, model="film", max_credits=100)
    assert (offer.chain, offer.hold_credits) == (("film",), 100)
    assert refused(of=dear, model="film", max_credits=99).reason is Reason.OVER_LIMIT


def test_the_limit_counts_all_outputs() -> None:
    """Two pictures at one credit each count as two credits."""
    several = catalog(
        {"m": model({"prompt": TEXT, "num_outputs": {"type": "whole", "from": 1, "to": 4}}, replicate="owner/m")}
    )
    assert quoted(of=several, num_outputs=2, max_credits=2).hold_credits == 2
    assert refused(of=several, num_outputs=2, max_credits=1).reason is Reason.OVER_LIMIT
