"""Reading a catalogue: every error names file, model and field."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dev.fakes.catalogs import RATIO, SEED, TEXT, VERSION, model
from shared.core.catalog.file import build_catalog
from shared.core.catalog.reading import CatalogError
from shared.core.requests.field_types import Text
from shared.core.requests.fields import FIELDS


def wrong(table: Any, name: str = "m", **more: Any) -> str:
    """The error about a catalogue with this model beside a good one."""
    models = {"good": model(replicate="owner/good"), name: table}
    with pytest.raises(CatalogError) as caught:
        build_catalog({"models": models, **more}, "mine.toml")
    return str(caught.value)


HUGE = {"from": 64, "to": 640, "step": 64}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"replicate": "small"}, "replicate: must be owner/name"),
        ({"replicate": "owner/small:1234"}, "replicate: must be owner/name"),
        ({"replicate": "owner/small:" + VERSION.upper()}, "replicate: must be owner/name"),
        ({"replicate": None}, "replicate: must be owner/name"),
        ({"replicate": 7}, "replicate: must be owner/name"),
        ({"modality": "music"}, "modality: must be one of image, video, audio, text, training"),
        ({"modality": None}, "modality: must be one of"),
        ({"status": "gone"}, "status: must be one of active, retired, hidden"),
        ({"status": ["active"]}, "status: must be one of"),
        ({"tier": "gold"}, "tier: must be one of free, basic, premium"),
        ({"tier": None}, "tier: must be one of"),
        ({"quality": "best"}, "quality: must be one of economy, standard, premium"),
        ({"credits": 0}, "credits: must be a whole number from 1 to"),
        ({"credits": 1.5}, "credits: must be a whole number"),
        ({"credits": True}, "credits: must be a whole number"),
        ({"credits": None}, "credits: must be a whole number"),
        ({"credits_per": "minute"}, "credits_per: must be one of output, second, thousand_tokens, hundred_steps"),
        ({"credits_per": "second"}, "credits_per: needs an input of the field duration_s with a default"),
        ({"credits_per": "thousand_tokens"}, "credits_per: needs an input of the field max_tokens with a default"),
        ({"credits_per": "hundred_steps"}, "credits_per: needs an input of the field training_steps with a default"),
        ({"prices": []}, "prices: must be a list"),
        ({"prices": {"unit": "image"}}, "prices: must be a list"),
        ({"prices": [3000]}, "prices, unit: must be one of image, second, run"),
        ({"prices": [{"unit": "pixel", "usd_micros": 1}]}, "prices, unit: must be one of image, second, run"),
        ({"prices": [{"unit": "image"}]}, "prices, usd_micros: must be a whole number"),
        ({"prices": [{"unit": "image", "usd_micros": 0.003}]}, "prices, usd_micros: must be a whole number"),
        ({"prices": [{"unit": "image", "usd_micros": -1}]}, "prices, usd_micros: must be a whole number"),
        ({"prices": [{"unit": "image", "usd_micros": 1}] * 2}, "prices: image is there twice"),
        ({"prices": [{"unit": "image", "usd_micros": 1, "usd": 1}]}, "prices, usd: is not known"),
        ({"price_date": "2026-07-01"}, "price_date: must be a date"),
        ({"price_date": None}, "price_date: must be a date"),
        ({"price_date": datetime(2026, 7, 1, tzinfo=UTC)}, "price_date: must be a date"),
        ({"expected_s": 0}, "expected_s: must be a whole number from 1 to 86400"),
        ({"cancel_after_s": 4}, "cancel_after_s: must be a whole number from 5 to 86400"),
        ({"cancel_after_s": 86_401}, "cancel_after_s: must be a whole number"),
        ({"output": "stream"}, "output: must be one of list, single, object, chunks, version"),
        ({"output": None}, "output: must be one of"),
        ({"output_bytes": 0}, "output_bytes: must be a whole number"),
        ({"prompt_characters": 500}, "prompt_characters: must be the least and the most"),
        ({"prompt_characters": [500, 3]}, "prompt_characters: must be the least and the most"),
        ({"prompt_characters": [3]}, "prompt_characters: must be the least and the most"),
        ({"prompt_characters": ["3", "500"]}, "prompt_characters: must be the least and the most"),
        ({"prompt_characters": [3, 500.5]}, "prompt_characters: must be the least and the most"),
        ({"prompt_characters": [-1, 5]}, "prompt_characters: must be the least and the most"),
        ({"fallback": "good"}, "fallback: must be a list of names"),
        ({"fallback": [7]}, "fallback: must be a list of names"),
        ({"fallback": ["good", "good"]}, "fallback: must be a list of names, each once"),
        ({"fallback": ["better"]}, "fallback: better is not in the catalogue"),
        ({"fallback": ["m"]}, "fallback: m must be another model"),
        ({"modality": "video", "fallback": ["good"]}, "fallback: good must be another model that makes video"),
        ({"successor": 7}, "successor: must be a text"),
        ({"status": "retired"}, "successor: must be a model of the catalogue that makes image"),
        ({"status": "retired", "successor": "m"}, "successor: leads back to m"),
        ({"status": "retired", "successor": "better"}, "successor: must be a model of the catalogue"),
        (
            {"status": "retired", "modality": "video", "successor": "good"},
            "successor: must be a model of the catalogue that makes video",
        ),
        ({"inputs": {}}, "inputs: there are none"),
        ({"inputs": None}, "inputs: there are none"),
        ({"fallbacks": ["good"]}, "fallbacks: is not known"),
        ({"name": "n"}, "name: is not known"),
        ({"modality": "training"}, "replicate: a trainer needs its version"),
        ({"sizing": "square"}, 'sizing: must be "megapixels", "ratio" or a table'),
        ({"sizing": 7}, 'sizing: must be "megapixels", "ratio" or a table'),
        ({"sizing": {"from": 64, "to": 640}}, 'sizing: must be "megapixels", "ratio" or a table'),
        ({"sizing": {"from": 640, "to": 64, "step": 64}}, 'sizing: must be "megapixels", "ratio" or a table'),
        ({"sizing": {"from": 64, "to": 640, "step": 0}}, "sizing: step must be at least 1"),
        ({"sizing": {"from": 64, "to": 100, "step": 64}}, "sizing: step must be at least 1, and from and to multiples"),
        ({"sizing": {"from": "64", "to": 640, "step": 64}}, 'sizing: must be "megapixels", "ratio" or a table'),
        ({"sizing": HUGE}, "sizing: needs the inputs width and height"),
        ({"sizing": "ratio"}, "sizing: needs the input aspect_ratio"),
    ],
)
def test_a_wrong_field_is_named_with_its_file_and_model(changes: dict[str, Any], named: str) -> None:
    """The error names the place and the rule that it breaks."""
    text = wrong({name: value for name, value in (model() | changes).items() if value is not None})
    assert text.startswith("mine.toml: model m, ")
    assert text.removeprefix("mine.toml: model m, ").startswith(named)


@pytest.mark.parametrize(
    ("item", "named"),
    [
        ("text", ": type must be one of text, image, images, audio, archive"),
        ({}, ": type must be one of"),
        ({"type": "song"}, ": type must be one of"),
        ({"type": ["text"]}, ": type must be one of"),
        ({"type": "text", "choise": ["a"]}, ", choise: is not known"),
        ({"type": "choice"}, ": choices must be a list"),
        ({"type": "choice", "choices": []}, ": choices must be a list"),
        ({"type": "choice", "choices": "abc"}, ": choices must be a list"),
        ({"type": "text"}, ": field own_name is no field of a request"),
        ({"type": "text", "field": "promt"}, ": field promt is no field of a request"),
        ({"type": "text", "field": ["prompt"]}, ": field ['prompt'] is no field of a request"),
        ({"type": "text", "field": "resolution"}, ": resolution is not screened, so its type must be choice"),
        ({"type": "text", "field": "metadata"}, ": metadata is not screened, so its type must be choice"),
        ({"type": "whole", "field": "seed", "from": "0"}, ", from: must be a number"),
        ({"type": "whole", "field": "seed", "to": float("nan")}, ", to: must be a number"),
        ({"type": "whole", "field": "seed", "to": True}, ", to: must be a number"),
        ({"type": "whole", "field": "seed", "from": 9, "to": 3}, ": from is beyond to"),
        ({"type": "choice", "choices": [["a"]]}, ": choices must be a list"),
        ({"type": "text", "value": {"a": 1}}, ", value: must be a text"),
        ({"type": "text", "value": ["a"]}, ", value: must be a text"),
        ({"type": "text", "field": "prompt", "required": "yes"}, ", required: must be true or false"),
        ({"type": "text", "field": "prompt", "template": 7}, ", template: must be a text"),
        ({"type": "text", "field": "prompt", "system_template": []}, ", system_template: must be a text"),
        ({"type": "whole", "field": "duration_s", "choices": [5, 9], "default": 6}, ": default breaks a rule"),
        ({"type": "whole", "field": "duration_s", "to": 5, "default": 6}, ": default breaks a rule"),
        ({"type": "real", "field": "temperature", "default": "warm"}, ": default breaks a rule"),
    ],
)
def test_a_wrong_input_is_named_with_its_file_model_and_name(item: Any, named: str) -> None:
    """Each possible mistake in a line of an input has its error."""
    text = wrong(model({"prompt": TEXT, "own_name": item}))
    assert text.startswith(f"mine.toml: model m, inputs.own_name{named}")


def test_a_text_that_is_not_screened_fills_a_choice_only() -> None:
    """A name is sent only as one of the words that the catalogue lists."""
    named = {field.name for field in FIELDS if isinstance(field.type, Text) and not field.written}
    assert "resolution" in named
    for name in named:
        assert f"{name} is not screened" in wrong(model({"prompt": TEXT, "own_name": {"type": "text", "field": name}}))
    listed = {"type": "choice", "field": "resolution", "choices": ["1 MP"]}
    tables = {"m": model({"prompt": TEXT, "size": listed}) | {"status": "hidden"}}
    assert build_catalog({"models": tables}).models["m"].inputs["size"].choices == ("1 MP",)


@pytest.mark.parametrize(
    ("inputs", "sizing", "named"),
    [
        ({"aspect_ratio": {"type": "whole"}}, "ratio", "with choices such as 4:3"),
        ({"aspect_ratio": RATIO | {"choices": ["square", "wide"]}}, "ratio", "with choices such as 4:3"),
        (
            {"aspect_ratio": RATIO | {"choices": ["1:1", "auto:best"]}},
            "megapixels",
            "auto:best is no ratio such as 4:3",
        ),
        ({"aspect_ratio": RATIO | {"choices": ["1:1", "4:0"]}}, "ratio", "4:0 is no ratio such as 4:3"),
        ({"width": SEED, "height": SEED}, HUGE, ""),
        ({"width": SEED | {"field": "width"}, "height": SEED, "aspect_ratio": RATIO}, HUGE, "needs the choice custom"),
    ],
)
def test_a_size_can_always_be_sent(inputs: dict[str, Any], sizing: Any, named: str) -> None:
    """The inputs of a size exist and take it, so no request fails over them."""
    table = model({"prompt": TEXT, **inputs}, sizing=sizing)
    if not named:
        assert build_catalog({"models": {"m": table | {"status": "hidden"}}}).models["m"].sizing is not None
        return
    text = wrong(table)
    assert text.startswith("mine.toml: model m, sizing: ")
    assert named in text


@pytest.mark.parametrize(
    ("raw", "named"),
    [
        ({}, "no model in it"),
        ({"models": {}}, "no model in it"),
        ({"models": []}, "no model in it"),
        ({"models": {"m": 7}}, "model m: must be a table"),
        ({"models": {"m": model(inputs={}) | {"inputs": 7}}}, "model m, inputs: must be a table"),
        ({"models": {"m": model()}, "modells": {}}, "modells: is not known"),
        ({"models": {"m": model()}, "default_models": {}}, "default_models: is not known"),
    ],
)
def test_a_file_that_is_no_catalogue_is_named(raw: dict[str, Any], named: str) -> None:
    """The error has the place too, if it is known."""
    with pytest.raises(CatalogError) as caught:
        build_catalog(raw, "mine.toml")
    assert str(caught.value).startswith("mine.toml")
    assert named in str(caught.value)


def test_a_way_of_successors_ends_at_one_that_is_offered() -> None:
    """A chain of successors is no circle and does not end at a hidden model."""
    retired = model(status="retired", successor="m", inputs={})
    circle = {"m": retired | {"successor": "n"}, "n": retired}
    hidden = {"m": model(status="hidden"), "n": retired}
    for models, named in ((circle, "successor: leads back to m"), (hidden, "model n, successor: m is hidden")):
        with pytest.raises(CatalogError, match=named):
            build_catalog({"models": models}, "mine.toml")


def test_a_retired_model_may_have_forgotten_its_inputs() -> None:
    """No input is sent to a retired model."""
    retired = model(status="retired", successor="good", inputs={}, credits_per="second")
    read = build_catalog({"models": {"good": model(), "m": retired}})
    assert read.successor_of(read.models["m"]) is read.models["good"]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=5,
)


def said_of(table: Any) -> str:
    """The error about a model, or nothing."""
    try:
        build_catalog({"models": {"good": model(), "m": table}})
    except CatalogError as error:
        return str(error)
    return ""


@given(st.sampled_from(sorted(model() | {"sizing": 1, "fallback": 1, "successor": 1, "status": 1})), _JSON)
def test_nothing_in_a_field_breaks_the_reader(field: str, value: Any) -> None:
    """Any value gives a catalogue, or an error that names the place."""
    text = said_of(model() | {field: value})
    assert not text or "model m" in text


@given(st.sampled_from(["type", "field", "choices", "from", "to", "required", "value", "default", "template"]), _JSON)
def test_nothing_in_an_input_breaks_the_reader(field: str, value: Any) -> None:
    """Any value in the line of an input gives a catalogue, or an error that names the place."""
    text = said_of(model({"prompt": TEXT, "seed": SEED | {field: value}}))
    assert not text or "model m, inputs.seed" in text
