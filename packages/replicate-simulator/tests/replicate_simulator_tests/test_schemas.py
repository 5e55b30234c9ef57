"""What the API takes and what it refuses, with the words it uses."""

import json
from typing import Any

import pytest

from replicate_simulator import targets
from replicate_simulator.catalog import Catalog
from replicate_simulator.clock import Clock
from replicate_simulator.forms import picture_format
from replicate_simulator.library import Library
from replicate_simulator.models import MODELS
from replicate_simulator.problems import ProblemError
from replicate_simulator.schemas import Order, duration_s, order_of
from replicate_simulator_tests import contract

FLUX = "black-forest-labs/flux-schnell"


def library() -> Library:
    """The models that are written by hand."""
    return Library(Clock(), Catalog())


def order(model: str = "flux-schnell", **body: Any) -> Order:
    """A checked body for an official model."""
    body.setdefault("input", {"prompt": "x"})
    return order_of(targets.by_name(library(), "black-forest-labs", model), body, None, takes_version=False)


def refusal(model: str = "flux-schnell", **body: Any) -> Any:
    """The answer to a body that is not taken."""
    with pytest.raises(ProblemError) as caught:
        order(model, **body)
    return caught.value.body


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30", 30),
        ("30s", 30),
        ("5m", 300),
        ("2h", 7200),
        ("1h30m45s", 5445),
        ("2h30m", 9000),
        ("5", 5),
        ("24h", 86400),
        *((bad, None) for bad in ("4", "24h1s", "", "s", "5x", "1m30", "-5", "5.5", "30s5m", " 30", "٣٠")),
    ],
)
def test_cancel_after_is_read_within_its_bounds(text: str, seconds: int | None) -> None:
    """Every documented form is read; anything else, under 5 s or over 24 h, is not."""
    assert duration_s(text) == seconds


def test_a_missing_prompt_is_refused_in_the_recorded_words() -> None:
    """The problem is, to the letter, the one that was recorded."""
    assert refusal(input={}) == {
        "detail": "- input: prompt is required\n",
        "status": 422,
        "title": "Input validation failed",
        "invalid_fields": [{"type": "required", "field": "input", "description": "prompt is required"}],
    }


def test_unknown_body_keys_and_a_missing_version_are_refused_together() -> None:
    """POST /predictions with `model` instead of `version` gets the recorded text."""
    with pytest.raises(ProblemError) as caught:
        targets.by_version(library(), {"input": {"prompt": "x"}, "model": FLUX})
    assert caught.value.body["detail"] == "- version is required\n- Additional property model is not allowed\n"
    assert refusal(version="x")["detail"] == "- Additional property version is not allowed\n"


@pytest.mark.parametrize(
    ("model", "given", "kind", "field"),
    [
        ("flux-schnell", {"width": 1024}, "additional_property_not_allowed", "input"),
        ("flux-schnell", {"output_format": "gif"}, "enum", "input.output_format"),
        ("flux-schnell", {"num_outputs": 5}, "number_lte", "input.num_outputs"),
        ("flux-schnell", {"num_outputs": 0}, "number_gte", "input.num_outputs"),
        ("flux-schnell", {"seed": "1"}, "invalid_type", "input.seed"),
        ("flux-schnell", {"seed": 1.5}, "invalid_type", "input.seed"),
        ("flux-schnell", {"seed": True}, "invalid_type", "input.seed"),
        ("flux-schnell", {"seed": None}, "invalid_type", "input.seed"),
        ("flux-schnell", {"prompt": 7}, "invalid_type", "input.prompt"),
        ("flux-dev", {"guidance": 11}, "number_lte", "input.guidance"),
        ("flux-1.1-pro", {"width": 2000}, "number_lte", "input.width"),
        ("flux-1.1-pro", {"num_outputs": 2}, "additional_property_not_allowed", "input"),
        ("flux-1.1-pro", {"aspect_ratio": "21:9"}, "enum", "input.aspect_ratio"),
        ("flux-dev", {"image": "fox.png"}, "format", "input.image"),
        ("flux-dev", {"image": ""}, "format", "input.image"),
        ("flux-dev", {"image": "http://["}, "format", "input.image"),
        ("flux-dev", {"image": 7}, "invalid_type", "input.image"),
    ],
)
def test_inputs_outside_the_model_are_refused(model: str, given: dict[str, Any], kind: str, field: str) -> None:
    """Unknown inputs, wrong types, values outside an enum or a range: each names its field."""
    fields = refusal(model, input={"prompt": "x", **given})["invalid_fields"]
    assert [(each["type"], each["field"]) for each in fields] == [(kind, field)]


def test_limits_of_a_range_are_inside_it() -> None:
    """The smallest and the largest value, 0 as a seed and a whole float are taken."""
    assert order(input={"prompt": "x", "seed": 0, "num_outputs": 4.0, "output_quality": 0}).input["seed"] == 0


@pytest.mark.parametrize(
    ("webhook", "taken"),
    [
        ("https://a.example/hook?job=1", True),
        ("http://127.0.0.1:7071/hook", True),
        ("http://localhost/hook", True),
        ("http://[::1]/hook", True),
        ("http://a.example/hook", False),
        ("ftp://127.0.0.1/hook", False),
        ("https://", False),
        ("http://[", False),
        ("", False),
        (7, False),
    ],
)
def test_a_webhook_is_https_or_goes_to_loopback(webhook: object, taken: bool) -> None:
    """Other URLs are 422."""
    if taken:
        assert order(webhook=webhook).webhook == webhook
    else:
        assert refusal(webhook=webhook)["invalid_fields"][0]["field"] == "webhook"


def test_the_events_are_the_filter_or_the_default() -> None:
    """Without a filter output and completed are sent; without a webhook nothing; unknown events are refused."""
    hook = "https://a.example/"
    assert order(webhook=hook).events == ("output", "completed")
    assert order(webhook=hook, webhook_events_filter=["start"]).events == ("start",)
    assert order(webhook_events_filter=["start"]).events == ()
    assert refusal(webhook_events_filter=["end"])["invalid_fields"][0]["field"] == "webhook_events_filter.0"
    assert refusal(webhook_events_filter="start")["invalid_fields"][0]["type"] == "invalid_type"


def test_a_version_names_a_model_in_three_ways() -> None:
    """64 digits, owner/name and those, or an official model's name; anything else is 422, an unknown model 404."""
    digits, here = MODELS[FLUX].version, library()
    assert targets.by_version(here, {"version": digits}).version == digits
    assert targets.by_version(here, {"version": f"{FLUX}:{digits}"}).version == digits
    assert targets.by_version(here, {"version": FLUX}).version == "hidden"
    for unknown in ("0" * 64, f"stability-ai/sdxl:{digits}", "luma/ray", ""):
        with pytest.raises(ProblemError) as caught:
            targets.by_version(here, {"version": unknown})
        assert (caught.value.status, caught.value.body["title"]) == (422, "Invalid version or not permitted")
    for target_of in (targets.by_name, targets.by_deployment):
        with pytest.raises(ProblemError) as caught:
            target_of(here, "luma", "ray")
        assert caught.value.status == 404


@pytest.mark.parametrize(
    ("model", "given", "size"),
    [
        ("flux-schnell", {}, (1024, 1024)),
        ("flux-schnell", {"aspect_ratio": "9:21", "megapixels": "0.25"}, (320, 768)),
        ("flux-dev", {"aspect_ratio": "4:3"}, (1152, 896)),
        ("flux-1.1-pro", {"aspect_ratio": "custom", "width": 1000, "height": 750}, (992, 736)),
        ("flux-1.1-pro", {"width": 300}, (1024, 1024)),
    ],
)
def test_the_picture_has_the_asked_shape(model: str, given: dict[str, Any], size: tuple[int, int]) -> None:
    """Aspect ratio and megapixels, or for flux-1.1-pro custom sides in steps of 32."""
    form = picture_format(MODELS[f"black-forest-labs/{model}"], {"prompt": "x", **given})
    assert (form.width, form.height, form.extension) == (*size, "webp")


@contract.needs_models
def test_the_table_is_the_published_one() -> None:
    """Inputs, enums, ranges and defaults of flux-schnell and flux-dev equal their published schemas."""
    published = json.loads(contract.MODELS.read_text(encoding="utf-8"))
    for name in (FLUX, "black-forest-labs/flux-dev"):
        ours = MODELS[name]
        theirs = published[name]["input"]
        assert ours.version == published[name]["version"]
        assert ours.inputs.keys() == theirs.keys()
        for key, each in ours.inputs.items():
            wanted = theirs[key]
            assert (list(each.enum), each.minimum, each.maximum, each.default) == (
                wanted.get("enum", []),
                wanted.get("minimum"),
                wanted.get("maximum"),
                wanted["default"],
            ), f"{name} {key}"
