"""Replicate's OpenAPI document as a judge: of every request that is sent and of every answer that comes.

The document is a copy of https://api.replicate.com/openapi.json beside the checkout. Where it is not there, nothing is
judged and every check passes.
"""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from email.parser import BytesParser
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from jsonschema import Draft202012Validator, FormatChecker  # type: ignore[import-untyped]  # it ships no types

DOCUMENT = Path(__file__).parents[3].parent / "shared" / "contracts" / "replicate-openapi.json"


def _is_moment(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


_formats = FormatChecker(formats=[])
_formats.checks("date-time", raises=ValueError)(_is_moment)


@cache
def operations() -> Mapping[str, tuple[str, str, Mapping[str, Any]]]:
    """Method, path and description of every operation by its id; nothing without the document."""
    if not DOCUMENT.exists():
        return {}
    return {
        described["operationId"]: (method.upper(), path, described)
        for path, methods in _document()["paths"].items()
        for method, described in methods.items()
    }


def operation_of(request: httpx.Request, base_path: str = "/v1") -> str:
    """The id of the operation that a request is; empty without the document. Fixed paths go before placeholders."""
    path = request.url.raw_path.decode().partition("?")[0].removeprefix(base_path)
    fitting = [
        (template.count("{"), name)
        for name, (method, template, _) in operations().items()
        if method == request.method and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path)
    ]
    return min(fitting)[1] if fitting else ""


def wrong_in_request(request: httpx.Request) -> list[str]:
    """What in a request contradicts the document; its body must have been read."""
    if not operations():
        return []
    name = operation_of(request)
    if not name:
        return [f"{request.method} {request.url.path} is no operation"]
    described = operations()[name][2]
    faults = [*_in_parameters(request, described), *_in_body(request, described)]
    return [f"{name}: {fault}" for fault in faults]


def wrong_in_answer(response: httpx.Response) -> list[str]:
    """What in an answer contradicts the document. It is silent about most errors: those are not judged."""
    name = operation_of(response.request)
    if not name:
        return []
    responses = operations()[name][2]["responses"]
    status = str(response.status_code)
    if status not in responses:
        return [] if response.status_code >= 400 else [f"{name}: answered {status}, which is not foreseen"]
    content = responses[status].get("content", {})
    if not content:
        return [f"{name}: a body where none is foreseen"] if response.content and response.is_success else []
    kind = response.headers["content-type"].partition(";")[0]
    if kind not in content:
        return [f"{name}: answered as {kind}, not {list(content)}"]
    if not kind.endswith("json"):
        return []
    return [f"{name}: {fault}" for fault in _against(content[kind]["schema"], response.json())]


def _in_parameters(request: httpx.Request, described: Mapping[str, Any]) -> Iterator[str]:
    parameters = [_resolved(parameter) for parameter in described.get("parameters", [])]
    foreseen = {parameter["name"] for parameter in parameters if parameter["in"] == "query"} | {"cursor"}
    yield from (f"the query has {name}" for name in request.url.params if name not in foreseen)
    for parameter in parameters:
        name, schema = parameter["name"], parameter["schema"]
        given = (request.url.params if parameter["in"] == "query" else request.headers).get(name)
        if given is None:
            if parameter.get("required") and parameter["in"] == "query":
                yield f"the query lacks {name}"
            continue
        value: object = int(given) if schema["type"] == "integer" else given
        yield from (f"{name}: {fault}" for fault in _against(schema, value))


def _in_body(request: httpx.Request, described: Mapping[str, Any]) -> Iterator[str]:
    body = described.get("requestBody")
    if body is None:
        if request.content:
            yield "a body where none is foreseen"
        return
    kind = request.headers.get("content-type", "").partition(";")[0]
    if kind not in body["content"]:
        yield f"sent as {kind or 'nothing'}, not {list(body['content'])}"
        return
    schema = _resolved(body["content"][kind]["schema"])
    value = _decoded(request, kind)
    yield from _against(schema, value)
    if isinstance(value, dict):  # Replicate refuses unknown keys, also where the document does not say so
        yield from (f"an unknown key {key}" for key in value if key not in schema["properties"])


def _decoded(request: httpx.Request, kind: str) -> object:
    if kind == "text/plain":
        return request.content.decode()
    if kind == "application/json":
        return json.loads(request.content)
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    form: dict[str, object] = {}
    for part in BytesParser().parsebytes(head + request.content).get_payload():
        assert not isinstance(part, str)
        text = part.get_payload(decode=True).decode(errors="replace")  # type: ignore[union-attr]
        name = str(part.get_param("name", header="content-disposition"))
        form[name] = json.loads(text) if part.get_content_type() == "application/json" else text
    return form


def _against(schema: Mapping[str, Any], value: object) -> Iterator[str]:
    root = {**_as_json_schema(schema), "components": _components()}
    for error in Draft202012Validator(root, format_checker=_formats).iter_errors(value):
        yield f"{error.json_path}: {error.message[:200]}"


@cache
def _components() -> Mapping[str, Any]:
    components: Mapping[str, Any] = _as_json_schema(_document()["components"])
    return components


def _as_json_schema(schema: Any) -> Any:
    """OpenAPI 3.0 written as JSON Schema: ``nullable`` is a type, and ``oneOf`` there means any of them."""
    if isinstance(schema, list):
        return [_as_json_schema(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    turned = {key: _as_json_schema(value) for key, value in schema.items() if key not in ("nullable", "example")}
    if schema.get("nullable") is True and "type" in turned:
        turned["type"] = [turned["type"], "null"]
    if isinstance(turned.get("oneOf"), list):  # "hidden" is a string, and the one word of the other form
        turned["anyOf"] = turned.pop("oneOf")
    return turned


def _resolved(described: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = described.get("$ref")
    if reference is None:
        return described
    found: Any = _document()
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    resolved: Mapping[str, Any] = found
    return resolved


@cache
def _document() -> Mapping[str, Any]:
    document: Mapping[str, Any] = json.loads(DOCUMENT.read_text(encoding="utf-8"))
    return document
