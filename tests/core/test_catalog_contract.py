"""The catalogue compared with the models' published schemas, if a copy of them lies beside the checkout."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from dev.fakes.catalogs import REAL
from shared.core.catalog.catalog import Model
from shared.core.catalog.mapping import Input
from shared.core.modality import InputKind
from tests.core.published import SCHEMAS, lists

#: What the schemas call the types that an input of ours may have; one with choices is called by its own name there.
TYPES = {
    "text": {"str", "str | None"},
    "image": {"str", "str | None", "ImageRef"},
    "images": {"list"},
    "audio": {"str", "str | None", "AudioRef"},
    "archive": {"str", "str | None"},
    "whole": {"int", "int | None"},
    "real": {"float", "float | None"},
    "weights": {"str", "str | None"},
    "flag": {"bool"},
}

Published = Mapping[str, Any]


def differences(model: Model, published: Published) -> list[str]:
    """The differences of our model from the published one: its version and its inputs."""
    _, _, pinned = model.target.partition(":")
    found = [] if pinned == ("" if published["is_official"] else published["version"]) else ["version"]
    for item in model.inputs.values():
        if item.implied:
            continue  # nothing is sent
        theirs = published["input"].get(item.name)
        wrong = ["missing"] if theirs is None else of_input(item, theirs)
        found += [f"{item.name}: {text}" for text in wrong]
    return found


def of_input(ours: Input, theirs: Published) -> Iterator[str]:
    """The differences of one input: type, choices, range, default."""
    choices = theirs.get("enum")
    if choices is None and (ours.kind == "choice" or theirs["type"] not in TYPES[ours.kind]):
        yield f"type {theirs['type']}"
    if choices is not None and not (ours.choices and set(ours.choices) <= set(choices)):
        yield "choices"
    if "minimum" in theirs and ours.low < theirs["minimum"]:
        yield "from"
    if "maximum" in theirs and ours.high > theirs["maximum"]:
        yield "to"
    if ours.default is not None and ours.default != theirs["default"]:
        yield "default"


@pytest.mark.skipif(not SCHEMAS.exists(), reason=f"there is no copy of the models' schemas at {SCHEMAS}")
def test_the_catalogue_is_as_the_schemas_say() -> None:
    """Every model of the schemas agrees in version, inputs, types, choices, ranges and defaults."""
    schemas = lists()
    known = {
        model.name: differences(model, schemas[name])
        for model in REAL.models.values()
        if (name := model.target.partition(":")[0]) in schemas
    }
    assert {name: found for name, found in known.items() if found} == {}
    assert {"flux-schnell", "sdxl", "gen4-turbo", "musicgen", "llama-3-70b", "llama-guard-3-8b"} <= set(known)


# The comparison itself, on a model that is made up.

MODEL = replace(
    REAL.models["sdxl"],
    target=f"acme/paint:{'a' * 64}",
    inputs={
        "prompt": Input(name="prompt", kind=InputKind.TEXT, field="prompt"),
        "image": Input(name="image", kind=InputKind.IMAGE, field="image_url"),
        "input_images": Input(name="input_images", kind=InputKind.IMAGES, field="image_url"),
        "aspect_ratio": Input(
            name="aspect_ratio", kind=InputKind.CHOICE, field="aspect_ratio", choices=("1:1", "16:9")
        ),
        "duration": Input(name="duration", kind=InputKind.WHOLE, field="duration_s", choices=(5, 10), default=5),
        "steps": Input(name="steps", kind=InputKind.WHOLE, field="num_inference_steps", low=1, high=50, default=28),
        "cfg": Input(name="cfg", kind=InputKind.REAL, field="guidance_scale", low=1, high=10),
    },
)
PUBLISHED: Published = {
    "version": "a" * 64,
    "is_official": False,
    "input": {
        "prompt": {"type": "str | None", "default": None},
        "image": {"type": "ImageRef", "default": None},
        "input_images": {"type": "list", "default": []},
        "aspect_ratio": {"type": "Aspect_ratio", "default": "1:1", "enum": ["1:1", "16:9", "4:3"]},
        "duration": {"type": "Duration", "default": 5, "enum": [5, 10]},
        "steps": {"type": "int", "default": 28, "minimum": 1.0, "maximum": 60.0},
        "cfg": {"type": "float", "default": 5, "minimum": 1.0, "maximum": 10.0},
    },
}


def test_a_model_that_is_as_published_has_no_differences() -> None:
    """A narrower range than the published one is no difference."""
    assert differences(MODEL, PUBLISHED) == []


@pytest.mark.parametrize(
    ("changed", "change", "found"),
    [
        ("cfg", {"high": 11}, "cfg: to"),
        ("cfg", {"low": 0}, "cfg: from"),
        ("cfg", {"kind": "whole"}, "cfg: type float"),
        ("steps", {"high": float("inf")}, "steps: to"),
        ("steps", {"default": 20}, "steps: default"),
        ("aspect_ratio", {"choices": ("1:1", "7:3")}, "aspect_ratio: choices"),
        ("aspect_ratio", {"choices": ()}, "aspect_ratio: choices"),
        ("duration", {"choices": ("5", "10")}, "duration: choices"),
        ("duration", {"choices": (5, 9)}, "duration: choices"),
        ("input_images", {"kind": "image"}, "input_images: type list"),
        ("prompt", {"kind": "choice", "choices": ("a",)}, "prompt: type str | None"),
        ("prompt", {"name": "text"}, "text: missing"),
    ],
)
def test_a_wrong_input_is_found(changed: str, change: dict[str, Any], found: str) -> None:
    """A wrong range, choice, type, default or name is found, and nothing else is reported."""
    wrong = replace(MODEL, inputs={**MODEL.inputs, changed: replace(MODEL.inputs[changed], **change)})
    assert differences(wrong, PUBLISHED) == [found]


@pytest.mark.parametrize(
    ("target", "official"),
    [(f"acme/paint:{'b' * 64}", False), ("acme/paint", False), (f"acme/paint:{'a' * 64}", True)],
)
def test_a_wrong_version_is_found(target: str, official: bool) -> None:
    """The version may differ, be missing, or be there although the model has none."""
    assert differences(replace(MODEL, target=target), {**PUBLISHED, "is_official": official}) == ["version"]
