"""Settable inputs: what an entry may list, what a request may set, and what that costs at worst."""

import json
from dataclasses import replace
from typing import Any

import pytest

from dev.fakes.catalogs import REAL, REAL_PLANS, REQUEST, TEXT, catalog, model, plans_of
from dev.fakes.world import START
from shared.core.catalog.catalog import Status
from shared.core.catalog.choosing import Quote, quote
from shared.core.catalog.reading import CatalogError
from shared.core.keys import Key
from shared.core.lifecycle.attempt import Attempt, attempt_on
from shared.core.money.pricing import Price, Unit
from shared.core.reasons import Reason, Refusal
from shared.core.requests.messages import GenerationRequest, Malformed
from shared.core.requests.parsing import parse_request

FLAG = {"type": "flag", "default": False, "price_percent": 100}
SIZE = {
    "type": "choice",
    "choices": ["1K", "2K", "4K"],
    "default": "1K",
    "price_percent": {"1K": 100, "2K": 150, "4K": 250},
}
COUNT = {"type": "whole", "from": 1, "to": 15, "default": 1, "price_percent": 1500}
PICTURE = {"type": "image", "price_percent": 100}
ALBUM = {"type": "images", "to": 3, "price_percent": 100}
NOTE = {"type": "text", "most_characters": 40, "price_percent": 100}
SCALE = {"type": "real", "from": 0, "to": 1, "default": 0.6, "price_percent": 100}
SETTABLE = {"raw": FLAG, "size": SIZE, "copies": COUNT, "style_image": PICTURE, "album": ALBUM, "note": NOTE}
SETTABLE |= {"style_scale": SCALE}

CATALOG = catalog(
    {
        "best": model(settable=SETTABLE, credits=3, replicate="owner/best", fallback=["same", "other", "plain"]),
        "same": model(settable=SETTABLE, replicate="owner/same"),
        "other": model(settable={**SETTABLE, "style_image": NOTE, "size": NOTE}, replicate="owner/other"),
        "plain": model(replicate="owner/plain"),
        "old": model(replicate="owner/old", status="retired", successor="plain", inputs={}),
        "older": model(replicate="owner/older", status="retired", successor="same", inputs={}),
    }
)


def asked(inputs: Any, name: str = "best", **said: Any) -> GenerationRequest:
    """A request that names a model and sets inputs."""
    return replace(REQUEST, model=name, inputs=inputs, **said)


def offer(request: GenerationRequest) -> Quote | Refusal:
    """The quote of the small catalogue."""
    return quote(CATALOG, request, plans_of(CATALOG)["premium"])


#: Each with a word of the reason: what a stranger may try of a model that takes seven inputs.
HOSTILE: list[tuple[str, Any, str]] = [
    ("hf_api_token", "hf_x", "secret"),
    ("civitai_api_token", "x", "secret"),
    ("HF-Api-Token".replace("-", "_"), "x", "secret"),
    ("replicateApiToken", "r8_x", "secret"),
    ("openai_api_key", "sk-x", "secret"),
    ("webhook_secret", "x", "secret"),
    ("password", "x", "secret"),
    ("Authorization", "Bearer x", "secret"),
    ("lora_weights", "https://10.0.0.7/a.safetensors", "own field lora_weights"),
    ("extra_lora", "http://169.254.169.254/latest", "one of those"),
    ("replicate_weights", "https://localhost/w.tar", "one of those"),
    ("disable_safety_checker", True, "safety"),
    ("safety_tolerance", 6, "safety"),
    ("safety_filter_level", "block_only_high", "safety"),
    ("disableSafetyChecker", True, "safety"),
    ("disable_nsfw_filter", True, "safety"),
    ("apply_watermark", False, "safety"),
    ("moderation", "low", "safety"),
    ("go_fast", True, "one of those"),
    ("max_images", 15, "one of those"),
    ("prompt", "another", "own field prompt"),
    ("num_outputs", 15, "own field num_outputs"),
    ("image_url", "https://a.example/b.png", "own field image_url"),
    ("webhook", "https://evil.example", "one of those"),
    ("model", "other", "own field model"),
    ("max_credits", 1, "own field max_credits"),
    ("__proto__", 1, "one of those"),
    ("size", "8K", "one of 1K, 2K, 4K"),
    ("size", "4k ", "one of 1K, 2K, 4K"),
    ("size", 4, "one of 1K, 2K, 4K"),
    ("copies", 16, "from 1 to 15"),
    ("copies", 1.5, "whole number"),
    ("copies", True, "whole number"),
    ("copies", "15", "whole number"),
    ("raw", "true", "true or false"),
    ("raw", 1, "true or false"),
    ("style_scale", 1.01, "from 0 to 1"),
    ("note", "see https://10.0.0.7/x", "no address"),
    ("note", "data:text/plain,x", "no address"),
    ("note", "input:bob/bob/one/secret.png", "no address"),
    ("note", "x" * 41, "at most 40"),
    ("note", ["a"], "a text"),
    ("style_image", "http://a.example/b.png", "https address"),
    ("style_image", "file:///etc/passwd", "https address"),
    ("style_image", True, "https address"),
    ("album", ["https://a.example/b.png"] * 4, "1 to 3"),
    ("album", "https://a.example/b.png", "1 to 3"),
    ("album", ["ftp://a.example/b.png"], "1 to 3"),
]


@pytest.mark.parametrize(("name", "value", "why"), HOSTILE)
def test_a_hostile_input_is_refused_by_name_with_the_reason(name: str, value: Any, why: str) -> None:
    """Whether the model has it or not; the value is not repeated."""
    said = offer(asked({name: value}))
    assert isinstance(said, Refusal)
    assert said.reason is Reason.INVALID_REQUEST
    assert said.text.startswith(f"inputs.{name} ")
    assert why in said.text
    assert "for best" in said.text
    assert "hf_x" not in said.text
    assert "evil" not in said.text


@pytest.mark.parametrize(
    ("inputs", "credits", "usd_micros"),
    [
        ({}, 3, 3000),
        ({"size": "1K"}, 3, 3000),
        ({"size": "2K"}, 5, 4500),
        ({"size": "4K"}, 8, 7500),
        ({"copies": 15}, 45, 45_000),
        ({"copies": 1}, 3, 3000),
        ({"size": "4K", "copies": 2}, 113, 112_500),
        ({"raw": True, "note": "fog", "style_scale": 1}, 3, 3000),
    ],
)
def test_what_is_not_refused_is_priced_at_its_worst(inputs: Any, credits: int, usd_micros: int) -> None:  # noqa: A002  # the app's word
    """In the hold, in the worst cost, and in the price of the attempt. Percentages multiply and round up."""
    request = asked(inputs, allow_fallback=False)
    said = offer(request)
    assert isinstance(said, Quote)
    assert (said.hold_credits, said.worst_cost_usd_micros) == (credits, usd_micros)
    attempt = attempt_on(CATALOG, request, "best", number=1, seed=0, now=START)
    assert isinstance(attempt, Attempt)
    assert (attempt.unit_credits, attempt.prices) == (credits, (Price(Unit.IMAGE, usd_micros),))
    assert {name: attempt.inputs[name] for name in inputs} == inputs


def test_max_credits_counts_the_worst_price() -> None:
    """A request says how much it may cost, whatever it sets."""
    said = offer(asked({"size": "4K"}, max_credits=7, allow_fallback=False))
    assert isinstance(said, Refusal)
    assert said.reason is Reason.OVER_LIMIT


@pytest.mark.parametrize("unit", [Unit.GPU_SECOND, Unit.MEGAPIXEL_OUT, Unit.MILLION_TOKENS_OUT])
def test_what_is_counted_is_not_raised_too(unit: Unit) -> None:
    """More of it is made; each costs the same."""
    prices = [{"unit": unit.value, "usd_micros": 100}]
    small = catalog({"best": model(settable={"size": SIZE}, prices=prices)})
    attempt = attempt_on(small, asked({"size": "4K"}), "best", number=1, seed=0, now=START)
    assert isinstance(attempt, Attempt)
    assert (attempt.unit_credits, attempt.prices) == (3, (Price(unit, 100),))


def test_a_picture_that_is_set_counts_in_the_worst_cost() -> None:
    """A model that is priced by what goes in."""
    prices = [{"unit": "megapixel_in", "usd_micros": 100}]
    small = catalog({"best": model(settable={"album": ALBUM}, prices=prices)})
    said = quote(small, asked({"album": ["https://a.example/b.png"] * 3}), plans_of(small)["free"])
    assert isinstance(said, Quote)
    assert said.worst_cost_usd_micros == 300


# Only a named model, and what serves in its place.


@pytest.mark.parametrize("inputs", [{"raw": True}, {"style_image": "https://a.example/b.png"}, {"size": "2K"}])
def test_a_fallback_lists_the_same_inputs(inputs: Any) -> None:
    """By name and kind: ``plain`` lists none, and ``other`` has texts where ``best`` has a picture and a choice."""
    said = offer(asked(inputs))
    assert isinstance(said, Quote)
    assert said.chain == (("best", "same", "other") if "raw" in inputs else ("best", "same"))


def test_a_successor_lists_the_same_inputs_or_the_request_is_refused() -> None:
    """The sentence names the input."""
    taken = offer(asked({"raw": True}, "older"))
    assert isinstance(taken, Quote)
    assert taken.model.name == "same"
    said = offer(asked({"raw": True}, "old"))
    assert isinstance(said, Refusal)
    assert "inputs.raw" in said.text


def test_an_attempt_on_a_model_that_does_not_list_them_is_refused() -> None:
    """Also if the catalogue has changed since the quote."""
    said = attempt_on(CATALOG, asked({"raw": True}), "plain", number=2, seed=0, now=START)
    assert isinstance(said, Refusal)
    assert "inputs.raw" in said.text


def test_the_apps_own_models_take_what_they_list() -> None:
    """flux-dev's fallback lists its inputs too; a raw picture has no fallback, because none of them makes one."""
    kept = quote(REAL, asked({"output_quality": 90}, "flux-dev"), REAL_PLANS["premium"])
    alone = quote(REAL, asked({"raw": True}, "flux-1.1-pro-ultra"), REAL_PLANS["premium"])
    dear = quote(REAL, asked({"scheduler": "HeunDiscrete"}, "sdxl"), REAL_PLANS["premium"])
    assert isinstance(kept, Quote)
    assert isinstance(alone, Quote)
    assert isinstance(dear, Quote)
    assert (kept.chain, alone.chain) == (("flux-dev", "flux-schnell"), ("flux-1.1-pro-ultra",))
    assert dear.hold_credits == 6


def test_a_text_for_a_chat_model_is_disarmed() -> None:
    """As its prompt is."""
    talks = model(settable={"note": NOTE}, modality="text", output="chunks")
    attempt = attempt_on(catalog({"best": talks}), asked({"note": "<|eot_id|>hi"}), "best", number=1, seed=0, now=START)
    assert isinstance(attempt, Attempt)
    assert "<|eot_id|>" not in str(attempt.inputs["note"])
    assert str(attempt.inputs["note"]).endswith("|eot_id|>hi")


# The message.


def parsed(inputs: Any, **said: Any) -> GenerationRequest | str:
    """The request, or what is wrong with the message."""
    body = {"user_id": "ada", "generation_id": "one", "prompt": "A lighthouse", "model": "best", "inputs": inputs}
    message, _ = parse_request(json.dumps({**body, **said}).encode())
    if isinstance(message, Malformed):
        return message.text
    assert isinstance(message, GenerationRequest)
    return message


@pytest.mark.parametrize(
    ("inputs", "why"),
    [
        ({str(number): 1 for number in range(21)}, "at most 20 names"),
        ({f"n{number}": "x" * 8000 for number in range(5)}, "at most 32768 bytes"),
        ({"a": "é" * 8000, "b": "é" * 8000, "c": "é" * 500}, "at most 32768 bytes"),
        ({"a": {"b": 1}}, "inputs.a must be a text"),
        ({"a": [["b"]]}, "inputs.a must be a text"),
        ({"a": ["b"] * 15}, "inputs.a must be a text"),
        ({"a": 10**400}, "inputs.a must be a text"),
        ({"a": float("inf")}, "inputs.a must be a text"),
        ({"a": float("nan")}, "inputs.a must be a text"),
        ({"a": "x" * 8193}, "inputs.a must be a text"),
        ({"a": "\x00"}, "characters that are not text"),
        ({"a b\n": 1}, "a name that no input has: a?b?"),
        ({"": 1}, "a name that no input has"),
        ([], "must be an object"),
        ("raw", "must be an object"),
    ],
)
def test_the_object_has_bounds_before_anything_else(inputs: Any, why: str) -> None:
    """Of names, bytes and depth: no catalogue is asked."""
    said = parsed(inputs)
    assert isinstance(said, str)
    assert why in said


def test_only_a_named_model_takes_inputs() -> None:
    """A model that Darkroom chooses would get what nobody meant for it."""
    assert parsed({"raw": True}, model=None) == "inputs needs a model: name the one whose inputs these are"
    assert isinstance(parsed({"raw": None}, model=None), GenerationRequest)


def test_the_digest_covers_the_inputs() -> None:
    """Another value is another request; null and what is empty are as if absent; 3 and 3.0 are one number."""
    digests = [parsed(each) for each in ({}, {"a": 1}, {"a": 2}, {"a": True}, {"a": "1"}, {"a": ["1"]}, {"b": 1})]
    assert len({each.digest for each in digests if isinstance(each, GenerationRequest)}) == len(digests)
    for same, other in (
        ({}, {"a": None, "b": "", "c": []}),
        ({"a": 3}, {"a": 3.0}),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    ):
        one, two = parsed(same), parsed(other)
        assert isinstance(one, GenerationRequest)
        assert isinstance(two, GenerationRequest)
        assert one.digest == two.digest


def test_a_copy_of_our_own_has_the_same_inputs() -> None:
    """A deferred message and a saved row."""
    message = parsed({"a": ["x", "y"], "b": True, "c": 0.5, "d": "e"})
    assert isinstance(message, GenerationRequest)
    again, _ = parse_request(json.dumps(message.to_json()).encode())
    assert again == message
    assert isinstance(again, GenerationRequest)
    assert again.digest == message.digest
    assert "inputs" not in GenerationRequest(key=Key("ada", "one"), prompt="a").to_json()


def test_a_reference_takes_the_place_of_an_address_in_pictures_only() -> None:
    """A text that is the same as an address stays: it is screened as a text."""
    address = "https://a.example/b.png"
    request = asked({"style_image": address, "note": address, "album": [address, "x"]}, image_url=address)
    changed = request.with_picture(address, "input:x", {"style_image", "album"})
    assert changed.inputs == {"style_image": "input:x", "note": address, "album": ["input:x", "x"]}
    assert changed.image_url == "input:x"
    assert request.texts_beside({"style_image", "album"}) == (REQUEST.prompt, address)
    assert request.may_have_pictures
    assert not asked({"note": "fog"}).may_have_pictures


# The entry.


@pytest.mark.parametrize(
    ("settable", "why"),
    [
        ({"raw": {"type": "flag"}}, "price_percent"),
        ({"raw": {"type": "flag", "price_percent": 99}}, "price_percent"),
        ({"raw": {"type": "flag", "price_percent": {"true": 100}}}, "price_percent"),
        ({"size": {**SIZE, "price_percent": {"1K": 100, "2K": 100, "4k": 250}}}, "price_percent"),
        ({"size": {**SIZE, "choices": []}}, "choices"),
        ({"size": {**SIZE, "choices": [True]}}, "choices"),
        ({"raw": {**FLAG, "choices": ["a"]}}, "choices"),
        ({"raw": {**FLAG, "default": 1}}, "default"),
        ({"raw": {**FLAG, "from": 1}}, "from and to"),
        ({"raw": {**FLAG, "field": "seed"}}, "not known"),
        ({"n": {"type": "whole", "price_percent": 100}}, "from and to"),
        ({"n": {**COUNT, "from": 9, "to": 1}}, "from and to"),
        ({"note": {"type": "text", "price_percent": 100}}, "most_characters"),
        ({"album": {"type": "images", "price_percent": 100}}, "to: must be"),
        ({"a b": FLAG}, "letters"),
        ({"seed": COUNT}, "field of a request"),
        ({"guidance": SCALE}, "filled by a field"),
        ({"hf_api_token": NOTE}, "secret"),
        ({"hfApiToken": NOTE}, "secret"),
        ({"replicate_weights": NOTE}, "weights"),
        ({"disable_safety_checker": FLAG}, "loosens_safety"),
        ({"safety_tolerance": COUNT}, "loosens_safety"),
        ({"archive": {"type": "archive", "price_percent": 100}}, "type must be"),
        ({"raw": 1}, "type must be"),
        ([], "must be a table"),
    ],
)
def test_an_entry_states_kind_bounds_and_price_of_each(settable: Any, why: str) -> None:
    """And lists no field of ours, no secret, no weights, no safety switch that it does not call one."""
    inputs = {"prompt": TEXT, "guidance": {"type": "real", "field": "guidance_scale"}}
    with pytest.raises(CatalogError, match=why):
        catalog({"best": model(inputs, settable=settable)})


def test_an_entry_may_list_a_safety_switch_that_it_calls_one() -> None:
    """Then the policy decides."""
    made = catalog({"best": model(settable={"safety_tolerance": {**COUNT, "loosens_safety": True}})})
    assert made.models["best"].settable["safety_tolerance"].loosens_safety


def test_every_input_that_is_shipped_is_published_or_has_its_source() -> None:
    """No retired model lists one, and each is of a model whose inputs were read."""
    listing = [each for each in REAL.models.values() if each.settable]
    assert len(listing) >= 10
    assert all(each.status is Status.ACTIVE for each in listing)
