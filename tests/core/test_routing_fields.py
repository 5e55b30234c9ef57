"""Routing that never guesses: the length of a prompt, what a model always makes, the guides' fields, the settings."""

from dataclasses import replace
from typing import Any

import pytest

from dev.fakes.catalogs import IMAGE, REAL, REQUEST, SECONDS, TEXT, catalog, model
from shared.core.catalog.catalog import Catalog, Routing
from shared.core.catalog.choosing import Quote
from shared.core.catalog.mapping import Mapped, inputs_of
from shared.core.catalog.reading import CatalogError
from shared.core.reasons import Reason, Refusal
from tests.core.routing import outcome, refused, served

PICTURE = "https://pictures.example/cat.png"

# The length of a prompt.

SHORT = model(
    {"prompt": TEXT | {"system_template": "{system_prompt} {prompt}"}}, replicate="o/short", quality="economy"
)
LONG = model(replicate="o/long", credits=9, prompt_characters=[1, 900])
WRITERS = catalog({"short": SHORT, "long": LONG})


def test_a_chosen_model_takes_a_prompt_whole() -> None:
    """Of all models only those that take its length serve, and what is sent is what was written."""
    assert served("free", WRITERS, prompt="x" * 500) == "short"
    assert served("free", WRITERS, prompt="x" * 501) == "long"
    assert served("free", WRITERS, prompt=" x" * 251) == "long"
    assert served("free", WRITERS, prompt="x" * 400, model="short") == "short"
    sent = inputs_of(WRITERS.models["long"], replace(REQUEST, prompt="x" * 900), seed=0)
    assert isinstance(sent, Mapped)
    assert sent.inputs["prompt"] == "x" * 900


def test_a_named_model_refuses_a_prompt_with_the_number() -> None:
    """Blanks count too, and so does a system prompt that a template puts into the same text."""
    said = "prompt has 501 characters, and must have 3 to 500 for short"
    assert refused("free", WRITERS, model="short", prompt="x" * 501) == said
    assert refused("free", WRITERS, model="short", prompt="xyz" + " " * 498) == said
    both = refused("free", WRITERS, model="short", prompt="x" * 300, system_prompt="y" * 201)
    assert both == "prompt and system_prompt have 501 characters, and must have 3 to 500 for short"
    assert refused("free", WRITERS, model="short", prompt=" x ").startswith("prompt has 3 characters, and must have 3")


def test_the_longest_is_named_where_nobody_takes_a_prompt() -> None:
    """It is the nearest."""
    assert refused("free", WRITERS, prompt="x" * 901) == "prompt has 901 characters, and must have 1 to 900 for long"
    two = catalog({"short": SHORT, "long": LONG | {"prompt_characters": [100, 900]}})
    assert refused("free", two, prompt="x") == "prompt has 1 character, and must have 3 to 500 for short"


# What a model always makes, and resolutions.

FILMS = catalog(
    {
        "film": model(
            {"prompt": TEXT, "duration": SECONDS | {"choices": [6], "default": None, "implied": True}},
            replicate="o/film",
            modality="video",
        )
    }
)


def test_what_a_model_always_makes_is_honoured_and_not_sent() -> None:
    """Six seconds of a model that makes six; any other duration is refused."""
    offer = outcome("free", FILMS, modality="video", duration_s=6)
    assert isinstance(offer, Quote)
    assert offer.ignored_fields == ()
    sent = inputs_of(FILMS.models["film"], replace(REQUEST, duration_s=6), seed=0)
    assert isinstance(sent, Mapped)
    assert sent.inputs == {"prompt": REQUEST.prompt}
    assert refused("free", FILMS, modality="video", duration_s=5) == "duration_s must be one of 6 for film"


def test_an_input_that_is_implied_says_what_it_is() -> None:
    """Without choices nothing could be honoured."""
    with pytest.raises(CatalogError, match="implied needs choices"):
        catalog({"film": model({"prompt": TEXT, "duration_s": {"type": "whole", "implied": True}})})


@pytest.mark.parametrize(
    ("plan", "resolution", "name"),
    [
        ("free", "540p", "ray-flash-2-540p"),
        ("basic", "720P", "ray-flash-2-720p"),
        ("basic", "1280x720", "ray-flash-2-720p"),
    ],
)
def test_a_resolution_of_a_video_chooses_the_model_that_makes_it(plan: str, resolution: str, name: str) -> None:
    """By its word; a size is a width and a height."""
    assert served(plan, modality="video", resolution=resolution) == name


def test_a_resolution_that_a_plan_has_not_names_the_tier() -> None:
    """The lowest that includes a model for it."""
    said = "resolution must be one of 540p for ray-flash-2-540p"
    tier = "with a plan of the tier basic, ray-flash-2-720p takes it as it is"
    assert refused("free", modality="video", resolution="720p") == f"{said}; {tier}"


@pytest.mark.parametrize(
    ("field", "value", "name", "takes"),
    [
        ("top_k", 100, "musicgen", "top_k"),
        ("top_p", 0.0, "musicgen", "top_p"),
        ("guidance_scale", 4.0, "musicgen", "classifier_free_guidance"),
        ("top_k", 40, "llama-3-8b", "top_k"),
        ("top_p", 0.5, "llama-3-70b", "top_p"),
        ("fps", 12, "svd-christophy", "frames_per_second"),
        ("motion", 40.0, "svd-christophy", "motion_bucket_id"),
    ],
)
def test_the_guides_fields_are_sent_where_a_model_takes_them(field: str, value: float, name: str, takes: str) -> None:
    """Under the model's name. A whole number of the model's is sent as one."""
    said: dict[str, Any] = {field: value} | ({"image_url": PICTURE} if name == "svd-christophy" else {})
    sent = inputs_of(REAL.models[name], replace(REQUEST, **said), seed=0)
    assert isinstance(sent, Mapped), sent
    assert sent.inputs[takes] == value
    assert field not in sent.ignored_fields
    if REAL.models[name].inputs[takes].kind == "whole":
        assert isinstance(sent.inputs[takes], int)


def test_a_half_of_a_whole_number_is_refused_by_us() -> None:
    """Replicate would refuse it after the create."""
    said = refused("free", model="musicgen", guidance_scale=3.5)
    assert said == "guidance_scale must be a whole number for musicgen"


def test_fields_that_no_offered_model_takes_are_refused_or_named() -> None:
    """A chosen model refuses them; a named one ignores them, and the quote says which."""
    assert refused("free", modality="video", fps=30) == "fps is not taken by ray-flash-2-540p: leave it out"
    offer = outcome("premium", model="video-01", fps=30, motion=0.8, guidance_scale=7.5)
    assert isinstance(offer, Quote)
    assert offer.ignored_fields == ("fps", "guidance_scale", "motion")


def test_another_quality_that_takes_a_request_is_named() -> None:
    """A request of a quality with a field that none of it takes."""
    models = {
        "one": model(replicate="o/one", quality="standard"),
        "two": model({"prompt": TEXT, "image": IMAGE}, replicate="o/two"),
    }
    said = refused("free", catalog(models), quality="standard", image_url=PICTURE)
    assert said == "image_url is not taken by one: leave it out; with the quality economy, two takes it as it is"


# Settings.

CHEAPER = {
    "usual": model(replicate="o/usual", quality="standard", credits=4, fallback=["cheap"]),
    "cheap": model(replicate="o/cheap", quality="standard", credits=2),
    "weak": model(replicate="o/weak", credits=1),
    "sees": model({"prompt": TEXT, "image": IMAGE}, replicate="o/sees", quality="standard", credits=5),
    "best": model(replicate="o/best", quality="premium", credits=1, tier="premium"),
    "old": model(replicate="o/old", status="retired", successor="usual", inputs={}),
}


def routed(**changes: bool) -> Catalog:
    """The catalogue with these settings."""
    return replace(catalog(CHEAPER), routing=Routing(**changes))


def test_the_cheapest_of_the_defaults_quality_may_serve_in_its_place() -> None:
    """Never one of another quality or a higher tier; it honours every field, and a named model is what was named."""
    assert served("free", routed()) == "usual"
    assert served("free", routed(cheapest=True)) == "cheap"
    assert served("free", routed(cheapest=True), image_url=PICTURE) == "sees"
    assert served("free", routed(cheapest=True), model="usual") == "usual"
    assert served("free", routed(cheapest=True), quality="economy") == "weak"


def test_without_fallback_no_other_model_follows() -> None:
    """Neither one that failed nor one that is retired, whatever a request allows."""
    offer = outcome("free", routed(), model="usual")
    assert isinstance(offer, Quote)
    assert offer.chain == ("usual", "cheap")
    offer = outcome("free", routed(fallback=False), model="usual")
    assert isinstance(offer, Quote)
    assert offer.chain == ("usual",)
    refusal = outcome("free", routed(fallback=False), model="old")
    assert refusal == Refusal(Reason.MODEL_RETIRED, "old is no longer offered. Ask for usual.")
