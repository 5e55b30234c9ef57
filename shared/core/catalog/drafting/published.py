"""A model as its provider publishes it: its inputs and the form of its output, read from an OpenAPI document.

Rules of this file:
1. The document is a stranger's. What cannot be read counts as not published. A document without inputs, or with more
   than its bounds, is a CatalogError that says what is wrong.
2. Three documents are read: the schema itself, a version (``{"openapi_schema": ...}``), and a whole model
   (``{"latest_version": ...}``), as Replicate's API answers them.
3. References are replaced: Cog writes choices as ``allOf: [{$ref: ...}]``, and what may be null as ``anyOf``.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from shared.core.catalog.reading import CatalogError

#: The most inputs of a model, values of a choice, and characters of a text that are read.
MOST_INPUTS, MOST_CHOICES, MOST_CHARACTERS = 200, 200, 500

_NAME = re.compile(r"[A-Za-z_]\w{0,63}", re.ASCII)
_VERSION = re.compile(r"[0-9a-f]{64}", re.ASCII)
_EXTENSION = re.compile(r"\.([a-z0-9]{2,5})(?:\?|$)", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedInput:
    """One input. ``type`` is a JSON type, or empty if it is not published. ``of`` is that of an array's items."""

    name: str
    type: str = ""
    of: str = ""
    format: str = ""
    description: str = ""
    default: Any = None
    choices: tuple[str | int, ...] = ()
    low: float | None = None
    high: float | None = None
    required: bool = False
    order: int = 0

    @property
    def words(self) -> str:
        """Its name and description in small letters, in which rules look for words."""
        return f"{self.name} {self.description}".lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedOutput:
    """The output. ``type`` is a JSON type, ``of`` that of an array's items. ``iterates``: it comes in parts."""

    type: str
    of: str = ""
    format: str = ""
    iterates: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A model. ``official`` and ``output`` are None if the document does not say. ``example`` is a file's extension."""

    name: str
    inputs: Mapping[str, PublishedInput]
    output: PublishedOutput | None = None
    official: bool | None = None
    version: str = ""
    description: str = ""
    example: str = ""
    example_s: float = field(default=0.0)


def read_published(name: str, document: object) -> Published:
    """The model of a document (rule 2). Raises CatalogError if it has no inputs that can be read."""
    whole = _table(document)
    version = _table(whole.get("latest_version")) or (whole if "openapi_schema" in whole else {})
    schema = _table(version.get("openapi_schema")) or whole
    schemas = _table(_table(schema.get("components")).get("schemas"))
    inputs = _inputs(name, schemas)
    example = _table(whole.get("default_example"))
    official = whole.get("is_official")
    known = _text(version.get("id"))
    return Published(
        name=name,
        inputs=inputs,
        output=_output(schemas),
        official=official if isinstance(official, bool) else None,
        version=known if _VERSION.fullmatch(known) else "",
        description=_text(whole.get("description")),
        example=_extension(example.get("output")),
        example_s=_seconds(_table(example.get("metrics")).get("predict_time")),
    )


def resolved(schema: object, schemas: Mapping[str, Any]) -> Mapping[str, Any]:
    """A schema with its references replaced, one level deep (rule 3)."""
    whole = dict(_table(schema))
    for part in _parts(whole, schemas):
        whole = {**part, **whole}
    return whole


def _parts(whole: Mapping[str, Any], schemas: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for key in ("allOf", "anyOf", "oneOf"):
        listed = whole.get(key)
        meant = [part for part in (listed if isinstance(listed, list) else []) if _table(part).get("type") != "null"]
        if len(meant) == 1 or key == "allOf":
            yield from (_referred(part, schemas) for part in meant[:MOST_CHOICES])
    if "$ref" in whole:
        yield _referred(whole, schemas)


def _referred(part: object, schemas: Mapping[str, Any]) -> Mapping[str, Any]:
    table = _table(part)
    return _table(schemas.get(_text(table.get("$ref")).rpartition("/")[2])) or table


def _inputs(name: str, schemas: Mapping[str, Any]) -> Mapping[str, PublishedInput]:
    schema = _table(schemas.get("Input"))
    properties = _table(schema.get("properties"))
    if not properties:
        raise CatalogError(f"{name}: no inputs are published (components.schemas.Input.properties)")
    if len(properties) > MOST_INPUTS:
        raise CatalogError(f"{name}: has {len(properties)} inputs, and at most {MOST_INPUTS} are read")
    listed = schema.get("required")
    required = {each for each in (listed if isinstance(listed, list) else []) if isinstance(each, str)}
    read = [
        _input(key, resolved(raw, schemas), required=key in required)
        for key, raw in properties.items()
        if _NAME.fullmatch(key)
    ]
    if unread := sorted(required - {each.name for each in read}):
        raise CatalogError(f"{name}: requires {len(unread)} input(s) whose names cannot be read")
    return {each.name: each for each in sorted(read, key=lambda each: each.order)}


def _input(name: str, schema: Mapping[str, Any], *, required: bool) -> PublishedInput:
    choices = schema.get("enum")
    choices = choices if isinstance(choices, list) and len(choices) <= MOST_CHOICES else []
    plain = tuple(each for each in choices if isinstance(each, (str, int)) and not isinstance(each, bool))
    default, order = schema.get("default"), schema.get("x-order")
    items = _table(schema.get("items"))
    secret = schema.get("x-cog-secret") is True
    return PublishedInput(
        name=name,
        type=_text(schema.get("type")),
        of=_text(items.get("type")),
        format="password" if secret else _text(schema.get("format")) or _text(items.get("format")),
        description=_text(schema.get("description")),
        default=default if _is_plain(default) else None,
        choices=plain if len(plain) == len(choices) else (),
        low=_number(schema.get("minimum")),
        high=_number(schema.get("maximum")),
        required=required,
        order=order if isinstance(order, int) else 0,
    )


def _output(schemas: Mapping[str, Any]) -> PublishedOutput | None:
    schema = resolved(schemas.get("Output"), schemas)
    kind = _text(schema.get("type"))
    if not kind:
        return None
    items = resolved(schema.get("items"), schemas)
    return PublishedOutput(
        type=kind,
        of=_text(items.get("type")),
        format=_text(schema.get("format")) or _text(items.get("format")),
        iterates=schema.get("x-cog-array-type") == "iterator",
    )


def _extension(output: object) -> str:
    """The extension of the first file of an example's output. Empty if it has none."""
    first = output[0] if isinstance(output, list) and output else output
    found = _EXTENSION.search(first.lower()) if isinstance(first, str) and first.startswith("https://") else None
    return found[1] if found else ""


def _seconds(value: object) -> float:
    number = _number(value)
    return number if number is not None and 0 < number < 86_400 else 0.0


def _table(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value[:MOST_CHARACTERS] if isinstance(value, str) else ""


def _number(value: object) -> float | None:
    """A finite number that a float can hold; an integer stays one."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) > 2**63 or not math.isfinite(value):
        return None
    return int(value) if float(value).is_integer() else value


def _is_plain(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= MOST_CHARACTERS
    return isinstance(value, bool) or _number(value) is not None
