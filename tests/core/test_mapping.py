"""How a request becomes a model's input: every kind of input, seeds, and what is left out and named."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dev.fakes.catalogs import IMAGE, REQUEST, SECONDS, SEED, TEXT
from shared.core.catalog.mapping import Mapped, file_kinds, inputs_of, pictures_taken, references, seed_of
from shared.core.modality import InputKind
from tests.core.mappings import PICTURE, mapped, one, refusal

# Kinds.

FILE = {"type": "audio", "field": "input_file"}
ARCHIVE = {"type": "archive", "field": "input_file"}


@pytest.mark.parametrize(
    ("item", "said", "sent"),
    [
        ({"type": "text", "field": "system_prompt"}, {"system_prompt": "Be brief."}, "Be brief."),
        (IMAGE, {"image_url": PICTURE}, PICTURE),
        ({"type": "images", "field": "image_url"}, {"image_url": PICTURE}, [PICTURE]),
        (FILE, {"input_file": "ada/ada/a.wav"}, "ada/ada/a.wav"),
        (ARCHIVE, {"input_file": "ada/ada/a.zip"}, "ada/ada/a.zip"),
        ({"type": "choice", "field": "resolution", "choices": ["480p", "720p"]}, {"resolution": "720p"}, "720p"),
        (SECONDS, {"duration_s": 9}, 9),
        ({"type": "whole", "field": "max_tokens", "from": 1, "to": 10}, {"max_tokens": 10}, 10),
        ({"type": "real", "field": "temperature", "from": 0, "to": 2}, {"temperature": 0.0}, 0.0),
        ({"type": "real", "field": "temperature", "from": 0, "to": 2}, {"temperature": 2}, 2),
        ({"type": "flag", "field": "continuation"}, {"continuation": False}, False),
        ({"type": "flag", "field": "continuation"}, {"continuation": True}, True),
        ({"type": "weights", "field": "lora_weights"}, {"lora_weights": "https://a.example/b"}, "https://a.example/b"),
        (
            {"type": "weights", "field": "lora_weights"},
            {"lora_weights": "ada/lora:" + "5e" * 32},
            "ada/lora/" + "5e" * 32,
        ),
    ],
)
def test_each_kind_is_sent_under_the_models_own_name(item: dict[str, Any], said: dict[str, Any], sent: object) -> None:
    """0 and false are sent; an absent field is not, because the model has its own default."""
    inputs = {"prompt": TEXT, "own_name": item}
    assert mapped(inputs, **said).inputs == {"prompt": REQUEST.prompt, "own_name": sent}
    assert mapped(inputs, **said).ignored_fields == ()
    assert mapped(inputs).inputs == {"prompt": REQUEST.prompt}


def test_every_kind_has_its_case() -> None:
    """A new kind needs a case here."""
    assert set(InputKind) == {
        "text",
        "image",
        "images",
        "audio",
        "archive",
        "choice",
        "whole",
        "real",
        "flag",
        "weights",
    }


@pytest.mark.parametrize(
    ("item", "said", "text"),
    [
        (SECONDS, {"duration_s": 6}, "duration_s must be one of 5, 9 for m"),
        ({"type": "choice", "field": "resolution", "choices": ["480p"]}, {"resolution": "8k"}, "resolution must be"),
        (
            {"type": "whole", "field": "max_tokens", "from": 2, "to": 9},
            {"max_tokens": 1},
            "max_tokens must be from 2 to",
        ),
        ({"type": "real", "field": "temperature", "to": 1}, {"temperature": 1.1}, "temperature must be from"),
        (
            {"type": "whole", "field": "training_steps", "from": 3},
            {"training_steps": 2},
            "training_steps must be from 3",
        ),
    ],
)
def test_what_an_input_does_not_take_is_refused(item: dict[str, Any], said: dict[str, Any], text: str) -> None:
    """The refusal names the request's field, the rule and the model."""
    refused = refusal({"prompt": TEXT, "own_name": item}, **said)
    assert refused.startswith(text)
    assert refused.endswith(" for m")


def test_a_value_is_sent_whatever_is_said() -> None:
    """A fixed value is the operator's, so no field of a request changes it."""
    inputs = {
        "prompt": TEXT,
        "resolution": {"type": "choice", "choices": ["a", "b"], "value": "a"},
        "flag": {"type": "flag", "value": False},
    }
    assert mapped(inputs).inputs == {"prompt": REQUEST.prompt, "resolution": "a", "flag": False}
    said = mapped(inputs, resolution="b")
    assert said.inputs["resolution"] == "a"
    assert said.ignored_fields == ("resolution",)


@pytest.mark.parametrize(
    ("item", "field"),
    [
        (IMAGE, "image_url"),
        ({"type": "images", "field": "image_url"}, "image_url"),
        (ARCHIVE, "input_file"),
        ({"type": "text", "field": "system_prompt"}, "system_prompt"),
    ],
)
def test_what_a_model_requires_is_asked_for(item: dict[str, Any], field: str) -> None:
    """The refusal names the request's field, not the model's input."""
    text = refusal({"prompt": TEXT, "own_name": item | {"required": True}})
    assert text == f"{field} is needed for m"


def test_a_flag_that_is_required_may_be_false() -> None:
    """False is a value, and so is the seed 0."""
    inputs = {"prompt": TEXT, "continuation": {"type": "flag", "required": True}, "seed": SEED | {"required": True}}
    sent = inputs_of(one(inputs), replace(REQUEST, continuation=False), seed=0)
    assert isinstance(sent, Mapped)
    assert (sent.inputs["continuation"], sent.inputs["seed"]) == (False, 0)


# Prompts.


@pytest.mark.parametrize("length", [1, 9])
def test_a_model_may_have_its_own_bounds_of_a_prompt(length: int) -> None:
    """Both bounds are inclusive."""
    table = {"prompt_characters": [1, 9]}
    assert mapped({"prompt": TEXT}, table, prompt="x" * length).inputs["prompt"] == "x" * length
    assert "prompt has 10 characters, and must have 1 to 9 for m" in refusal({"prompt": TEXT}, table, prompt="x" * 10)


def test_a_model_without_a_prompt_does_not_ask_for_one() -> None:
    """A prompt that is given anyway is listed as ignored."""
    inputs = {"input_images": ARCHIVE, "steps": {"type": "whole", "field": "training_steps"}}
    assert mapped(inputs, prompt="", input_file="ada/ada/a.zip").ignored_fields == ()
    assert mapped(inputs, prompt="a horn").ignored_fields == ("prompt",)


def test_texts_of_a_user_are_no_places_of_a_template() -> None:
    """A prompt that looks like a placeholder is sent unchanged."""
    inputs = {"prompt": TEXT | {"template": "U: {prompt}", "system_template": "S: {system_prompt} U: {prompt}"}}
    assert mapped(inputs, prompt="{system_prompt}!").inputs["prompt"] == "U: {system_prompt}!"
    both = mapped(inputs, system_prompt="{prompt}", prompt="hello")
    assert both.inputs["prompt"] == "S: {prompt} U: hello"
    assert both.ignored_fields == ()


# Seeds.


@pytest.mark.parametrize(
    ("bounds", "ours", "sent"),
    [
        ({"from": 0, "to": 2**32 - 1}, 2**32 - 1, 2**32 - 1),
        ({"from": 0, "to": 999}, 999, 999),
        ({"from": 0, "to": 999}, 1000, 0),
        ({"from": 1, "to": 10}, 0, 1),
        ({"from": 1, "to": 10}, 10, 10),
        ({"from": 1, "to": 10}, 11, 2),
        ({"from": -1, "to": 10}, 11, 0),
        ({"to": 10}, 12, 1),
        ({}, 2**32 - 1, 2**32 - 1),
    ],
)
def test_a_seed_of_ours_is_made_to_fit(bounds: dict[str, int], ours: int, sent: int) -> None:
    """It is never -1, which models read as "any seed"."""
    taker = one({"prompt": TEXT, "seed": {"type": "whole", **bounds}})
    assert seed_of(taker, REQUEST, ours) == sent


@given(st.integers(0, 2**32 - 1), st.integers(-1, 50), st.integers(0, 2**31))
def test_every_seed_of_ours_is_taken(ours: int, low: int, width: int) -> None:
    """This holds for any range of the model."""
    taker = one({"prompt": TEXT, "seed": {"type": "whole", "from": low, "to": max(0, low) + width}})
    assert isinstance(inputs_of(taker, REQUEST, seed=seed_of(taker, REQUEST, ours)), Mapped)


def test_a_seed_of_the_users_is_left_as_it_is() -> None:
    """If it does not fit it is refused; a model without seeds gets none, whoever chose it."""
    taker = one({"prompt": TEXT, "seed": {"type": "whole", "to": 10}})
    assert seed_of(taker, replace(REQUEST, seed=11), 3) == 11
    assert seed_of(taker, replace(REQUEST, seed=0), 3) == 0
    assert seed_of(one({"prompt": TEXT}), REQUEST, 3) == 3


# What is left out.


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("seed", 0),
        ("negative_prompt", "people"),
        ("system_prompt", "Be brief."),
        ("max_tokens", 10),
        ("temperature", 0.0),
        ("resolution", "720p"),
        ("continuation", False),
        ("trigger_word", "TOK"),
        ("training_steps", 10),
        ("width", 512),
        ("output_format", "png"),
    ],
)
def test_a_field_that_a_model_has_no_use_for_is_named(field: str, value: Any) -> None:
    """Any such field is listed and not sent, even if it is 0 or false."""
    said = mapped({"prompt": TEXT}, **{field: value})
    assert said.ignored_fields == (field,)
    assert set(said.inputs) == {"prompt"}


@pytest.mark.parametrize(
    ("field", "value"),
    [("image_url", PICTURE), ("input_file", "ada/ada/a.wav"), ("destination", "ada/lora"), ("duration_s", 5)],
)
def test_what_is_brought_and_how_long_it_is_to_be_is_never_left_out(field: str, value: Any) -> None:
    """Without it the result and its price would differ; the refusal says what to do."""
    text = f"{field} is not taken by m: leave it out, or ask for a model that takes it"
    assert refusal({"prompt": TEXT}, **{field: value}) == text


def test_what_steers_us_is_never_ignored() -> None:
    """Nor is a single output listed as ignored."""
    said = mapped(
        {"prompt": TEXT},
        model="m",
        modality="image",
        quality="economy",
        max_credits=3,
        allow_fallback=False,
        metadata={"a": "b"},
        num_outputs=1,
    )
    assert (said.ignored_fields, said.outputs) == ((), 1)


def test_a_trainers_destination_is_used() -> None:
    """It names the new version's model, although it is no input."""
    assert mapped({"input_images": ARCHIVE}, input_file="ada/ada/a.zip", destination="ada/lora", prompt="").outputs == 1
    said = mapped({"input_images": ARCHIVE}, input_file="ada/ada/a.zip", destination="ada/lora", prompt="")
    assert said.ignored_fields == ()


def test_several_outputs_go_to_whatever_input_counts_them() -> None:
    """A model without such an input makes one output."""
    said = mapped({"prompt": TEXT, "num_images": {"type": "whole", "field": "num_outputs", "to": 4}}, num_outputs=3)
    assert (said.inputs["num_images"], said.outputs) == (3, 3)
    assert refusal({"prompt": TEXT}, num_outputs=2) == "num_outputs must be 1 for m"


# Files.


def test_a_picture_and_a_file_are_taken_by_models_with_an_input_for_them() -> None:
    """They are sent only if the request has them."""
    pictures, files, plain = one({"prompt": TEXT, "i": IMAGE}), one({"prompt": TEXT, "f": FILE}), one({"prompt": TEXT})
    several = one({"prompt": TEXT, "i": {"type": "images", "field": "image_url"}})
    brings = replace(REQUEST, image_url=PICTURE, input_file="ada/ada/a.wav")
    models = (pictures, several, files, plain)
    assert [pictures_taken(each, brings) for each in models] == [(PICTURE,), (PICTURE,), (), ()]
    assert [file_kinds(each, brings) for each in models] == [set(), set(), {"audio"}, set()]
    assert not pictures_taken(pictures, REQUEST)
    assert not file_kinds(files, REQUEST)


def test_references_are_found_in_lists_too() -> None:
    """No other value is taken for a reference."""
    inputs = {"a": "input:x/y/1.png", "b": ["input:x/y/2.png", PICTURE], "c": 7, "d": "an input: here", "e": True}
    assert references(inputs) == ["x/y/1.png", "x/y/2.png"]  # type: ignore[arg-type]  # a dict of many kinds


SEVERAL = {"type": "images", "field": "image_url", "to": 3}


def test_several_pictures_follow_the_first_up_to_the_models_most() -> None:
    """In their order; alone they are enough; one too many is refused with the number."""
    two = ("https://pictures.example/hat.png", "https://pictures.example/dog.png")
    taken = mapped({"prompt": TEXT, "i": SEVERAL}, image_url=PICTURE, image_urls=two)
    assert taken.inputs["i"] == [PICTURE, *two]
    assert mapped({"prompt": TEXT, "i": SEVERAL}, image_urls=two).inputs["i"] == list(two)
    said = refusal({"prompt": TEXT, "i": SEVERAL}, image_url=PICTURE, image_urls=(*two, PICTURE))
    assert said == "image_url and image_urls must be at most 3 pictures together for m"


def test_pictures_that_a_model_does_not_take_are_refused_never_left_out() -> None:
    """A mask, a last frame, and more pictures than one."""
    for field in ("mask_url", "end_image_url"):
        brought: dict[str, Any] = {field: PICTURE}
        said = refusal({"prompt": TEXT, "i": IMAGE}, image_url=PICTURE, **brought)
        assert said.startswith(f"{field} is not taken by m")
    assert refusal({"prompt": TEXT, "i": IMAGE}, image_urls=(PICTURE,)).startswith("image_urls is not taken by m")


def test_mask_and_last_frame_go_to_their_inputs() -> None:
    """Each under the model's own name."""
    inputs = {
        "prompt": TEXT,
        "i": IMAGE,
        "m": {"type": "image", "field": "mask_url"},
        "e": {"type": "image", "field": "end_image_url"},
    }
    sent = mapped(inputs, image_url="https://a.example/1", mask_url="https://a.example/2", end_image_url=PICTURE).inputs
    assert (sent["i"], sent["m"], sent["e"]) == ("https://a.example/1", "https://a.example/2", PICTURE)
