"""Helper: the published schemas, as Replicate's ``openapi_schema`` has them, from the lists that lie beside a checkout.

The lists have neither required inputs nor an output. A list of strings is all that they know of several pictures. Some
of these they call one picture: then the description says "List of", and so does ``lists``.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

SCHEMAS = Path(__file__).parents[3] / "shared" / "contracts" / "replicate-model-schemas.json"

TYPES: Mapping[str, Mapping[str, Any]] = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "list": {"type": "array", "items": {"type": "string", "format": "uri"}},
    "ImageRef": {"type": "string", "format": "uri"},
}


@cache
def lists() -> Mapping[str, Any]:
    """The lists by owner/name. Empty without a copy of them."""
    read: dict[str, Any] = json.loads(SCHEMAS.read_text(encoding="utf-8")) if SCHEMAS.exists() else {}
    for listed in read.values():
        for each in listed["input"].values():
            if each["type"] == "ImageRef" and "List of" in each["description"]:
                each |= {"type": "list", "default": []}
    return read


def document(listed: Mapping[str, Any]) -> dict[str, Any]:
    """A model as Replicate's API answers it: its schema as Cog writes it, with a reference for each choice."""
    properties: dict[str, Any] = {}
    schemas: dict[str, Any] = {}
    for order, (name, each) in enumerate(listed["input"].items()):
        kept = {key: each[key] for key in ("description", "default", "minimum", "maximum") if each.get(key) is not None}
        if "enum" in each:
            kind = "integer" if all(isinstance(choice, int) for choice in each["enum"]) else "string"
            schemas[name] = {"type": kind, "title": name, "description": "An enumeration.", "enum": each["enum"]}
            properties[name] = {"allOf": [{"$ref": f"#/components/schemas/{name}"}], "x-order": order, **kept}
        else:
            properties[name] = {**TYPES[each["type"].removesuffix(" | None")], "x-order": order, **kept}
    schemas["Input"] = {"type": "object", "title": "Input", "properties": properties}
    return {
        "is_official": listed["is_official"],
        "latest_version": {"id": listed["version"], "openapi_schema": {"components": {"schemas": schemas}}},
    }
