"""Compares the catalogue with Replicate as it is now.

Only a difference that would break a request counts: a model or a version that is gone, an input that is gone or has
become required, a value that we offer and the model no longer takes. A new input or value breaks nothing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from dataclasses import field as attribute
from typing import Any

from shared.adapters.replicate.reading import fields
from shared.adapters.replicate.sdk.api import ReplicateApi
from shared.adapters.replicate.sdk.errors import NotFoundError
from shared.adapters.replicate.sdk.types import Version
from shared.core.catalog.catalog import Catalog, Model, Shape, Status
from shared.core.catalog.drafting.published import resolved
from shared.core.catalog.mapping import Input
from shared.core.catalog.settable import Settable

#: The JSON types that each kind of input may have at Replicate. A kind that is not listed may have any.
_TYPES: Mapping[str, tuple[str, ...]] = {
    "text": ("string",),
    "choice": ("string",),
    "whole": ("integer", "number"),
    "real": ("number",),
    "image": ("string",),
    "audio": ("string",),
    "archive": ("string",),
    "images": ("array",),
    "flag": ("boolean",),
}


@dataclass(frozen=True, slots=True)
class Drift:
    """One difference: the catalogue's model, its field ("" for the model itself), and what is different.

    ``fix`` is what an operator's file says instead, laid over the entry. What cannot be narrowed is marked, so that the
    model is not offered until somebody has looked at it.
    """

    model: str
    field: str
    text: str
    fix: Mapping[str, Any] = attribute(default_factory=dict, compare=False)


def _marked(model: str, name: str, text: str, table: str = "inputs") -> Drift:
    return Drift(model, name, text, {"marks": {f"{table}.{name}" if name else "replicate": text}})


async def drift(api: ReplicateApi, catalog: Catalog) -> list[Drift]:
    """All differences, in the catalogue's order.

    What trained versions inherit is left out: it is no model of its own, and its target is its trainer.

    Raises:
        ReplicateError: a model could not be read at Replicate.
    """
    inherited = {model.version_entry for model in catalog.models.values()}
    offered = [
        each for each in catalog.models.values() if each.status is not Status.RETIRED and each.name not in inherited
    ]
    return [found for model in offered for found in await _of_model(api, model)]


async def _of_model(api: ReplicateApi, model: Model) -> list[Drift]:
    name, _, pinned = model.target.partition(":")
    try:
        live = await api.models.get(name)
        version = await api.versions.get(name, pinned) if pinned else live.latest_version
    except NotFoundError as gone:
        lost = f"version {pinned[:12]} of {name}" if gone.operation == "models.versions.get" else name
        if lost == name:
            return [Drift(model.name, "", f"{lost} is not there any more", {"status": Status.HIDDEN.value})]
        return [_marked(model.name, "", f"{lost} is not there any more")]
    if version is None or not fields(version.schemas.get("Input")):
        return [_marked(model.name, "", f"{name} shows no inputs: nothing could be compared")]
    return list(_of_inputs(model, version))


def _listed(model: Model) -> Iterator[tuple[str, Input | Settable]]:
    """Each input of the entry, with the table that it stands in."""
    for filled in model.inputs.values():
        yield "inputs", filled
    for set_by_request in model.settable.values():
        yield "settable", set_by_request


def _of_inputs(model: Model, version: Version) -> Iterator[Drift]:
    schema = fields(version.schemas["Input"])
    theirs = fields(schema.get("properties"))
    for table, ours in _listed(model):
        if isinstance(ours, Input) and ours.implied:
            continue  # nothing is sent
        if ours.name not in theirs:
            yield _marked(model.name, ours.name, "the model has no such input any more", table)
            continue
        for text, narrowed in _of_input(ours, resolved(theirs[ours.name], version.schemas)):
            if narrowed:
                yield Drift(model.name, ours.name, text, {table: {ours.name: narrowed}})
            else:
                yield _marked(model.name, ours.name, text, table)
    shape = fields(version.schemas.get("Output")).get("type")
    if isinstance(shape, str) and (shape == "array") != (model.output in (Shape.LIST, Shape.CHUNKS)):
        text = f"its output is of the type {shape} now, ours is {model.output}"
        yield Drift(model.name, "", text, {"marks": {"output": text}})
    required = schema.get("required")
    for name in required if isinstance(required, list) else []:
        if name not in model.inputs:
            yield _marked(model.name, str(name), "the model requires it, and we never send it")


def _of_input(ours: Input | Settable, theirs: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each difference of one input, and what its table says instead; that is empty if nothing can be narrowed."""
    kind = theirs.get("type")
    if isinstance(kind, str) and kind not in _TYPES.get(ours.kind, (kind,)):
        yield f"it is of the type {kind} now, ours is {ours.kind}", {}
    choices = theirs.get("enum")
    if isinstance(choices, list) and (gone := [choice for choice in ours.choices if choice not in choices]):
        left = [choice for choice in ours.choices if choice in choices]
        default = {"default": left[0]} if left and ours.default in gone else {}
        yield f"no longer a choice: {', '.join(map(str, gone))}", {"choices": left, **default} if left else {}
    least, most = theirs.get("minimum"), theirs.get("maximum")
    if isinstance(least, (int, float)) and ours.low < least:
        yield f"its least value is {least:g} now, ours is {ours.low:g}", _within(ours, "from", least)
    if isinstance(most, (int, float)) and ours.high > most:
        yield f"its greatest value is {most:g} now, ours is {ours.high:g}", _within(ours, "to", most)


def _within(ours: Input | Settable, bound: str, value: float) -> Mapping[str, Any]:
    """The input with a narrower bound, and a default within it. Empty if the bounds would cross."""
    low, high = (value, ours.high) if bound == "from" else (ours.low, value)
    if low > high:
        return {}
    default = ours.default
    outside = isinstance(default, (int, float)) and not isinstance(default, bool) and not low <= default <= high
    exact = int(value) if float(value).is_integer() else value
    return {bound: exact, **({"default": exact} if outside else {})}
