"""The catalogue that comes with the app, checked against rules that its reader cannot check."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from dev.fakes.catalogs import REAL, REAL_PLANS
from shared.core.catalog.catalog import COUNTED, QUALITIES, Model, Status, calculate_cost
from shared.core.catalog.choosing import Quote, quote
from shared.core.catalog.mapping import Mapped, inputs_of
from shared.core.keys import Key
from shared.core.modality import InputKind, Modality
from shared.core.money.pricing import Unit
from shared.core.reasons import Refusal
from shared.core.requests.fields import MODALITIES
from shared.core.requests.messages import GenerationRequest

ACTIVE = [model for model in REAL.models.values() if model.status is Status.ACTIVE]
RETIRED = [model for model in REAL.models.values() if model.status is Status.RETIRED]

#: The quality classes of which a modality has nothing, knowingly: no sound is better than MusicGen's here, and nothing
#: trains for less than the trainer.
ABSENT = {"audio": {"premium"}, "training": {"economy", "premium"}}

#: Whose version may be deleted or changed under the same name: Replicate runs these by their version only.
COMMUNITY = {
    "sdxl",
    "flux-dev-trained",
    "playground-v2.5",
    "musicgen",
    "bark",
    "llama-guard-3-8b",
    "llama-guard-3-11b-vision",
    "stable-diffusion",
    "stable-diffusion-inpainting",
    "flux-dev-lora-trainer",
    "svd-christophy",
}

#: What a credit is sold for at least, in USD micros; and what it must bring for a model that the guide priced itself.
CREDIT_USD_MICROS = 10_000
DEARER_CREDIT_USD_MICROS = {"flux-dev": 12_500}

#: The most that one output needs of the machine, in seconds; MusicGen for one second of music, a trainer for a step.
GPU_SECONDS = {
    # 12 s is the longest that one megapixel in 50 steps was seen to take (0.012 USD); 1.8 megapixels can be asked for.
    "sdxl": 22,
    # The same kind of model, not measured.
    "playground-v2.5": 22,
    # 0.25 USD for 90 s, 0.80 USD for 300 s: two seconds for one, and half as much again.
    "musicgen": 3,
    # What the longest of SDXL takes for as many pixels; they are smaller models, on a machine that is no slower.
    "stable-diffusion": 12,
    "stable-diffusion-inpainting": 12,
    # 13 s of speech; not measured on Replicate.
    "bark": 45,
    # 30 minutes for 1,000 steps is the longest reported time: per step.
    "flux-dev-lora-trainer": 1.8,
}

PICTURE = "https://app.example/in.png"

#: Megapixels of the picture that goes in; larger ones are the app's risk, as the catalogue says.
INPUT_MEGAPIXELS = 1


def request_for(model: Model) -> GenerationRequest:
    """A plain request that names the model and has what its modality requires."""
    return GenerationRequest(
        key=Key("ada", "one"),
        prompt="A lighthouse at night" if takes(model, "prompt") else "",
        model=model.name,
        image_url=PICTURE if takes(model, "image_url") else None,
        input_file="ada/ada/in.zip" if takes(model, "input_file") else None,
        destination="ada/lora" if model.modality == "training" else None,
    )


def takes(model: Model, field: str) -> bool:
    """Whether a field of a request fills an input of the model."""
    return any(item.field == field for item in model.inputs.values())


def named(model: Model) -> str:
    """The id of a test case for one model."""
    return model.name


@pytest.mark.parametrize("modality", MODALITIES)
def test_every_plan_has_a_default_of_every_modality(modality: str) -> None:
    """The plan may use its default."""
    for plan in REAL_PLANS.values():
        default = REAL.get_model_for_plan(plan, modality)
        assert default is not None
        assert default.status is Status.ACTIVE
        assert default.tier <= plan.tier


@pytest.mark.parametrize("modality", MODALITIES)
def test_every_quality_class_is_there_or_absent_knowingly(modality: str) -> None:
    """A missing class is listed, so that no request for one is refused by accident."""
    has = {model.quality for model in REAL.offered(modality)}
    assert set(QUALITIES) - has == ABSENT.get(modality, set())


@pytest.mark.parametrize("model", ACTIVE, ids=named)
def test_a_chain_leads_down(model: Model) -> None:
    """Fallbacks are no better and need no higher plan than the first model, and no chain is a circle."""
    links = [REAL.models[name] for name in model.fallback]
    ranks = [QUALITIES.index(link.quality) for link in (model, *links)]
    assert ranks == sorted(ranks, reverse=True)
    assert all(link.tier <= model.tier for link in links)
    assert len({model.name, *model.fallback}) == 1 + len(model.fallback)
    assert model.name not in reached(model)


def reached(model: Model) -> set[str]:
    """The names of all fallbacks of a model, and of their fallbacks."""
    found: set[str] = set()
    waiting = list(model.fallback)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += REAL.models[name].fallback
    return found


@pytest.mark.parametrize("model", RETIRED, ids=named)
def test_a_retired_model_ends_at_one_that_its_users_may_use(model: Model) -> None:
    """The last successor is active, of the same modality and in no higher tier, under both names of the model."""
    successor_of = REAL.successor_of(model)
    assert successor_of.status is Status.ACTIVE
    assert successor_of.modality == model.modality
    assert successor_of.tier <= model.tier
    assert REAL.find(model.target) is model
    result = quote(REAL, replace(request_for(successor_of), model=model.name), REAL_PLANS[model.tier.label])
    if model.modality == "training":  # another trainer makes another version: its successor is only named
        assert isinstance(result, Refusal)
        assert successor_of.name in result.text
        return
    assert isinstance(result, Quote)
    assert result.model is successor_of


def test_what_guides_name_is_there() -> None:
    """Each name is Replicate's own, and is active, hidden or retired, never unknown."""
    guides = {
        "black-forest-labs/flux-schnell": Status.ACTIVE,
        "black-forest-labs/flux-dev": Status.ACTIVE,
        "black-forest-labs/flux-1.1-pro": Status.ACTIVE,
        "black-forest-labs/flux-1.1-pro-ultra": Status.ACTIVE,
        "stability-ai/sdxl": Status.ACTIVE,
        "stability-ai/stable-diffusion-3.5-large": Status.ACTIVE,
        "playgroundai/playground-v2.5-1024px-aesthetic": Status.ACTIVE,
        "minimax/video-01": Status.ACTIVE,
        "runwayml/gen4-turbo": Status.ACTIVE,
        "meta/musicgen": Status.ACTIVE,
        "suno-ai/bark": Status.ACTIVE,
        "meta/meta-llama-3-70b-instruct": Status.ACTIVE,
        "ostris/flux-dev-lora-trainer": Status.ACTIVE,
        "meta/llama-guard-3-8b": Status.HIDDEN,
        "meta/meta-llama-3.1-405b-instruct": Status.RETIRED,
        "luma/ray": Status.RETIRED,
        "stability-ai/stable-video-diffusion": Status.RETIRED,
        "simpletuner/advanced-trainer": Status.RETIRED,
    }
    found = {name: REAL.find(name) for name in guides}
    assert {name: model.status for name, model in found.items() if model is not None} == guides


def test_community_models_are_pinned_and_official_ones_are_not() -> None:
    """A community model runs by its version; an official model has no lasting version."""
    assert {model.name for model in REAL.models.values() if ":" in model.target} == COMMUNITY


@pytest.mark.parametrize("model", ACTIVE, ids=named)
def test_a_plain_request_is_taken(model: Model) -> None:
    """The mapping and the quote take it for each plan of the model's tier, and ignore nothing."""
    request = request_for(model)
    mapped = inputs_of(model, request, seed=7)
    assert isinstance(mapped, Mapped)
    assert mapped.ignored_fields == ()
    result = quote(REAL, request, REAL_PLANS[model.tier.label])
    assert isinstance(result, Quote)
    assert result.model is model


@pytest.mark.parametrize("model", REAL.models.values(), ids=named)
def test_no_input_is_sent_that_nobody_should(model: Model) -> None:
    """No input turns off a safety checker, loosens safety or passes a secret on."""
    forbidden = {"disable_safety_checker", "safety_tolerance", "safety_filter_level", "hf_token", "wandb_api_key"}
    assert not forbidden & set(model.inputs)


@pytest.mark.parametrize("model", ACTIVE, ids=named)
def test_times_are_such_as_replicate_and_the_model_take(model: Model) -> None:
    """The expected time is well below the limit, and a community model has minutes to boot."""
    assert model.expected_s * 2 <= model.cancel_after_s <= 86_400
    assert model.cancel_after_s >= 600 or model.name not in COMMUNITY


@pytest.mark.parametrize("model", ACTIVE, ids=named)
def test_bounds_and_defaults_agree(model: Model) -> None:
    """A default is an allowed value, and a seed is a 32-bit integer."""
    for item in model.inputs.values():
        if item.default is not None and item.value is None:
            assert item.problem(item.default) == ""
        if item.name == "seed":
            assert (item.kind, item.low, item.high) == ("whole", 0, 2**32 - 1)


def test_prices_are_dated_and_those_of_active_models_known() -> None:
    """No price is newer than the catalogue's own date."""
    written = date.fromisoformat(REAL.version)
    days = {model.name: model.price_date for model in REAL.models.values() if model.prices}
    assert [name for name, day in days.items() if day is None or not date(2025, 12, 31) < day <= written] == []
    assert [model.name for model in ACTIVE if any(price.usd_micros < 1 for price in model.prices)] == []


def test_a_price_has_its_page() -> None:
    """Each model on offer says where Replicate publishes its price."""
    elsewhere = [each.name for each in ACTIVE if not each.price_page.startswith("https://replicate.com/")]
    assert elsewhere == []


# What an output can cost at worst, and what its credits bring.


def worst_usd_micros(model: Model, field: str, asked_for: int) -> float:
    """The highest price of one output of so many seconds, tokens or steps, in micro-USD."""
    seconds, tokens = (asked_for if field == name else 0 for name in ("duration_s", "max_tokens"))
    counts: dict[Unit, float] = {
        Unit.IMAGE: 1,
        Unit.RUN: 1,
        Unit.SECOND: seconds,
        Unit.MEGAPIXEL_IN: INPUT_MEGAPIXELS * pictures(model),
        Unit.MEGAPIXEL_OUT: megapixels(model),
        # No text has more tokens than characters, or so few have that it does not matter.
        Unit.MILLION_TOKENS_IN: model.prompt_characters[1] / 1_000_000,
        Unit.MILLION_TOKENS_OUT: tokens / 1_000_000,
    }
    if any(price.unit is Unit.GPU_SECOND for price in model.prices):
        counts[Unit.GPU_SECOND] = GPU_SECONDS[model.name] * (asked_for if field else 1)
    return sum(price.usd_micros * counts[price.unit] for price in model.prices)


def pictures(model: Model) -> int:
    """How many pictures go in at most."""
    lists = (item for item in model.inputs.values() if item.kind is InputKind.IMAGES)
    return max((int(item.high) for item in lists), default=int(takes(model, "image_url")))


def megapixels(model: Model) -> float:
    """The largest size that can be asked for, by sides or by a resolution such as "2 MP"; else 1."""
    sizes = [1.0]
    if model.sizing is not None and model.sizing.free:
        sizes.append(model.sizing.high**2 / 1_000_000)
    for item in model.inputs.values():
        if item.field == "resolution" and not item.implied:
            sizes += [float(words[0]) for choice in item.choices if (words := str(choice).split())[1:] == ["MP"]]
    return max(sizes)


def asked(model: Model) -> Iterator[tuple[str, int]]:
    """The counted field, and its values: the least, the most, and those around a further unit."""
    named_fields = {field for field, _ in COUNTED.values()}
    counted = next((item for item in model.inputs.values() if item.field in named_fields), None)
    if counted is None:
        yield "", 0
    elif counted.choices:
        yield from ((counted.field, int(choice)) for choice in counted.choices)
    else:
        least, most = int(counted.low), int(counted.high)
        yield from (
            (counted.field, number) for number in (least, most, 100, 101, 1000, 1001) if least <= number <= most
        )


def shortfalls(model: Model, credit_usd_micros: int) -> list[str]:
    """The cases in which the credits for one output earn less than the provider may charge."""
    return [
        f"{field} {number}: {cost:.0f} USD micros for {paid} credits"
        for field, number in asked(model)
        if (cost := worst_usd_micros(model, field, number))
        > (paid := calculate_cost(model, counted=number)) * credit_usd_micros
    ]


@pytest.mark.parametrize("model", ACTIVE, ids=named)
def test_credits_pay_for_the_worst_case(model: Model) -> None:
    """A credit earns 0.01 USD, or what the catalogue says that this model needs."""
    assert shortfalls(model, DEARER_CREDIT_USD_MICROS.get(model.name, CREDIT_USD_MICROS)) == []


@pytest.mark.parametrize("name", DEARER_CREDIT_USD_MICROS)
def test_an_exception_is_one(name: str) -> None:
    """At the usual 0.01 USD a credit the model would lose money; otherwise it needs no exception."""
    assert shortfalls(REAL.models[name], CREDIT_USD_MICROS) != []


@pytest.mark.parametrize(
    ("name", "credits"),
    [
        ("flux-1.1-pro", 3),
        ("flux-2-pro", 5),
        ("sdxl", 2),
        ("ray-2-720p", 17),
        ("video-01", 49),
        ("bark", 6),
        ("flux-dev-lora-trainer", 27),
    ],
)
def test_too_few_credits_are_noticed(name: str, credits: int) -> None:  # noqa: A002  # the catalogue's own word
    """For each unit of price, one model that is too cheap is found."""
    assert shortfalls(replace(REAL.models[name], credits=credits), CREDIT_USD_MICROS) != []


def test_too_dear_tokens_are_noticed() -> None:
    """One credit for a thousand tokens is the least there is, so the test raises the price instead."""
    model = REAL.models["llama-3-70b"]
    dear = tuple(replace(price, usd_micros=price.usd_micros * 2) for price in model.prices)
    assert shortfalls(replace(model, prices=dear), CREDIT_USD_MICROS) != []


def test_black_is_a_refusal_where_the_weights_are_open() -> None:
    """Checkers of open weights answer with a black picture, makers' own models with an error, as the page says."""
    makers_own = {"flux-1.1-pro", "flux-1.1-pro-ultra", "flux-pro", "flux-kontext-pro", "flux-kontext-max"}
    makers_own |= {"flux-2-pro", "flux-2-max", "flux-2-flex"}
    images = {model.name for model in ACTIVE if model.modality == "image"}
    makers_own |= {"flux-depth-pro", "flux-canny-pro", "flux-fill-pro", "nano-banana", "nano-banana-2"}
    makers_own |= {"seedream-4", "seedream-4.5", "seedream-5-lite"}
    assert {model.name for model in ACTIVE if model.black_is_refusal} == images - makers_own


@pytest.mark.parametrize(
    ("quality", "said", "name"),
    [
        ("economy", {}, "flux-schnell"),
        ("standard", {}, "flux-dev"),
        ("premium", {}, "flux-1.1-pro"),
        ("economy", {"image_url": PICTURE}, "flux-2-klein-4b"),
        ("standard", {"image_url": PICTURE}, "flux-dev"),
        ("premium", {"image_url": PICTURE}, "flux-kontext-pro"),
        ("standard", {"image_url": PICTURE, "image_urls": (PICTURE,)}, "seedream-4"),
        ("premium", {"image_url": PICTURE, "image_urls": (PICTURE,)}, "seedream-4.5"),
        ("premium", {"image_url": PICTURE, "mask_url": PICTURE}, "flux-fill-pro"),
        ("standard", {"lora_scale": 0.5}, "flux-dev-lora"),
        ("standard", {"resolution": "4K"}, "seedream-4"),
        ("premium", {"resolution": "1K"}, "nano-banana-2"),
        ("economy", {"prompt": "", "image_url": PICTURE}, "flux-redux-schnell"),
    ],
)
def test_a_quality_of_pictures_gets_its_cheapest_that_honours_the_request(
    quality: str, said: dict[str, Any], name: str
) -> None:
    """A plain request gets the guides' FLUX models; what only others take is served by these."""
    asks = {"prompt": "A lighthouse at night", **said}
    request = GenerationRequest(key=Key("ada", "one"), modality=Modality.IMAGE, quality=quality, **asks)
    result = quote(REAL, request, REAL_PLANS["premium"])
    assert isinstance(result, Quote), result
    assert result.model.name == name
