"""docs/requests.md: its tables and examples are what the code reads and writes."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dev.fakes.catalogs import REAL as CATALOG
from dev.fakes.catalogs import REAL_PLANS
from dev.fields import with_table
from shared.core.catalog.catalog import Catalog, Status
from shared.core.catalog.choosing import Quote, quote
from shared.core.catalog.mapping import inputs_of
from shared.core.catalog.sizes import Value, view
from shared.core.events.approval_event import ApprovalEvent
from shared.core.events.generation_event import ChosenBy, GenerationEvent, Output, PassedOver
from shared.core.events.limit_event import LimitEvent
from shared.core.keys import Key
from shared.core.lifecycle.approval import Asked
from shared.core.money.limits import Effect, Limit, Notice, Scope
from shared.core.money.windows import Span
from shared.core.reasons import Reason, Refusal
from shared.core.requests import parsing
from shared.core.requests.fields import MODALITIES
from shared.core.requests.messages import CancelRequest, GenerationRequest
from shared.core.requests.parsing import parse_request
from shared.worker.delivery import INLINE_CHARACTERS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "requests.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")

#: What steers Darkroom itself, whatever is made.
STEERING = {"type", "generation_id", "user_id", "account_id", "prompt", "model", "modality", "quality", "max_credits"}
STEERING |= {"kind", "allow_fallback", "metadata", "strict", "inputs"}


def rows(head: str) -> list[list[str]]:
    """The rows of the table whose head begins so, without the marks around a first cell."""
    _, _, after = PAGE.partition(f"| {head} |")
    lines = after.partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


FIELDS = {row[0].strip(" `"): row for row in rows("Field")}


def test_every_field_of_a_request_is_listed_and_no_other() -> None:
    """As it is called in the message."""
    known = set(GenerationRequest.__dataclass_fields__) - {"key", "unknown_fields", "digest"} | {
        "type",
        "generation_id",
        "user_id",
        "account_id",
    }
    assert set(FIELDS) == known
    assert len(FIELDS) == len(rows("Field"))


def test_the_table_is_the_one_that_the_code_has() -> None:
    """Whole, as `python3 -m dev fields --write` writes it; and the bound of the message above it."""
    assert with_table(PAGE) == PAGE
    assert f"at most {parsing.REQUEST_BYTES // 1024} KiB" in PAGE


def test_every_type_and_bound_is_stated_in_words() -> None:
    """One of each kind, as the page has it."""
    rules = {name: row[1] for name, row in FIELDS.items()}
    assert rules["modality"] == "text, one of `image`, `video`, `audio`, `text`, `training`"
    assert rules["negative_prompt"] == "text, at most 2,000 characters"
    assert rules["destination"] == "text, at most 140 characters, `owner/name`"
    assert rules["prompt"] == "text, not blank, 3 to 500 characters unless the model has other bounds"
    assert rules["seed"] == "whole number, 0 to 4,294,967,295"
    assert rules["guidance_scale"] == "number, 0 to 100"
    assert rules["strict"] == "true or false"
    assert rules["metadata"] == "object of at most 16 texts, names and values of at most 256 characters"


def takers(catalog: Catalog, field: str, status: Status = Status.ACTIVE) -> list[str]:
    """The modalities that have a model which takes a field."""
    found, known = set(), set()
    for model in catalog.models.values():
        used = {item.field for item in model.inputs.values() if item.value is None}
        used |= {"width", "height", "aspect_ratio"} if model.sizing else set()
        used |= {"image_urls"} if any(item.kind == "images" for item in model.inputs.values()) else set()
        used |= {"seed"} if "seed" in model.inputs else set()
        used |= {"system_prompt"} if any(item.system_template for item in model.inputs.values()) else set()
        used |= {"destination"} if model.modality == "training" else set()
        if field in used and model.status is status:
            found.add(model.modality)
        if field in used and model.status is Status.UNPRICED:
            known.add(model.modality)
    return [modality for modality in MODALITIES if modality in (found or known)]


@pytest.mark.parametrize("field", FIELDS)
def test_every_field_says_what_it_is_for(field: str) -> None:
    """By the catalogue that comes with the app."""
    wanted = (
        "all" if field in STEERING else ", ".join(takers(CATALOG, field) or takers(CATALOG, field, Status.UNPRICED))
    )
    assert FIELDS[field][2] == wanted


EXAMPLES: dict[str, str] = dict(
    re.findall(r"^### ([^\n]+)\n\n```json\n(.+?)\n```$", PAGE.partition("## Examples")[2], re.MULTILINE | re.DOTALL)
)


def test_there_is_an_example_of_everything() -> None:
    """Each modality, a picture from a picture, and one with inputs of its model."""
    assert [title.partition(",")[0] for title in EXAMPLES] == ["image", "image", *MODALITIES]


@pytest.mark.parametrize("title", EXAMPLES)
def test_every_example_is_read_and_accepted(title: str) -> None:
    """By the parser with no field unknown, and by the catalogue for a user of the plan basic, with none ignored."""
    message, unknown = parse_request(EXAMPLES[title].encode())
    assert isinstance(message, GenerationRequest)
    assert unknown == ()
    quoted = quote(CATALOG, message, REAL_PLANS["basic"])
    assert isinstance(quoted, Quote), quoted
    assert quoted.model.modality == title.partition(",")[0]
    mapped = inputs_of(quoted.model, message, seed=0)
    assert not isinstance(mapped, Refusal)
    assert mapped.ignored_fields == ()


def test_a_size_is_reported_as_it_was_asked_sent_and_made() -> None:
    """The README's picture: 1024 x 768 is 4:3, and 1152 x 896 to its model; where no size was asked there is none."""
    said = replace(GenerationRequest(key=Key("ada", "7f3c"), prompt="A lighthouse"), width=1024, height=768)
    sent: dict[str, Value] = {"prompt": "A lighthouse", "aspect_ratio": "4:3", "megapixels": "1", "seed": 7}
    picture = Output(container="c", name="n", content_type="t", size_bytes=1, width=1152, height=896)
    size = view(said, sent, [picture])
    shown = json.loads(re.findall(r"```json\n(\{\"specversion.+?)\n```", README, re.DOTALL)[0])
    assert size == shown["data"]["size"]
    assert view(said, sent, []) == {**shown["data"]["size"], "made": None}
    assert view(replace(said, width=None, height=None), sent, [picture]) is None
    assert view(None, {}, []) is None


def test_the_cancel_is_read() -> None:
    """As the page has it, in one line."""
    (line,) = re.findall(r"^`(\{.*\})` ends a generation", PAGE, re.MULTILINE)
    assert parse_request(line.encode()) == (CancelRequest(Key("ada", "7f3c")), ())


def shape(value: Any) -> Any:
    """The names in a JSON value; of a list, those of its first element."""
    match value:
        case dict():
            return {name: shape(each) for name, each in value.items() if name != "metadata"}
        case list():
            return [shape(each) for each in value[:1]]
        case _:
            return None


#: The events that the page shows: that of an end, and that of an approval.
EVENTS = re.findall(r"```json\n(\{\"specversion.+?)\n```", PAGE, re.DOTALL)


def test_the_event_of_an_approval_is_as_the_page_shows_it() -> None:
    """Every value, but the sentence of a limit."""
    shown = json.loads(EVENTS[1])
    at = datetime(2026, 11, 21, 12, 0, 1, 250000, tzinfo=UTC)
    asked = Asked(limit_id="daily", scope=Scope.ACCOUNT, credits=40, asked_at=at, until=at + timedelta(days=3))
    text = shown["data"]["reason"]["text"]
    key = Key("ada", "7f41", "acme")
    event = ApprovalEvent(key=key, asked=asked, until=asked.until, approvers=("eve",), at=at, text=text, metadata={})
    assert event.to_json() == shown
    assert event.outcome == "approval_needed"


def test_the_event_of_a_warning_is_as_the_page_shows_it() -> None:
    """Every value."""
    shown = json.loads(EVENTS[2])
    at = datetime(2026, 11, 21, 12, 0, 1, 250000, tzinfo=UTC)
    limit = Limit(limit_id="daily", window=Span.DAY, amount=500, effect=Effect.WARN)
    notice = Notice(limit, 80, 401, datetime(2026, 11, 22, tzinfo=UTC))
    event = LimitEvent(key=Key("ada", "7f42", "acme"), notice=notice, at=at)
    assert event.to_json() == shown
    assert event.outcome == "limit_warned"


def test_the_event_has_the_fields_that_the_page_shows() -> None:
    """Every one, by its name and at its place; and each of its data is explained."""
    shown = json.loads(EVENTS[0])
    output = Output(container="c", name="n", content_type="t", size_bytes=1, width=0, height=0, text="x")
    event = GenerationEvent(
        key=Key("ada", "7f40"),
        outcome="succeeded",
        at=datetime(2026, 11, 21, tzinfo=UTC),
        opened_at=datetime(2026, 11, 21, tzinfo=UTC),
        model="llama-3-8b",
        held_credits=1,
        captured_credits=1,
        outputs=(output,),
        refused_outputs=0,
        reason=None,
        text="",
        attempts=2,
        metadata={},
        ignored_fields=(),
        chosen_by=ChosenBy.FALLBACK,
        passed_over=(PassedOver("llama-4-scout", Reason.PROVIDER_FAILED),),
    ).to_json()
    assert shape(shown) == shape(event)
    assert (shown["id"], shown["subject"], shown["type"]) == (event["id"], event["subject"], event["type"])
    (output_shown,) = shown["data"]["outputs"]
    assert output_shown["size_bytes"] == len(output_shown["text"].encode())
    explained = {name for row in rows("Field of `data`") for name in re.findall(r"`([a-z_]+)`", row[0])}
    assert explained == set(event["data"])
    assert "outputs[].text" in PAGE
    assert f"at most {INLINE_CHARACTERS:,} characters itself" in PAGE


def test_every_reason_of_a_choice_is_listed() -> None:
    """Beside the field that has it."""
    (row,) = (row for row in rows("Field of `data`") if "chosen_by" in row[0])
    assert set(re.findall(r"`([a-z]+)`", row[1])) - {"null"} == {each.value for each in ChosenBy}


def test_every_reason_code_is_listed_once() -> None:
    """In the order of the code."""
    assert [row[0].strip(" `") for row in rows("Code")] == [reason.value for reason in Reason]
