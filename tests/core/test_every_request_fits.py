"""Random requests for every offered model: what is sent is what its schema accepts, and the rest is refused by us.

The schema is the published one where a copy of the lists lies beside the checkout. Where none is published, or there is
no copy, it is the entry's own: ``python -m tests.core.test_every_request_fits`` prints which.
"""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # it ships no types
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dev.fakes.catalogs import REAL, REQUEST
from shared.core.catalog.catalog import Model
from shared.core.catalog.mapping import Input, Mapped, inputs_of, seed_of
from shared.core.catalog.settable import Settable
from shared.core.modality import InputKind
from shared.core.reasons import Refusal
from shared.core.requests.field_types import Addresses, Flag, Number
from shared.core.requests.fields import FIELD, PICTURES
from shared.core.requests.messages import GenerationRequest
from tests.core.published import document, lists

#: Random requests of each model.
EXAMPLES = settings().max_examples // 5

PICTURE, FILE = "https://pictures.example/cat.png", "ada/ada/in.zip"
OFFERED = [model for model in REAL.models.values() if model.offered]
LISTS = lists()

#: The JSON types of each kind of input, for a model without a published schema.
TYPES: Mapping[InputKind, Mapping[str, Any]] = {
    InputKind.WHOLE: {"type": "integer"},
    InputKind.REAL: {"type": "number"},
    InputKind.FLAG: {"type": "boolean"},
    InputKind.IMAGES: {"type": "array", "items": {"type": "string"}},
}


def source(model: Model) -> str:
    """Where the schema of a model comes from."""
    if model.target.partition(":")[0] in LISTS:
        return "published"
    return f"the entry's own ({model.inputs_source or 'its page at Replicate'})"


def schema(model: Model) -> dict[str, Any]:
    """What the model accepts: no other input than its own, each as it is published."""
    listed = LISTS.get(model.target.partition(":")[0])
    if listed is None:
        properties = {item.name: own(item) for item in model.inputs.values()}
        properties |= {item.name: own(item) for item in model.settable.values()}
        return {"type": "object", "properties": properties, "additionalProperties": False}
    schemas = document(listed)["latest_version"]["openapi_schema"]["components"]["schemas"]
    return {**schemas["Input"], "additionalProperties": False, "components": {"schemas": schemas}}


def own(item: Input | Settable) -> dict[str, Any]:
    """One input as the entry has it."""
    made: dict[str, Any] = dict(TYPES.get(item.kind, {"type": "string"}))
    if item.choices:
        made["enum"] = list(item.choices)
        made["type"] = "integer" if all(isinstance(each, int) for each in item.choices) else "string"
    if item.kind in (InputKind.WHOLE, InputKind.REAL):
        made |= {"minimum": item.low} if item.low > float("-inf") else {}
        made |= {"maximum": item.high} if item.high < float("inf") else {}
    return made


@cache
def prompts(low: int, high: int) -> st.SearchStrategy[str]:
    """Prompts of so many characters."""
    return st.text("abc .", min_size=low, max_size=min(high, low + 40)).filter(lambda t: low <= len(t.strip()))


def values(item: Input | Settable) -> st.SearchStrategy[Any]:
    """Valid values of an input."""
    if item.kind is InputKind.IMAGE:
        return st.just(PICTURE)
    if item.kind.is_file:
        return st.just(FILE)
    if item.choices:
        return st.sampled_from(item.choices)
    if item.kind is InputKind.WHOLE:
        return st.integers(int(item.low), int(min(item.high, 2**32 - 1)))
    if item.kind is InputKind.REAL:
        return st.floats(item.low, item.high)
    return st.booleans() if item.kind is InputKind.FLAG else st.text("ab <|eot_id|>", min_size=1, max_size=40)


@st.composite
def valid(draw: st.DrawFn, model: Model) -> GenerationRequest:
    """A request that names the model and has nothing that the model does not take."""
    said: dict[str, Any] = {"model": model.name}
    for item in model.inputs.values():
        if item.value is not None or item.field in ("prompt", "width", "height", "") or item.field not in FIELD:
            continue
        if item.kind is InputKind.IMAGES:
            most = int(min(item.high, 14))
            said["image_urls"] = tuple([PICTURE] * draw(st.integers(1 if item.required else 0, most))) or None
        elif item.required or draw(st.booleans()):
            said[item.field] = draw(values(item))
    if model.sizing is not None and draw(st.booleans()):
        said |= {"width": draw(st.integers(64, 8192)), "height": draw(st.integers(64, 8192))}
        said.pop("aspect_ratio", None)
    if said.get("aspect_ratio") == "custom":
        said |= {"width": 800, "height": 600}
    said["inputs"] = {item.name: draw(values(item)) for item in model.settable.values() if draw(st.booleans())}
    said["prompt"] = draw(prompts(*model.prompt_characters))
    return replace(REQUEST, **said)


@pytest.mark.parametrize("model", OFFERED, ids=lambda model: model.name)
def test_what_is_valid_is_accepted_by_the_models_schema(model: Model) -> None:
    """Nothing is sent under a name, of a type or beyond a bound that the schema does not have."""
    validator = jsonschema.Draft202012Validator(schema(model))

    @settings(suppress_health_check=[HealthCheck.too_slow], max_examples=EXAMPLES)
    @given(valid(model), st.integers(0, 2**32 - 1))
    def check(request: GenerationRequest, ours: int) -> None:
        sent = inputs_of(model, request, seed=seed_of(model, request, ours))
        assert isinstance(sent, Mapped), sent
        assert [error.message for error in validator.iter_errors(dict(sent.inputs))] == []

    check()


def beyond(model: Model) -> Iterator[tuple[str, dict[str, Any]]]:
    """Requests that the model cannot take: each bound passed by one, a value that is no choice, each field it lacks."""
    fields = {item.field: item for item in model.inputs.values() if item.value is None}
    for field, item in fields.items():
        if item.choices and field in FIELD and field not in ("aspect_ratio", "width", "height"):
            yield field, {field: 7_777 if isinstance(item.choices[0], int) else "none such"}
        elif item.kind in (InputKind.WHOLE, InputKind.REAL) and field not in ("width", "height", "seed", "num_outputs"):
            bounds = FIELD[field].type
            assert isinstance(bounds, Number)
            if item.high < bounds.high:
                yield field, {field: item.high + 1}
            if item.low > bounds.low:
                yield field, {field: item.low - (1 if item.kind is InputKind.WHOLE else 0.01)}
    several = next((item for item in model.inputs.values() if item.kind is InputKind.IMAGES), None)
    if several is not None and several.high < 13:
        yield "image_urls", {"image_urls": (PICTURE,) * (int(several.high) + 1)}
    for field in (*PICTURES, "input_file", "duration_s", "destination"):
        taken = field in fields or (field == "image_urls" and several) or (field == "destination" and several_of(model))
        if not taken:
            kind = FIELD[field].type
            value: Any = (PICTURE,) if isinstance(kind, Addresses) else 5 if isinstance(kind, Number) else PICTURE
            yield field, {field: value}
    for field in {item.field for item in model.inputs.values() if item.required}:
        yield field, {field: None}
    yield from beyond_settable(model)


def beyond_settable(model: Model) -> Iterator[tuple[str, dict[str, Any]]]:
    """Values that a settable input does not have, and every input that the entry does not list."""
    for item in model.settable.values():
        wrong: list[Any] = [["a"], "none such", "true"]
        wrong += [1, 0] if item.kind is InputKind.FLAG or item.choices else [item.high + 1, item.low - 1, True]
        for value in wrong:
            yield f"inputs.{item.name}", {"inputs": {item.name: value}}
    published = LISTS.get(model.target.partition(":")[0], {}).get("input", {})
    for name in {*published, *model.inputs, *FIELD, "hf_api_token", "go_fast"} - model.settable.keys():
        yield f"inputs.{name}", {"inputs": {name: 1}}


def several_of(model: Model) -> bool:
    """Whether the model trains."""
    return any(item.kind is InputKind.ARCHIVE for item in model.inputs.values())


@pytest.mark.parametrize("model", OFFERED, ids=lambda model: model.name)
def test_what_is_not_valid_is_refused_by_us(model: Model) -> None:
    """With a sentence that names the field; Replicate is not asked."""
    base = {
        item.field: PICTURE if item.kind is InputKind.IMAGE else FILE for item in model.inputs.values() if item.required
    }
    cases = list(beyond(model))
    assert cases
    for field, wrong in cases:
        said = inputs_of(model, replace(REQUEST, **{"model": model.name, **base, **wrong}), seed=0)
        assert isinstance(said, Refusal), (field, wrong, said)
        assert field in said.text, (field, said.text)


def test_flags_and_numbers_of_our_fields_are_checked_when_they_are_read() -> None:
    """The types above are all that an input can have: a new one needs its values here."""
    assert {type(FIELD[name].type) for name in ("seed", "continuation", "image_urls")} == {Number, Flag, Addresses}


if __name__ == "__main__":
    for each in OFFERED:
        sys.stdout.write(f"{each.name}: {source(each)}\n")
