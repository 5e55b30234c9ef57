"""The models of a catalog: a file in TOML, whose form README.md describes.

Rules: a model that is retired is left out, because Replicate does not run it either. An entry that cannot be read
leaves out one model, with the reason, and no other: a catalog may be written for another program, and have more than is
read here. Two entries for one model are two ways to use it, so the model takes what either sends.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final, cast, get_args

from replicate_simulator.models import Input, Modality, Model, Shape

_NAME: Final = re.compile(r"[\w.-]+/[\w.-]+(?::[0-9a-f]{64})?")
#: The JSON type of each kind of input, and what an address leads to.
_KINDS: Final[Mapping[str, Input]] = {
    "text": Input("string"),
    "choice": Input("string"),
    "whole": Input("integer"),
    "real": Input("number"),
    "flag": Input("boolean"),
    "image": Input("string", holds="image"),
    "images": Input("array", holds="image"),
    "audio": Input("string", holds="audio"),
    "archive": Input("string", holds="archive"),
    "weights": Input("string"),
}
#: The shape that a modality has where the catalog names none.
_SHAPES: Final[Mapping[str, Shape]] = {"image": "list", "text": "chunks", "training": "version"}


@dataclass(frozen=True, slots=True)
class Catalog:
    """The models, and what was left out: `name of the entry: why`."""

    models: tuple[Model, ...] = ()
    left_out: tuple[str, ...] = ()


@cache
def read_catalog(text: str) -> Catalog:
    """Returns the models of a catalog in TOML."""
    try:
        entries = tomllib.loads(text).get("models", {})
    except tomllib.TOMLDecodeError as error:
        return Catalog(left_out=(f"all: not TOML: {error}",))
    models: dict[str, Model] = {}
    left_out: list[str] = []
    for ours, entry in entries.items():
        try:
            if entry.get("status") != "retired":
                model = _model(entry)
                before = models.get(entry["replicate"])
                models[entry["replicate"]] = _either(before, model) if before else model
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            left_out.append(f"{ours}: {type(error).__name__}: {error}")
    return Catalog(tuple(models.values()), tuple(left_out))


def _model(entry: Mapping[str, Any]) -> Model:
    if not _NAME.fullmatch(entry["replicate"]):
        raise ValueError(f"{entry['replicate']} is neither owner/name nor owner/name:version")
    name, _, version = entry["replicate"].partition(":")
    modality = entry.get("modality", "image")
    output = entry.get("output", _SHAPES.get(modality, "single"))
    if modality not in get_args(Modality) or output not in get_args(Shape):
        raise ValueError(f"{modality} as {output} is not known here")
    given = entry.get("inputs", {})
    sizing = entry.get("sizing")
    return Model(
        name,
        version or None,
        {key: _input(key, each) for key, each in (*given.items(), *entry.get("settable", {}).items())},
        modality=cast(Modality, modality),
        output=cast(Shape, output),
        official=not version,
        step=int(sizing["step"]) if isinstance(sizing, dict) else 1,
        duration=next((key for key, each in given.items() if each.get("field", key) == "duration_s"), "duration"),
    )


def _input(name: str, given: Mapping[str, Any]) -> Input:
    kind = given.get("type", "text")
    if kind not in _KINDS:
        raise ValueError(f"input {name}: a {kind} is not known here")
    value = given.get("value")
    choices = tuple(given.get("choices", ())) or ((value,) if kind == "choice" and value is not None else ())
    base = _KINDS[kind]
    return Input(
        "integer" if choices and all(type(choice) is int for choice in choices) else base.kind,
        given.get("default"),
        choices,
        given.get("from"),
        given.get("to"),
        # A prompt is what nearly every model cannot do without, and the catalog need not say so.
        required=bool(given.get("required", name == "prompt")),
        holds=base.holds,
    )


def _either(one: Model, other: Model) -> Model:
    """Returns a model that takes what either of two takes."""
    both = one.inputs.keys() & other.inputs.keys()
    inputs = {
        **{name: replace(each, required=False) for name, each in {**one.inputs, **other.inputs}.items()},
        **{name: _widest(one.inputs[name], other.inputs[name]) for name in both},
    }
    return replace(one, inputs=inputs)


def _widest(one: Input, other: Input) -> Input:
    enum = tuple(dict.fromkeys((*one.enum, *other.enum))) if one.enum and other.enum else ()
    lows, highs = (one.minimum, other.minimum), (one.maximum, other.maximum)
    return Input(
        one.kind,
        one.default if one.default is not None else other.default,
        enum,
        None if None in lows else min(low for low in lows if low is not None),
        None if None in highs else max(high for high in highs if high is not None),
        required=one.required and other.required,
        holds=one.holds,
    )
