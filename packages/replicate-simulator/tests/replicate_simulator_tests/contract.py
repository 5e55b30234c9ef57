"""Checks answers against Replicate's published OpenAPI document, where there is a copy of it.

The copy lies in the folder that REPLICATE_CONTRACTS names, or in `shared/contracts` beside the checkout. Without it no
answer can be checked: the tests that are marked with ``needs_document`` are skipped and say so, one for all answers.
The validator knows the part of JSON Schema that the document uses.
"""

import json
import os
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

_BESIDE: Final = Path(__file__).parents[4].parent / "shared" / "contracts"
_FOLDER: Final = Path(os.environ.get("REPLICATE_CONTRACTS") or _BESIDE)
_DOCUMENT: Final = _FOLDER / "replicate-openapi.json"
MODELS: Final = _FOLDER / "replicate-model-schemas.json"
_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}

needs_document = pytest.mark.skipif(
    not _DOCUMENT.exists(),
    reason=f"there is no copy of Replicate's OpenAPI document at {_DOCUMENT}: no answer of any test is held against it",
)
needs_models = pytest.mark.skipif(not MODELS.exists(), reason=f"there is no copy of the models' schemas at {MODELS}")


def violations(answer: object, method: str, path: str, status: int) -> list[str]:
    """What in a JSON answer contradicts the document; `path` as the document writes it, without /v1."""
    if not _DOCUMENT.exists():
        return []
    responses = _document()["paths"][path][method]["responses"]
    if str(status) not in responses:
        return [f"status {status} is not among {sorted(responses)}"]
    return list(_check(answer, responses[str(status)]["content"]["application/json"]["schema"], "answer"))


def operations() -> list[tuple[str, str]]:
    """The document's operations: method and path, without /v1."""
    return [
        (method.upper(), path)
        for path, item in _document()["paths"].items()
        for method in item
        if method != "parameters"
    ]


@cache
def _document() -> Mapping[str, Any]:
    document: Mapping[str, Any] = json.loads(_DOCUMENT.read_text(encoding="utf-8"))
    return document


def _check(value: object, schema: Mapping[str, Any], place: str) -> Iterator[str]:
    if "$ref" in schema:
        schema = _document()["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    if value is None and (schema.get("nullable") or "type" not in schema):
        return
    if "oneOf" in schema and all(list(_check(value, each, place)) for each in schema["oneOf"]):
        yield f"{place}: fits none of its forms"
    if "type" in schema and not isinstance(value, _TYPES[schema["type"]]):
        yield f"{place}: {value!r} is no {schema['type']}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{place}: {value!r} is not in the enum"
    if isinstance(value, str) and schema.get("format") == "date-time":
        yield from _check_time(value, place)
    if isinstance(value, dict):
        yield from _check_object(value, schema, place)
    if isinstance(value, list) and "items" in schema:
        for index, each in enumerate(value):
            yield from _check(each, schema["items"], f"{place}[{index}]")


def _check_object(value: Mapping[str, Any], schema: Mapping[str, Any], place: str) -> Iterator[str]:
    for name in schema.get("required", []):
        if name not in value:
            yield f"{place}: {name} is missing"
    for name, each in schema.get("properties", {}).items():
        if name in value:
            yield from _check(value[name], each, f"{place}.{name}")


def _check_time(value: str, place: str) -> Iterator[str]:
    try:
        datetime.fromisoformat(value)
    except ValueError:
        yield f"{place}: {value!r} is no date and time"
