"""Compares the catalogue with Replicate as it is now.

Only a difference that would break a request counts: a model or a version that is gone, an input that is gone or has
become required, a value that we offer and the model no longer takes. A new input or value breaks nothing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from shared.adapters.replicate.reading import fields
from shared.adapters.replicate.sdk.api import ReplicateApi
from shared.adapters.replicate.sdk.errors import NotFoundError
from shared.adapters.replicate.sdk.types import Version
from shared.core.catalog.catalog import Catalog, Model, Shape, Status
from shared.core.catalog.drafting.published import resolved
from shared.core.catalog.mapping import Input

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
    """One difference: the catalogue's model, its field ("" for the model itself), and what is different."""

    model: str
    field: str
    text: str


async def drift(api: ReplicateApi, catalog: Catalog) -> list[Drift]:
    """All differences, in the catalogue's order.

    Raises:
        ReplicateError: a model could not be read at Replicate.
    """
    offered = [model for model in catalog.models.values() if model.status is not Status.RETIRED]
    return [found for model in offered for found in await _of_model(api, model)]


async def _of_model(api: ReplicateApi, model: Model) -> list[Drift]:
    name, _, pinned = model.target.partition(":")
    try:
        live = await api.models.get(name)
        version = await api.versions.get(name, pinned) if pinned else live.latest_version
    except NotFoundError as gone:
        lost = f"version {pinned[:12]} of {name}" if gone.operation == "models.versions.get" else name
        return [Drift(model.name, "", f"{lost} is not there any more")]
    if version is None or not fields(version.schemas.get("Input")):
        return [Drift(model.name, "", f"{name} shows no inputs: nothing could be compared")]
    return list(_of_inputs(model, version))


def _of_inputs(model: Model, version: Version) -> Iterator[Drift]:
    schema = fields(version.schemas["Input"])
    theirs = fields(schema.get("properties"))
    for ours in model.inputs.values():
        if ours.name not in theirs:
            yield Drift(model.name, ours.name, "the model has no such input any more")
            continue
        for text in _of_input(ours, resolved(theirs[ours.name], version.schemas)):
            yield Drift(model.name, ours.name, text)
    shape = fields(version.schemas.get("Output")).get("type")
    if isinstance(shape, str) and (shape == "array") != (model.output in (Shape.LIST, Shape.CHUNKS)):
        yield Drift(model.name, "", f"its output is of the type {shape} now, ours is {model.output}")
    required = schema.get("required")
    for name in required if isinstance(required, list) else []:
        if name not in model.inputs:
            yield Drift(model.name, str(name), "the model requires it, and we never send it")


def _of_input(ours: Input, theirs: Mapping[str, Any]) -> Iterator[str]:
    kind = theirs.get("type")
    if isinstance(kind, str) and kind not in _TYPES.get(ours.kind, (kind,)):
        yield f"it is of the type {kind} now, ours is {ours.kind}"
    choices = theirs.get("enum")
    if isinstance(choices, list) and (gone := [choice for choice in ours.choices if choice not in choices]):
        yield f"no longer a choice: {', '.join(map(str, gone))}"
    least, most = theirs.get("minimum"), theirs.get("maximum")
    if isinstance(least, (int, float)) and ours.low < least:
        yield f"its least value is {least:g} now, ours is {ours.low:g}"
    if isinstance(most, (int, float)) and ours.high > most:
        yield f"its greatest value is {most:g} now, ours is {ours.high:g}"
