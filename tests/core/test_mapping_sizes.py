"""How a size becomes a model's own: sides, ratios, the nearest choice, and the ignored fields."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dev.fakes.catalogs import RATIO, REQUEST, TEXT
from shared.core.catalog.sizes import nearest_ratio
from tests.core.mappings import mapped, refusal

SIDES = {"width": {"type": "whole", "from": 256, "to": 1024}, "height": {"type": "whole", "from": 256, "to": 1024}}
FREE = {"sizing": {"from": 256, "to": 1024, "step": 64}}
CUSTOM = {"type": "choice", "choices": ["custom", "1:1", "4:3"]}


def test_a_free_size_is_two_sides() -> None:
    """The word "custom" is sent only if there is an input for it."""
    assert mapped({"prompt": TEXT, **SIDES}, FREE, width=512, height=300).inputs == {
        "prompt": REQUEST.prompt,
        "width": 512,
        "height": 320,
    }
    sent = mapped({"prompt": TEXT, **SIDES, "aspect_ratio": CUSTOM}, FREE, width=512, height=300).inputs
    assert (sent["aspect_ratio"], sent["width"], sent["height"]) == ("custom", 512, 320)


def test_a_ratio_goes_to_the_model_that_takes_it() -> None:
    """Alone, the ratio is sent; with sides of its shape, or with one side, it is a size."""
    free = {"prompt": TEXT, **SIDES, "aspect_ratio": CUSTOM}
    sent = mapped(free, FREE, aspect_ratio="4:3").inputs
    assert sent == {"prompt": REQUEST.prompt, "aspect_ratio": "4:3"}
    for said in ({"width": 512}, {"height": 384}, {"width": 512, "height": 384}, {"width": 512, "height": 388}):
        both = mapped(free, FREE, aspect_ratio="4:3", **said)
        assert both.inputs == {"prompt": REQUEST.prompt, "aspect_ratio": "custom", "width": 512, "height": 384}
        assert both.ignored_fields == ()


def test_sides_of_another_shape_than_the_ratio_are_listed_as_ignored() -> None:
    """The ratio counts; a word that is no ratio leaves no use for sides."""
    free = {"prompt": TEXT, **SIDES, "aspect_ratio": CUSTOM | {"choices": ["custom", "match_input_image", "4:3"]}}
    for ratio in ("4:3", "match_input_image"):
        said = mapped(free, FREE, aspect_ratio=ratio, width=512, height=512)
        assert said.inputs == {"prompt": REQUEST.prompt, "aspect_ratio": ratio}
        assert said.ignored_fields == ("height", "width")
    small = {"prompt": TEXT, "aspect_ratio": RATIO, "megapixels": {"type": "choice", "choices": ["1", "0.25"]}}
    both = mapped(small, {"sizing": "megapixels"}, aspect_ratio="16:9", width=640)
    assert (both.inputs["aspect_ratio"], both.inputs["megapixels"]) == ("16:9", "0.25")


@pytest.mark.parametrize("ratio", ["custom", "Custom"])
def test_a_custom_ratio_means_the_sides(ratio: str) -> None:
    """This holds for models of sides, of both and of ratios alone; without both sides it has no meaning."""
    free, size = {"prompt": TEXT, **SIDES, "aspect_ratio": CUSTOM}, {"width": 512, "height": 320}
    assert mapped(free, FREE, aspect_ratio=ratio, **size).inputs == {
        "prompt": REQUEST.prompt,
        "aspect_ratio": "custom",
        **size,
    }
    assert mapped({"prompt": TEXT, **SIDES}, FREE, aspect_ratio=ratio, **size).inputs["width"] == 512
    by_ratio = mapped({"prompt": TEXT, "aspect_ratio": RATIO}, {"sizing": "ratio"}, aspect_ratio=ratio, **size)
    assert (by_ratio.inputs["aspect_ratio"], by_ratio.ignored_fields) == ("16:9", ())
    for said in ({}, {"width": 512}, {"height": 512}):
        assert refusal(free, FREE, aspect_ratio=ratio, **said) == "aspect_ratio custom needs width and height for m"


def test_a_resolution_beside_sides_is_listed_as_ignored() -> None:
    """The sides determine the size already; beside a ratio the resolution counts."""
    free = {"prompt": TEXT, **SIDES, "aspect_ratio": CUSTOM, "resolution": {"type": "choice", "choices": ["1 MP"]}}
    said = mapped(free, FREE, width=512, height=512, resolution="1 MP")
    assert ("resolution" in said.inputs, said.ignored_fields) == (False, ("resolution",))
    assert mapped(free, FREE, aspect_ratio="4:3", resolution="1mp").inputs["resolution"] == "1 MP"


@pytest.mark.parametrize(
    ("choices", "said", "sent"),
    [
        (["webp", "jpg", "png"], "PNG", "png"),
        (["webp", "jpg", "png"], "jpeg", "jpg"),
        (["webp", "jpg", "png"], ".JPEG", "jpg"),
        (["webp", "jpeg", "png"], "JPG", "jpeg"),
        (["wav", "mp3"], " Mp3 ", "mp3"),
    ],
)
def test_a_choice_may_be_spelled_in_other_ways(choices: list[str], said: str, sent: str) -> None:
    """It is sent in the model's spelling."""
    item = {"type": "choice", "choices": choices}
    assert mapped({"prompt": TEXT, "output_format": item}, output_format=said).inputs["output_format"] == sent


@pytest.mark.parametrize(
    ("said", "sent"), [("16x9", "16:9"), ("16 : 9", "16:9"), ("1920:1080", "16:9"), ("8/8", "1:1")]
)
def test_a_ratio_may_be_spelled_in_other_ways(said: str, sent: str) -> None:
    """It is sent in the model's spelling."""
    assert mapped({"prompt": TEXT, "aspect_ratio": RATIO}, {"sizing": "ratio"}, aspect_ratio=said).inputs == {
        "prompt": REQUEST.prompt,
        "aspect_ratio": sent,
    }


@pytest.mark.parametrize(
    ("ratio", "sides"),
    [
        ("1:1", (1024, 1024)),
        ("16:9", (1024, 576)),
        ("9:16", (576, 1024)),
        ("2:1", (1024, 512)),
        ("100:1", (1024, 256)),
        ("1:100", (256, 1024)),
    ],
)
def test_a_ratio_becomes_sides_where_the_model_takes_no_ratio(ratio: str, sides: tuple[int, int]) -> None:
    """The sides make about a megapixel, within the model's bounds."""
    sent = mapped({"prompt": TEXT, **SIDES}, FREE, aspect_ratio=ratio).inputs
    assert (sent["width"], sent["height"]) == sides


@pytest.mark.parametrize("ratio", ["square", "4:0", "0:3", "4:3:2", "-4:3", "4", ":", "101:1", "match_input_image"])
def test_what_is_no_ratio_is_refused(ratio: str) -> None:
    """It is refused where the sides must be computed from it."""
    assert refusal({"prompt": TEXT, **SIDES}, FREE, aspect_ratio=ratio) == "aspect_ratio must be such as 4:3 for m"


@given(st.integers(64, 8192), st.integers(64, 8192))
def test_every_size_is_fitted(width: int, height: int) -> None:
    """Sides are within the bounds, a multiple of the step, and as close to the ratio as both allow."""
    sent: dict[str, Any] = dict(mapped({"prompt": TEXT, **SIDES}, FREE, width=width, height=height).inputs)
    for side in ("width", "height"):
        assert 256 <= sent[side] <= 1024
        assert sent[side] % 64 == 0
    assert (sent["width"] >= sent["height"]) == (width >= height) or abs(sent["width"] - sent["height"]) <= 64


def test_a_model_of_ratios_gets_the_nearest() -> None:
    """One side alone is compared with the usual other side; megapixels are sent only if there is an input."""
    ratios = {"prompt": TEXT, "aspect_ratio": RATIO}
    assert mapped(ratios, {"sizing": "ratio"}, width=1900, height=1000).inputs["aspect_ratio"] == "16:9"
    assert mapped(ratios, {"sizing": "ratio"}, height=4096).inputs["aspect_ratio"] == "9:16"
    assert mapped(ratios, {"sizing": "ratio"}, width=4096).inputs["aspect_ratio"] == "16:9"
    small = {**ratios, "megapixels": {"type": "choice", "choices": ["1", "0.25"]}}
    sent = mapped(small, {"sizing": "megapixels"}, width=512, height=512).inputs
    assert (sent["aspect_ratio"], sent["megapixels"]) == ("1:1", "0.25")


def test_choices_that_are_no_ratio_are_never_nearest() -> None:
    """An example is match_input_image."""
    assert nearest_ratio(100, 130, ("custom", "match_input_image", "3:4", "4:3")) == "3:4"


def test_a_size_is_ignored_by_a_model_without_one_and_named() -> None:
    """An example is a film in the shape of the given picture."""
    said = mapped({"prompt": TEXT}, width=512, height=512, aspect_ratio="1:1")
    assert said.inputs == {"prompt": REQUEST.prompt}
    assert said.ignored_fields == ("aspect_ratio", "height", "width")
