"""Every model that Darkroom chooses honours all fields of the request, on the app's own catalogue."""

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dev.fakes.catalogs import REAL, REAL_PLANS, REQUEST
from shared.core.catalog.catalog import Status
from shared.core.catalog.choosing import Quote, quote
from shared.core.catalog.mapping import Mapped, Readings, inputs_of, seed_of
from shared.core.catalog.sizes import sided
from shared.core.events.generation_event import ChosenBy
from shared.core.reasons import Reason, Refusal
from shared.core.requests.fields import MODALITIES
from shared.core.requests.messages import GenerationRequest

PICTURE = "https://pictures.example/cat.png"

VIDEO, MUSIC = {"modality": "video"}, {"modality": "audio"}


def outcome(plan: str, **said: Any) -> Quote | Refusal:
    """The quote or the refusal of a request on this plan."""
    return quote(REAL, replace(REQUEST, **said), REAL_PLANS[plan])


@pytest.mark.parametrize(
    ("plan", "said", "words"),
    [
        ("premium", {"num_inference_steps": 600}, ["num_inference_steps cannot be 600", "nearest is 50"]),
        ("premium", {"num_inference_steps": 60}, ["num_inference_steps cannot be 60", "nearest is 50"]),
        ("premium", {"guidance_scale": 60.0}, ["guidance_scale cannot be 60", "nearest is 50, by sdxl"]),
        ("basic", {"output_format": "bmp"}, ["output_format must be one of jpg, png, webp"]),
        ("basic", {**VIDEO, "duration_s": 60}, ["duration_s cannot be 60", "nearest is 10, by gen4-turbo"]),
        ("free", {**VIDEO, "duration_s": 60}, ["duration_s must be one of 5, 9 for ray-flash-2-540p"]),
        ("premium", {**MUSIC, "duration_s": 121}, ["duration_s must be from 1 to 120 for musicgen"]),
        ("premium", {**MUSIC, "output_format": "ogg"}, ["output_format must be one of wav, mp3 for musicgen"]),
        ("premium", {**MUSIC, "prompt": "la"}, ["prompt has 2 characters, and must have 3 to 500 for musicgen"]),
        ("basic", {"quality": "standard", "max_tokens": 9}, ["max_tokens is not taken by any model"]),
        ("basic", {"quality": "standard", "duration_s": 5}, ["duration_s is not taken by any model"]),
        (
            "free",
            {"negative_prompt": "people"},
            ["negative_prompt is not taken", "with a plan of the tier basic, sdxl takes it"],
        ),
        ("free", {**VIDEO, "seed": 7}, ["seed is not taken by ray-flash-2-540p: leave it out"]),
        ("premium", {"negative_prompt": "a", "output_format": "jpg", "num_outputs": 2}, ["no model takes all"]),
        (
            "basic",
            {"aspect_ratio": "16:9", "width": 512, "height": 512},
            ["height and width are not taken by any model", "leave them out"],
        ),
        ("premium", {"model": "gen-3", "negative_prompt": "a"}, ["gen-3 is no longer offered", "gen-4.5 in its"]),
        ("premium", {"model": "flux-schnell", "image_url": PICTURE}, ["image_url is not taken by flux-schnell"]),
        ("premium", {"model": "bark", "input_file": "ada/ada/a.wav"}, ["input_file is not taken by bark"]),
        ("premium", {"model": "video-01", "duration_s": 5}, ["duration_s must be one of 6 for video-01"]),
        ("premium", {"model": "flux-dev", "duration_s": 6}, ["duration_s is not taken by flux-dev"]),
        ("premium", {"model": "flux-1.1-pro", "aspect_ratio": "custom"}, ["custom needs width and height"]),
    ],
)
def test_what_nobody_honours_is_refused_with_what_could_be_said(
    plan: str, said: dict[str, Any], words: list[str]
) -> None:
    """The refusal comes before any hold; no model that would ignore a field serves instead."""
    refused = outcome(plan, **said)
    assert isinstance(refused, Refusal), refused
    assert refused.reason is Reason.INVALID_REQUEST
    assert [word for word in words if word not in refused.text] == [], refused.text


def test_a_users_words_are_not_repeated() -> None:
    """A refusal may quote a number, but never a text, because a text is written by a stranger."""
    refused = outcome("basic", output_format="<script>")
    assert isinstance(refused, Refusal)
    assert "script" not in refused.text


@pytest.mark.parametrize(
    ("plan", "said", "model", "credits"),
    [
        ("basic", {"output_format": "PNG"}, "flux-dev", 2),
        ("basic", {"output_format": "jpeg"}, "flux-dev", 2),
        ("basic", {"width": 1024, "height": 768}, "flux-dev", 2),
        ("premium", {"num_inference_steps": 50}, "flux-dev", 2),
        ("premium", {"guidance_scale": 20.0}, "sdxl", 3),
        ("basic", {"negative_prompt": "people"}, "sdxl", 3),
        ("basic", {"image_url": PICTURE}, "flux-dev", 2),
        ("basic", {"quality": "Standard"}, "flux-dev", 2),
        ("free", {**VIDEO, "width": 1280, "height": 720}, "ray-flash-2-540p", 25),
    ],
)
def test_what_somebody_honours_is_served_at_its_price(
    plan: str,
    said: dict[str, Any],
    model: str,
    credits: int,  # noqa: A002
) -> None:
    """The plan's own model comes first; a spelling or a size that it does not have is no reason for another model."""
    offer = outcome(plan, **said)
    assert isinstance(offer, Quote), offer
    assert (offer.model.name, offer.hold_credits) == (model, credits)


@pytest.mark.parametrize("name", ["flux-1.1-pro", "flux-pro", "flux-2-pro", "flux-2-max", "flux-2-flex", "flux-2-dev"])
def test_custom_keeps_the_size(name: str) -> None:
    """Each model with the word "custom" gets the fitted sides beside it."""
    request = replace(REQUEST, model=name, aspect_ratio="custom", width=800, height=608)
    sent = inputs_of(REAL.models[name], request, seed=0)
    assert isinstance(sent, Mapped)
    assert {side: sent.inputs[side] for side in ("aspect_ratio", "width", "height")} == {
        "aspect_ratio": "custom",
        "width": 800,
        "height": 608,
    }


#: Values as people send them: each field's own, in and out of what models take.
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "modality": st.sampled_from(MODALITIES),
    "quality": st.sampled_from(["economy", "standard", "premium"]),
    "model": st.sampled_from([m.name for m in REAL.models.values() if m.status is not Status.HIDDEN]),
    "negative_prompt": st.just("people"),
    "system_prompt": st.just("Be brief."),
    "width": st.integers(64, 8192),
    "height": st.integers(64, 8192),
    "aspect_ratio": st.sampled_from(["1:1", "16:9", "16x9", "4:3", "7:4", "custom", "match_input_image", "square"]),
    "num_outputs": st.integers(1, 5),
    "num_inference_steps": st.integers(1, 60),
    "guidance_scale": st.floats(0, 60),
    "seed": st.integers(0, 2**32 - 1),
    "image_url": st.just(PICTURE),
    "image_urls": st.just((PICTURE,)),
    "mask_url": st.just(PICTURE),
    "end_image_url": st.just(PICTURE),
    "prompt_strength": st.floats(0, 1),
    "lora_weights": st.just("https://weights.example.com/a.safetensors"),
    "lora_scale": st.floats(0, 1),
    "output_format": st.sampled_from(["png", "PNG", "jpeg", "webp", "wav", "ogg"]),
    "max_tokens": st.integers(1, 5000),
    "temperature": st.floats(0, 3),
    "top_k": st.integers(0, 3000),
    "top_p": st.floats(0, 1),
    "fps": st.integers(1, 60),
    "motion": st.floats(0, 255),
    "kind": st.sampled_from(["music", "speech", "Music", "poetry"]),
    "duration_s": st.integers(1, 130),
    "resolution": st.sampled_from(["1 MP", "1mp", "8k", "720p", "1280x720"]),
    "continuation": st.booleans(),
    "input_file": st.just("ada/ada/a.wav"),
    "destination": st.just("ada/lora"),
    "trigger_word": st.just("TOK"),
    "training_steps": st.integers(1, 5000),
    "learning_rate": st.floats(0, 1),
    "batch_size": st.integers(1, 5),
    "lora_rank": st.integers(1, 64),
    "autocaption": st.booleans(),
    "gradient_checkpointing": st.booleans(),
    "allow_fallback": st.booleans(),
}


@st.composite
def requests(draw: st.DrawFn) -> GenerationRequest:
    """A request with up to five fields beside its prompt."""
    names = draw(st.sets(st.sampled_from(sorted(VALUES)), max_size=5))
    return replace(REQUEST, **{name: draw(VALUES[name]) for name in sorted(names)})


def test_every_field_has_its_values_here() -> None:
    """A new field needs values in this test."""
    apart = {"inputs"}  # of a named model only (test_settable.py)
    apart |= {"key", "prompt", "metadata", "max_credits", "strict", "unknown_fields", "digest"}
    assert {each.name for each in fields(GenerationRequest)} - apart <= VALUES.keys()


@settings(max_examples=4 * settings().max_examples, suppress_health_check=[HealthCheck.too_slow])
@given(requests(), st.sampled_from(sorted(REAL_PLANS)))
def test_whatever_darkroom_chooses_has_every_field_in_what_it_sends(request: GenerationRequest, plan: str) -> None:
    """By plan, quality, successor or fallback no field is ignored; only a model that was named may ignore one."""
    offer = quote(REAL, request, REAL_PLANS[plan])
    if isinstance(offer, Refusal):
        assert offer.text
        return
    first, *others = [REAL.models[name] for name in offer.chain]
    for model in others if offer.chosen_by is ChosenBy.REQUEST else [first, *others]:
        sent = inputs_of(model, request, seed=seed_of(model, request, 0))
        assert isinstance(sent, Mapped)
        assert sent.ignored_fields == ()
        assert Readings(request).misses(model) == ()
        fixed = {item.field for name, item in model.inputs.items() if name in sent.inputs and item.value is None}
        fixed |= {item.field for item in model.inputs.values() if item.implied}
        fixed |= {"resolution"} if model.sizing and sided(request.resolution or "") else set()
        sizes = {"width", "height", "aspect_ratio"} if model.sizing else set()
        given_fields = {name for name in VALUES if getattr(request, name) is not None}
        steering = {"modality", "kind", "quality", "model", "allow_fallback", "destination"}
        sizes |= {"image_urls"} if any(item.kind == "images" for item in model.inputs.values()) else set()
        templated = {"system_prompt"} if any(each.system_template for each in model.inputs.values()) else set()
        assert given_fields - steering - sizes - templated - fixed <= (
            {"num_outputs"} if request.num_outputs == 1 else set()
        )
        assert model.tier <= REAL_PLANS[plan].tier
