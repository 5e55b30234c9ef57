"""Drafts of entries: from all published lists, and from documents as Replicate and strangers write them."""

import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dev.fakes.catalogs import CORE, REAL, REAL_PLANS, REQUEST, catalog
from shared.core.catalog.catalog import Status
from shared.core.catalog.choosing import Quote, quote
from shared.core.catalog.drafting.draft import Draft, draft
from shared.core.catalog.drafting.pricing import Priced, priced
from shared.core.catalog.drafting.published import read_published
from shared.core.catalog.drafting.writing import with_entry
from shared.core.catalog.file import build_catalog, parse_catalog
from shared.core.catalog.mapping import Mapped, inputs_of
from shared.core.catalog.reading import CatalogError
from shared.core.modality import Modality
from shared.core.money.pricing import Price, Unit
from shared.core.reasons import Reason, Refusal
from tests.core.published import SCHEMAS, document, lists

needs_lists = pytest.mark.skipif(not SCHEMAS.exists(), reason=f"there is no copy of the models' schemas at {SCHEMAS}")

OWN: Mapping[str, Any] = tomllib.loads((CORE / "catalog" / "catalog.toml").read_text(encoding="utf-8"))["models"]
HAND = {table["replicate"].partition(":")[0]: table for table in OWN.values()}

#: What an operator says and no schema does; and what is only for the record.
SAID = {"tier", "quality", "credits", "credits_per", "prices", "price_date", "price_page", "fallback", "status"}
SAID |= {"expected_s", "cancel_after_s", "inputs_source", "successor", "output_bytes", "kind", "settable", "run_s"}
SAID |= {"least_run_s"}


def drafted(name: str, listed: Mapping[str, Any]) -> Draft:
    """The draft for one of the lists."""
    return draft(read_published(name, document(listed)))


def differences(made: Draft, hand: Mapping[str, Any]) -> Iterator[str]:
    """The places where a draft is not the entry written by hand: no price, no narrowed bound, no marked guess."""
    for field in (hand.keys() | made.table.keys()) - SAID - {"inputs"}:
        if hand.get(field) != made.table.get(field) and field not in made.marks:
            if field == "sizing" and narrower(hand[field], made.table[field]):
                continue
            yield field
    # What a model always makes is no input that it publishes.
    written = {name: each for name, each in hand.get("inputs", {}).items() if not each.get("implied")}
    inputs = made.table["inputs"]
    for name in written.keys() | inputs.keys():
        place = f"inputs.{name}"
        if written.get(name) == inputs.get(name) or place in made.marks:
            continue
        if name not in written or name not in inputs or not narrower(written[name], inputs[name]):
            yield place


def narrower(hand: Any, made: Any) -> bool:
    """Whether the entry by hand differs in bounds alone, and its bounds lie within the draft's."""
    if not isinstance(hand, dict) or not isinstance(made, dict):
        return False
    bounds = {"from", "to", "step", "choices"}
    same = {key: value for key, value in hand.items() if key not in bounds}
    choices = set(map(str, hand.get("choices", []))) <= set(
        map(str, made.get("choices", hand.get("choices", [])) or [])
    )
    steps = hand.get("step", 1) % made.get("step", 1) == 0
    within = made.get("from", 0) <= hand.get("from", 0) and hand.get("to", 0) <= made.get("to", hand.get("to", 0))
    return same == {key: value for key, value in made.items() if key not in bounds} and choices and steps and within


@needs_lists
def test_every_list_gives_an_entry_that_the_validator_takes() -> None:
    """Each of the 47 is read back from the TOML that is written, is a draft or unpriced, and is not offered."""
    assert len(lists()) == 47
    text = ""
    for name, listed in lists().items():
        made = drafted(name, listed)
        text = with_entry(text, made.name, made.entry)
    read = build_catalog(tomllib.loads(text))
    assert len(read.models) == 47
    assert {model.status for model in read.models.values()} == {Status.DRAFT}


@needs_lists
def test_a_draft_is_the_entry_that_was_written_by_hand() -> None:
    """But for price, narrowed bounds and marked guesses. A retired model's entry has no inputs to compare."""
    both = [name for name in lists() if HAND.get(name, {}).get("inputs")]
    found = {name: sorted(differences(drafted(name, lists()[name]), HAND[name])) for name in both}
    assert {name: wrong for name, wrong in found.items() if wrong} == {}
    assert len(both) >= 20


@needs_lists
def test_what_nobody_should_send_is_in_no_draft() -> None:
    """No draft turns off or loosens a safety checker, or passes a secret on; each says so."""
    for name, listed in lists().items():
        made = drafted(name, listed)
        for each in listed["input"]:
            if "safety" in each or "token" in each.replace("max_tokens", "").replace("min_tokens", ""):
                assert each not in made.table["inputs"]
                assert made.left_out[each] in ("it changes the model's own safety", "it holds a secret")


# Documents as Replicate writes them.


def schema(properties: Mapping[str, Any], output: Any = None, required: tuple[str, ...] = (), **more: Any) -> Any:
    """A model as Replicate's API answers it."""
    schemas: dict[str, Any] = {"Input": {"properties": dict(properties), "required": list(required)}}
    if output is not None:
        schemas["Output"] = output
    schemas |= more.pop("schemas", {})
    version = {"id": "a" * 64, "openapi_schema": {"components": {"schemas": schemas}}}
    return {"is_official": True, "latest_version": version, **more}


def made(properties: Mapping[str, Any], output: Any = None, **more: Any) -> Draft:
    """The draft for a model with these inputs."""
    return draft(read_published("acme/paint", schema(properties, output, **more)))


PROMPT = {"prompt": {"type": "string"}}
URI = {"type": "string", "format": "uri"}


@pytest.mark.parametrize(
    ("output", "modality", "shape"),
    [
        ({"type": "array", "items": URI}, None, "list"),
        (URI, None, "single"),
        ({"type": "object", "properties": {"audio_out": URI}}, Modality.AUDIO, "object"),
        ({"type": "array", "items": {"type": "string"}, "x-cog-array-type": "iterator"}, None, "chunks"),
    ],
)
def test_a_published_output_is_no_guess(output: Any, modality: Modality | None, shape: str) -> None:
    """Its shape is the document's and has no mark."""
    read = read_published("acme/paint", schema({**PROMPT, "width": {"type": "integer"}}, output))
    entry = draft(read, modality=modality)
    assert (entry.table["output"], "output" in entry.marks) == (shape, False)


@pytest.mark.parametrize(
    ("example", "modality"), [("out.mp4", "video"), ("out-0.webp", "image"), ("a.wav", "audio"), ("out.bin", "text")]
)
def test_an_examples_file_says_what_the_model_makes(example: str, modality: str) -> None:
    """An ending that is known is no guess, and its time is taken."""
    shown = {"output": [f"https://replicate.delivery/x/{example}"], "metrics": {"predict_time": 41.2}}
    entry = made(PROMPT, default_example=shown)
    assert entry.table["modality"] == modality
    assert ("modality" in entry.marks) == (example == "out.bin")
    assert entry.table["expected_s"] == 42


def test_what_an_input_means_is_said_with_its_reason() -> None:
    """First and last frame, mask, sound: each is found by name, and each guess has its reason."""
    entry = made(
        {
            **PROMPT,
            "start_image": URI,
            "cfg": {"type": "number", "minimum": 1, "maximum": 10, "default": 5},
            "num_images": {"type": "integer", "minimum": 1, "maximum": 4, "default": 1},
            "seconds": {"type": "integer", "enum": [4, 8], "default": 4},
            "song": URI,
        }
    )
    fields = {name: table.get("field", name) for name, table in entry.table["inputs"].items()}
    assert fields == {
        "prompt": "prompt",
        "start_image": "image_url",
        "cfg": "guidance_scale",
        "num_images": "num_outputs",
        "seconds": "duration_s",
        "song": "input_file",
    }
    assert {place for place in entry.marks if place.startswith("inputs.")} == {f"inputs.{each}" for each in fields} - {
        "inputs.prompt"
    }
    assert all(why for why in entry.marks.values())


def test_a_required_input_that_is_not_sent_keeps_the_model_from_being_offered() -> None:
    """Its mark says why; the entry is read, and a request for it is refused."""
    entry = made({**PROMPT, "pose": {"type": "object"}}, URI, required=("pose",))
    assert "the model requires it" in entry.marks["inputs.pose"]


def test_a_model_that_is_not_official_needs_its_version() -> None:
    """It is the target's; where the document has none, the target is marked."""
    known = draft(read_published("acme/paint", {**schema(PROMPT), "is_official": False}))
    assert (known.table["replicate"], "replicate" in known.marks) == (f"acme/paint:{'a' * 64}", False)
    bare = schema(PROMPT)["latest_version"]["openapi_schema"]
    unknown = draft(read_published("acme/paint", bare))
    assert (unknown.table["replicate"], "replicate" in unknown.marks) == ("acme/paint", True)


def test_references_and_what_may_be_null_are_replaced() -> None:
    """Cog's two ways to write choices and optional inputs give the same entry as the plain one."""
    choices = {"type": "string", "enum": ["1:1", "16:9"]}
    plain = made({**PROMPT, "aspect_ratio": choices, "image": URI})
    referred = made(
        {
            **PROMPT,
            "aspect_ratio": {"allOf": [{"$ref": "#/components/schemas/ratio"}]},
            "image": {"anyOf": [URI, {"type": "null"}]},
        },
        schemas={"ratio": choices},
    )
    assert referred.table == plain.table


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (None, "no inputs are published"),
        ([], "no inputs are published"),
        ({"components": {"schemas": {"Input": {"properties": {}}}}}, "no inputs are published"),
        (schema({f"i{number}": {} for number in range(201)}), "at most 200 are read"),
        (schema({"a b": {"type": "string"}}, required=("a b",)), "whose names cannot be read"),
    ],
)
def test_a_document_that_says_nothing_is_refused(raw: Any, words: str) -> None:
    """The error names the model and what is missing."""
    with pytest.raises(CatalogError, match=f"acme/paint: .*{words}"):
        read_published("acme/paint", raw)


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=5),
    max_leaves=12,
)
NAMES = st.sampled_from(
    ["prompt", "image", "width", "height", "aspect_ratio", "seed", "max_tokens", "duration", "megapixels", "size", "x"]
)
INPUT = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["string", "integer", "number", "boolean", "array", "object"]) | JSON,
        "enum": JSON | st.lists(st.integers() | st.text(max_size=5), max_size=4),
        "default": JSON,
        "minimum": JSON | st.integers(),
        "maximum": JSON | st.integers(),
        "description": JSON,
        "items": JSON,
        "allOf": JSON,
        "x-order": JSON,
    },
)


@given(st.dictionaries(NAMES, INPUT, min_size=1, max_size=6), JSON, JSON)
def test_whatever_a_stranger_publishes_is_an_entry_or_our_error(
    properties: dict[str, Any], output: Any, required: Any
) -> None:
    """Nothing but CatalogError is raised, and what is written reads back as it was."""
    raw = schema(properties, output)
    raw["latest_version"]["openapi_schema"]["components"]["schemas"]["Input"]["required"] = required
    with suppress(CatalogError):
        entry = draft(read_published("acme/paint", raw))
        text = with_entry("", entry.name, entry.entry)
        build_catalog(tomllib.loads(text))


# What the guides' rarer fields become in an operator's own entry.

MOVING = {
    "input_image": URI,
    "frames_per_second": {"type": "integer", "minimum": 5, "maximum": 30, "default": 6},
    "motion_bucket_id": {"type": "integer", "minimum": 1, "maximum": 255, "default": 127},
    "size": {"type": "string", "enum": ["480p", "720p"], "default": "480p"},
    "cfg": {"type": "number", "minimum": 1, "maximum": 10, "default": 3},
    "top_k": {"type": "integer", "minimum": 1, "maximum": 500, "default": 50},
    "top_p": {"type": "number", "minimum": 0.1, "maximum": 1, "default": 0.9},
}


def moving(**more: Any) -> Any:
    """The catalogue with an operator's own model: drafted, its guesses confirmed, and priced."""
    properties = {name: each for name, each in MOVING.items() if name not in more} | more
    drafted_now = made(properties, URI, required=("input_image",), default_example={"output": "https://x/out.mp4"})
    whole = drafted_now.confirmed(list(drafted_now.marks)).changed("tier", "free")
    price = Priced(prices=(Price(Unit.RUN, 80_000),), page="https://replicate.com/acme/paint", day=date(2026, 11, 1))
    return catalog({"paint": priced(whole, price).entry, "flux-schnell": OWN["flux-schnell"]})


def asked_of(read: Any, **said: Any) -> Any:
    """What a request that names the model is served with."""
    request = replace(REQUEST, prompt="", model="paint", image_url="https://app.example/in.png", **said)
    return quote(read, request, REAL_PLANS["free"])


@pytest.mark.parametrize(
    ("field", "value", "takes", "beyond", "sentence"),
    [
        ("fps", 24, "frames_per_second", 60, "fps must be from 5 to 30 for paint"),
        ("motion", 40.0, "motion_bucket_id", 0.5, "motion must be from 1 to 255 for paint"),
        ("resolution", "720p", "size", "4K", "resolution must be one of 480p, 720p for paint"),
        ("guidance_scale", 4.5, "cfg", 20.0, "guidance_scale must be from 1 to 10 for paint"),
        ("top_k", 40, "top_k", 501, "top_k must be from 1 to 500 for paint"),
        ("top_p", 0.5, "top_p", 0.0, "top_p must be from 0.1 to 1 for paint"),
    ],
)
def test_a_rarer_field_of_the_guides_reaches_an_operators_own_model(
    field: str, value: Any, takes: str, beyond: Any, sentence: str
) -> None:
    """It is drafted under the model's name, sent as it was requested, and refused by name beyond its bounds."""
    read = moving()
    assert read.models["paint"].offered
    assert isinstance(asked_of(read, **{field: value}), Quote)
    request = replace(REQUEST, prompt="", image_url="https://app.example/in.png", **{field: value})
    sent = inputs_of(read.models["paint"], request, seed=0)
    assert isinstance(sent, Mapped)
    assert (sent.inputs[takes], sent.ignored_fields) == (value, ())
    refused = asked_of(read, **{field: beyond})
    assert isinstance(refused, Refusal)
    assert (refused.reason, refused.text) == (Reason.INVALID_REQUEST, sentence)


@pytest.mark.parametrize("name", ["fps", "frames_per_second", "frame_rate"])
def test_frames_per_second_are_one_field_whatever_a_model_calls_them(name: str) -> None:
    """The request's field fills the input of that name."""
    read = moving(**{"frames_per_second": {"type": "string"}, name: MOVING["frames_per_second"]})
    assert read.models["paint"].inputs[name].field == "fps"
    assert isinstance(asked_of(read, fps=24), Quote)
    assert asked_of(read, fps=31).text == "fps must be from 5 to 30 for paint"


# What becomes of an entry with open marks, or without a price.

NOT_YET = {
    "replicate": "acme/paint",
    "modality": "image",
    "tier": "free",
    "quality": "economy",
    "expected_s": 5,
    "cancel_after_s": 60,
    "output": "single",
    "inputs": {"prompt": {"type": "text"}, "image": {"type": "image", "field": "image_url"}},
}


@pytest.mark.parametrize(
    ("changes", "status"), [({}, Status.UNPRICED), ({"marks": {"output": "no output is published"}}, Status.DRAFT)]
)
def test_what_is_not_offered_names_the_nearest_that_is(changes: dict[str, Any], status: Status) -> None:
    """By both names; it is no fallback, no quality and no default; nothing is chosen in its place."""
    offered = {name: OWN[name] for name in ("flux-schnell", "flux-dev")}
    read = catalog({"paint": {**NOT_YET, **changes}, **offered})
    assert read.models["paint"].status is status
    assert "paint" not in {model.name for model in read.offered("image")}
    for name in ("paint", "acme/paint"):
        refused = quote(read, replace(REQUEST, model=name), REAL_PLANS["premium"])
        assert isinstance(refused, Refusal)
        assert refused.reason is Reason.UNKNOWN_MODEL
        assert refused.text == "paint is known, but not offered here. The nearest that is offered is flux-dev."


def test_a_status_that_follows_cannot_be_written() -> None:
    """An entry cannot say that it is unpriced or a draft."""
    for status in ("unpriced", "draft"):
        with pytest.raises(CatalogError, match="status: must be one of active, retired, hidden"):
            catalog({"paint": {**NOT_YET, "status": status}})


def test_a_price_and_confirmed_marks_offer_it() -> None:
    """An operator's file that has a price for it is enough; one with a mark left is not."""
    price = "credits = 2\nprices = [{ unit = 'image', usd_micros = 9000 }]\nprice_date = 2026-11-01\n"
    own = with_entry("", "paint", NOT_YET)
    assert parse_catalog(own, over=f"[models.paint]\n{price}").models["paint"].status is Status.ACTIVE
    marked = f"[models.paint]\n{price}[models.paint.marks]\noutput = 'a guess'\n"
    assert parse_catalog(own, over=marked).models["paint"].status is Status.DRAFT


def test_nothing_of_the_apps_own_catalogue_has_an_open_mark() -> None:
    """A draft is an operator's."""
    assert [model.name for model in REAL.models.values() if model.marks] == []
