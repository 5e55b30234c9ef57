"""The pictures, and the marker that makes one unsafe."""

import io

import pytest
from PIL import Image, ImageChops

from replicate_simulator.markers import COLOURS, CORNERS, draw_marker, find_markers
from replicate_simulator.models import PictureFormat
from replicate_simulator.pictures import Scene, render

SMALL = PictureFormat(320, 240, "webp", 80)


def opened(encoded: bytes) -> Image.Image:
    """The decoded picture."""
    return Image.open(io.BytesIO(encoded))


@pytest.mark.parametrize(("extension", "kind"), [("webp", "WEBP"), ("jpg", "JPEG"), ("png", "PNG")])
@pytest.mark.parametrize("plain", [False, True])
def test_a_picture_has_the_asked_kind_and_shape(extension: str, kind: str, plain: bool) -> None:
    """Painted or plain: file format and pixels are as asked."""
    picture = opened(render(Scene("sea", 1, 0, plain=plain), PictureFormat(320, 768, extension, 80)))
    assert (picture.format, picture.size) == (kind, (320, 768))
    assert (len(picture.convert("RGB").getcolors(2**20) or []) <= 4) == plain


def test_prompt_seed_and_index_make_the_picture() -> None:
    """The same again gives the same bytes; another prompt, seed or index another picture."""
    scenes = [Scene("a fox", 1, 0), Scene("a dog", 1, 0), Scene("a fox", 2, 0), Scene("a fox", 1, 1)]
    first = [render(scene, SMALL) for scene in scenes]
    render.cache_clear()
    assert [render(scene, SMALL) for scene in scenes] == first
    assert len(set(first)) == len(scenes)


def test_a_picture_says_what_it_is() -> None:
    """Simulated, model, seed and prompt are written on its lower edge, and nowhere else."""
    form = PictureFormat(640, 480, "png", 80)
    plain = opened(render(Scene("sea", 1, 0), form))
    other = opened(render(Scene("sea", 1, 0, model="black-forest-labs/flux-dev"), form))
    changed = ImageChops.difference(plain, other).getbbox()
    assert changed is not None
    assert changed[1] > 480 * 0.8
    written = plain.convert("L").crop((90, 400, 640, 480)).histogram()
    assert sum(written[221:]) > 40


def test_any_prompt_can_be_painted() -> None:
    """No words at all, and text that UTF-8 cannot hold."""
    for prompt in ("", "   ", "\ud800", "日本"):
        assert opened(render(Scene(prompt, 0, 0), SMALL)).size == (320, 240)


@pytest.mark.parametrize("category", COLOURS)
@pytest.mark.parametrize("severity", CORNERS)
def test_a_marker_survives_every_codec_at_its_worst(category: str, severity: int) -> None:
    """Category and severity are read from the encoded picture, from a downscaled one too."""
    for extension, quality in (("webp", 0), ("webp", 80), ("jpg", 0), ("jpg", 80), ("png", 80)):
        form = PictureFormat(320, 240, extension, quality)
        picture = opened(render(Scene("sunset", 1, 0, (category, severity)), form))
        assert find_markers(picture) == {category: severity}
        assert find_markers(picture.convert("RGB").resize((67, 50))) == {category: severity}


def test_no_painted_picture_looks_marked() -> None:
    """A hundred prompts and seeds, moods included: none of their corners is taken for a marker."""
    moods = ("sunset", "night", "forest", "sea", "desert", "snow")
    prompts = [*moods, *(f"thing {number}" for number in range(94))]
    form = PictureFormat(160, 120, "jpg", 30)
    found = {prompt: find_markers(opened(render(Scene(prompt, 7, 0), form))) for prompt in prompts}
    assert {prompt: marks for prompt, marks in found.items() if marks} == {}


def test_two_markers_are_both_found_and_the_worse_counts() -> None:
    """A category marked twice has its higher severity."""
    picture = Image.new("RGB", (200, 200))
    draw_marker(picture, "Hate", 6)
    draw_marker(picture, "Hate", 2)
    draw_marker(picture, "Sexual", 4)
    assert find_markers(picture) == {"Hate": 6, "Sexual": 4}
