"""The catalogue: what a model takes, what it costs, and which plans may use it."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.catalog.choosing import Quote, quote
from shared.core.catalog.file import parse_catalog
from shared.core.catalog.mapping import Mapped, inputs_of
from shared.core.catalog.plans_file import parse_plans
from shared.core.catalog.reading import CatalogError
from shared.core.catalog.sizes import nearest_ratio
from shared.core.catalog.tiers import Tier
from shared.core.keys import Key
from shared.core.reasons import Reason, Refusal
from shared.core.requests.messages import GenerationRequest

FILE = Path(__file__).parents[2] / "shared" / "core" / "catalog" / "catalog.toml"
TEXT = FILE.read_text()
CATALOG = parse_catalog(TEXT)
PLANS = parse_plans(FILE.with_name("plans.toml").read_text(), CATALOG)
REQUEST = GenerationRequest(key=Key("ada", "one"), prompt="A lighthouse at night")


def mapped(model: str, request: GenerationRequest, seed: int = 7) -> Mapped:
    """The request as a model takes it."""
    result = inputs_of(CATALOG.models[model], request, seed=seed)
    assert isinstance(result, Mapped)
    return result


def refusal(model: str, request: GenerationRequest) -> Refusal:
    """Why a model does not take the request."""
    result = inputs_of(CATALOG.models[model], request, seed=7)
    assert isinstance(result, Refusal)
    return result


def test_credits_and_tiers_are_those_of_the_guide() -> None:
    """A picture costs 1, 2 and 5 credits in the tiers Free, Basic and Premium."""
    guides = [CATALOG.models[name] for name in ("flux-schnell", "flux-dev", "flux-1.1-pro")]
    assert {model.name: (model.credits, model.tier) for model in guides} == {
        "flux-schnell": (1, Tier.FREE),
        "flux-dev": (2, Tier.BASIC),
        "flux-1.1-pro": (5, Tier.PREMIUM),
    }


@pytest.mark.parametrize(
    ("width", "height", "ratio", "megapixels"),
    [
        (1024, 768, "4:3", "1"),
        (1024, 1024, "1:1", "1"),
        (512, 512, "1:1", "0.25"),
        (768, 1344, "9:16", "1"),
        (8192, 64, "21:9", "1"),
    ],
)
def test_schnell_gets_the_nearest_ratio_and_megapixels(width: int, height: int, ratio: str, megapixels: str) -> None:
    """Flux-schnell has no inputs for width and height."""
    inputs = mapped("flux-schnell", replace(REQUEST, width=width, height=height)).inputs
    assert inputs == {"prompt": REQUEST.prompt, "aspect_ratio": ratio, "megapixels": megapixels, "seed": 7}


@pytest.mark.parametrize(
    ("width", "height", "sent"),
    [
        (1024, 768, (1024, 768)),
        (4096, 2048, (1440, 704)),
        (100, 100, (256, 256)),
        (1000, 1000, (992, 992)),
        (8192, 64, (1440, 256)),
    ],
)
def test_pro_gets_custom_sizes_within_its_bounds(width: int, height: int, sent: tuple[int, int]) -> None:
    """Flux-1.1-pro takes width and height with aspect_ratio=custom, 256 to 1440 in steps of 32."""
    inputs = mapped("flux-1.1-pro", replace(REQUEST, width=width, height=height)).inputs
    assert (inputs["aspect_ratio"], inputs["width"], inputs["height"]) == ("custom", *sent)


@given(st.integers(64, 8192), st.integers(64, 8192))
def test_every_size_fits_every_model(width: int, height: int) -> None:
    """Any size within the message's bounds is sent as one within the model's bounds."""
    sized = [model for model in CATALOG.models.values() if model.sizing is not None]
    assert len(sized) > 3
    for model in sized:
        picture = any(item.field == "image_url" for item in model.inputs.values())
        brought = "https://app.example/in.png" if picture else None
        request = replace(REQUEST, image_url=brought, width=width, height=height)
        inputs = mapped(model.name, request).inputs
        assert "aspect_ratio" in inputs or "width" in inputs
        assert not [
            item.problem(inputs[name])
            for name, item in model.inputs.items()
            if name in inputs and item.problem(inputs[name])
        ]
        assert all(inputs[side] % 32 == 0 for side in ("width", "height") if side in inputs)  # type: ignore[operator]


def test_an_aspect_ratio_takes_precedence_over_sides_of_another_shape() -> None:
    """The ratio was named explicitly, so it is sent, and the result lists the sides as ignored."""
    said = mapped("flux-schnell", replace(REQUEST, aspect_ratio="16:9", width=64, height=64))
    assert said.inputs["aspect_ratio"] == "16:9"
    assert "megapixels" not in said.inputs
    assert said.ignored_fields == ("height", "width")


def test_the_seed_is_sent_even_when_it_is_zero() -> None:
    """0 is a seed, and not an absent one."""
    assert mapped("flux-schnell", REQUEST, seed=0).inputs["seed"] == 0


def test_request_fields_are_sent_under_the_models_names() -> None:
    """The field guidance_scale is sent to flux-dev as guidance."""
    assert mapped("flux-dev", replace(REQUEST, guidance_scale=3.5)).inputs["guidance"] == 3.5


def test_what_a_model_has_no_use_for_is_left_out_and_named() -> None:
    """A negative prompt is not sent to a model without such an input, and the result lists it as ignored."""
    result = mapped("flux-schnell", replace(REQUEST, negative_prompt="people", guidance_scale=2.0, num_outputs=2))
    assert result.ignored_fields == ("guidance_scale", "negative_prompt")
    assert "negative_prompt" not in result.inputs
    assert result.outputs == 2


@pytest.mark.parametrize(
    ("model", "change", "field"),
    [
        ("flux-schnell", {"num_outputs": 5}, "num_outputs"),
        ("flux-schnell", {"num_inference_steps": 5}, "num_inference_steps"),
        ("flux-schnell", {"output_format": "gif"}, "output_format"),
        ("flux-schnell", {"aspect_ratio": "7:4"}, "aspect_ratio"),
        ("flux-dev", {"guidance_scale": 11.0}, "guidance_scale"),
        ("flux-1.1-pro", {"num_outputs": 2}, "num_outputs"),
        ("flux-schnell", {"prompt": "ab"}, "prompt"),
        ("flux-schnell", {"prompt": "x" * 501}, "prompt"),
        ("flux-schnell", {"prompt": "  ab  "}, "prompt"),
    ],
)
def test_what_a_model_cannot_do_is_refused_by_field(model: str, change: dict[str, object], field: str) -> None:
    """The refusal names the request's field."""
    result = refusal(model, replace(REQUEST, **change))  # type: ignore[arg-type]
    assert result.reason is Reason.INVALID_REQUEST
    assert field in result.text


@pytest.mark.parametrize("length", [3, 500])
def test_the_prompts_bounds_are_inclusive(length: int) -> None:
    """Prompts of 3 and of 500 characters are taken."""
    assert mapped("flux-schnell", replace(REQUEST, prompt="x" * length)).inputs["prompt"] == "x" * length


@pytest.mark.parametrize(
    ("plan", "change", "outcome"),
    [
        ("free", {}, ("flux-schnell", 1)),
        ("basic", {}, ("flux-dev", 2)),
        ("premium", {}, ("flux-1.1-pro", 5)),
        ("free", {"model": "black-forest-labs/flux-schnell", "num_outputs": 4}, ("flux-schnell", 4)),
        ("free", {"model": "flux-dev"}, Reason.PLAN_TOO_LOW),
        ("basic", {"model": "flux-1.1-pro"}, Reason.PLAN_TOO_LOW),
        ("premium", {"model": "flux-1.1-pro"}, ("flux-1.1-pro", 5)),
        ("premium", {"model": "flux-9"}, Reason.UNKNOWN_MODEL),
        ("premium", {"quality": "premium"}, ("flux-1.1-pro", 5)),
        ("free", {"quality": "premium"}, Reason.PLAN_TOO_LOW),
        ("free", {"quality": "best"}, Reason.INVALID_REQUEST),
        ("premium", {"model": "flux-1.1-pro", "max_credits": 4}, Reason.OVER_LIMIT),
        ("free", {"max_credits": 0}, Reason.OVER_LIMIT),
    ],
)
def test_a_request_is_quoted_or_refused(
    plan: str, change: dict[str, object], outcome: tuple[str, int] | Reason
) -> None:
    """Plan, name, quality and limit decide the model and the hold."""
    result = quote(CATALOG, replace(REQUEST, **change), PLANS[plan])  # type: ignore[arg-type]
    if isinstance(result, Quote):
        assert (result.model.name, result.hold_credits) == outcome
    else:
        assert result.reason is outcome


def test_the_hold_covers_the_dearest_model_of_the_chain() -> None:
    """The hold pays for whichever model of the chain delivers."""
    dearer = parse_catalog(TEXT.replace('fallback = ["flux-schnell"]', 'fallback = ["flux-1.1-pro"]'))
    result = quote(dearer, replace(REQUEST, model="flux-dev"), PLANS["premium"])
    assert isinstance(result, Quote)
    assert (result.chain, result.hold_credits) == (("flux-dev", "flux-1.1-pro"), 5)


def test_the_chain_keeps_to_plan_limit_and_wish() -> None:
    """There is no fallback beyond the plan or max_credits, and none if the user refuses fallbacks."""
    dearer = parse_catalog(TEXT.replace('fallback = ["flux-schnell"]', 'fallback = ["flux-1.1-pro", "flux-schnell"]'))
    wish = replace(REQUEST, model="flux-dev")
    chains = {
        "plan": quote(dearer, wish, PLANS["basic"]),
        "limit": quote(dearer, replace(wish, max_credits=3), PLANS["premium"]),
        "wish": quote(dearer, replace(wish, allow_fallback=False), PLANS["premium"]),
    }
    assert {name: result.chain for name, result in chains.items() if isinstance(result, Quote)} == {
        "plan": ("flux-dev", "flux-schnell"),
        "limit": ("flux-dev", "flux-schnell"),
        "wish": ("flux-dev",),
    }


def test_ratios_are_compared_by_distortion() -> None:
    """3:4 and 4:3 are equally far from square."""
    assert nearest_ratio(100, 130, ("1:1", "3:4", "4:3", "custom")) == "3:4"


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("credits = 1\n", "credits = 0\n", "flux-schnell, credits"),
        ("credits = 1\n", 'credits = "1"\n', "flux-schnell, credits"),
        ("credits = 1\n", "", "flux-schnell, credits"),
        ('tier = "free"', 'tier = "gold"', "flux-schnell"),
        ("cancel_after_s = 120", "cancel_after_s = 4", "flux-schnell, cancel_after_s"),
        ('sizing = "megapixels"', "sizing = 7", "flux-schnell, sizing"),
        ('prompt = { type = "text" }', 'prompt = { type = "song" }', "flux-schnell, inputs.prompt"),
        ('fallback = ["flux-schnell"]', 'fallback = ["flux-0"]', "flux-dev, fallback"),
        ("[models.flux-schnell]", "[models.flux-schnell", "not TOML"),
    ],
)
def test_a_bad_catalogue_names_file_model_and_field(old: str, new: str, named: str) -> None:
    """The operator finds the place from the error alone."""
    assert old in TEXT
    with pytest.raises(CatalogError) as caught:
        parse_catalog(TEXT.replace(old, new, 1), file="mine.toml")
    assert str(caught.value).startswith("mine.toml")
    assert named in str(caught.value)
