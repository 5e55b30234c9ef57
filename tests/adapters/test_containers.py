"""Cleaning: only what a viewer needs goes on, and it looks the same; what a browser would play is an animation."""

import io
import warnings
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageOps

from shared.adapters.media.images import PillowImages, cleaning
from shared.core.reasons import Reason
from shared.ports import Cleaned, CutShort, OutputUnfit, Picture
from shared.worker.spooled_output import SpooledOutput
from tests.adapters import container_files as files
from tests.adapters.container_files import HTML, PROFILE, SECRET, chunk, segment

IMAGES = PillowImages()
SQUARE = Picture("image/png", "png", 1024, 1024)


def cleaned(content: bytes) -> tuple[bytes, Cleaned]:
    """What goes on of a file, and what was said of it."""
    into = io.BytesIO()
    said = cleaning.cleaned(io.BytesIO(content), into, validate=False)
    assert bool(said.dropped) == bool(into.getvalue())
    return into.getvalue() or content, said


def shown(content: bytes) -> tuple[str, tuple[int, int], bytes, Any]:
    """What a viewer makes of a file: the first picture's pixels, turned as it says, and its colours."""
    with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(content)) as image:
        # Not of what the library thinks of EXIF and the second picture.
        turned = ImageOps.exif_transpose(image)
        return turned.mode, turned.size, turned.convert("RGBA").tobytes(), image.info.get("icc_profile")


PLAIN: dict[str, Callable[[], bytes]] = {
    **{f"PNG {mode}": partial(files.png, mode) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")},
    "PNG with a palette to see through": lambda: files.png("P", transparency=3),
    **{f"JPEG {mode}": partial(files.jpeg, mode) for mode in ("L", "RGB", "CMYK")},
    "progressive JPEG": lambda: files.jpeg(progressive=True),
    "JPEG with restarts": lambda: files.jpeg(restart_marker_blocks=2),
    "WebP": files.webp,
    "lossless WebP": lambda: files.webp(lossless=True),
    "WebP to see through": lambda: files.webp("RGBA"),
    "GIF": files.gif,
    "GIF to see through": files.gif_to_see_through,
}

FULL = {
    "full PNG": files.png_with_everything,
    "PNG with a palette": lambda: files.png_with_everything("P"),
    "JPEG": files.jpeg_with_everything,
    "JPEG in inks": lambda: files.jpeg_with_everything("CMYK"),
    "full progressive JPEG": lambda: files.jpeg_with_everything(progressive=True),
    "MPO": files.mpo,
    "full WebP": files.webp_with_everything,
    "full lossless WebP": lambda: files.webp_with_everything(lossless=True),
    "full WebP to see through": lambda: files.webp_with_everything("RGBA"),
    "full GIF": files.gif_with_everything,
}


@pytest.mark.parametrize("make", PLAIN.values(), ids=PLAIN)
def test_what_has_nothing_to_spare_goes_on_as_it_is(make: Callable[[], bytes]) -> None:
    """Not a byte is written."""
    content = make()
    assert cleaned(content) == (content, Cleaned())


@pytest.mark.parametrize("make", FULL.values(), ids=FULL)
def test_what_nobody_needs_is_dropped_and_the_picture_looks_the_same(make: Callable[[], bytes]) -> None:
    """Pixels, orientation, transparency and profile are those that it came with; what was dropped is named."""
    content = make()
    clean, said = cleaned(content)
    assert len(clean) < len(content)
    assert said.dropped
    assert SECRET not in clean
    assert zlib.compress(SECRET)[2:12] not in clean
    assert b"<html>" not in clean
    assert shown(clean)[:3] == shown(content)[:3]
    assert (shown(clean)[3] is None) == (shown(content)[3] is None)
    assert cleaned(clean) == (clean, Cleaned())


@pytest.mark.parametrize("turned", range(1, 9))
@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_of_exif_only_the_orientation_stays(form: str, turned: int) -> None:
    """Each of the eight, in each byte order that a file may have."""
    for order in ("<", ">"):
        said = Image.Exif()
        said.endian = order
        said[0x0112] = turned
        said[0x010E] = SECRET.decode()
        buffer = io.BytesIO()
        files.picture().save(buffer, form, exif=said)
        clean, _ = cleaned(buffer.getvalue())
        with Image.open(io.BytesIO(clean)) as image:
            assert dict(image.getexif()) == ({} if turned == 1 else {0x0112: turned})
        assert shown(clean) == shown(buffer.getvalue())


async def test_a_photo_with_a_second_picture_is_its_first() -> None:
    """As phones and cameras store it (MPO): taken, and no animation."""
    clean, said = cleaned(files.mpo())
    assert {"second picture", "bytes after the end"} <= set(said.dropped)
    assert clean.count(b"\xff\xd8\xff") == 1
    with Image.open(io.BytesIO(clean)) as image:
        assert image.format == "JPEG"
    picture = await IMAGES.inspect(io.BytesIO(clean))
    assert picture is not None
    assert (picture.content_type, picture.width, picture.height) == ("image/jpeg", 60, 40)


def test_a_profile_stays_and_its_name_goes() -> None:
    """The name is a text of anybody's."""
    clean, _ = cleaned(files.png_with_everything())
    assert shown(clean)[3] == PROFILE
    assert b"my profile!" not in clean
    clean, _ = cleaned(files.jpeg_with_everything())
    assert shown(clean)[3] == PROFILE


@pytest.mark.parametrize("hangs_on", [SECRET, HTML])
@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_what_hangs_on_to_a_profile_goes(form: str, hangs_on: bytes) -> None:
    """Its own length says where it ends."""
    buffer = io.BytesIO()
    files.picture().save(buffer, form, icc_profile=PROFILE + hangs_on)
    clean, _ = cleaned(buffer.getvalue())
    assert shown(clean)[3] == PROFILE
    buffer = io.BytesIO()
    files.picture().save(buffer, form, icc_profile=hangs_on * 20)
    clean, said = cleaned(buffer.getvalue())
    assert "profile" in said.dropped
    assert shown(clean)[3] is None


def test_gamma_and_primaries_stay_where_decoders_heed_them() -> None:
    """Once, whole, and before the picture: a second one, a broken one, one that comes too late is dropped."""
    gamma, other = chunk(b"gAMA", b"\0\0\x07\xd0"), chunk(b"gAMA", b"\0\0\xb1\x8f")
    broken = other[:-1] + b"\0"
    kept = files.with_chunks(files.png(), b"IDAT", gamma, chunk(b"cHRM", bytes(32)), chunk(b"sRGB", b"\0"))
    assert cleaned(kept) == (kept, Cleaned())
    assert cleaned(files.with_chunks(kept, b"IDAT", other, broken))[0] == kept
    assert cleaned(files.with_chunks(kept, b"IEND", other))[0] == kept
    assert cleaned(files.with_chunks(files.png(), b"IDAT", broken))[0] == files.png()


ANIMATIONS = {
    "APNG": files.apng,
    "GIF": files.animated_gif,
    "WebP": files.animated_webp,
    "acTL alone": lambda: files.with_chunks(files.png(), b"IDAT", chunk(b"acTL", bytes(8))),
    "acTL twice": lambda: files.apng().replace(apng_control(), apng_control() + apng_control()),
    "acTL behind the picture": lambda: files.with_chunks(files.png(), b"IEND", chunk(b"acTL", bytes(8))),
    "fcTL alone": lambda: files.with_chunks(files.png(), b"IDAT", chunk(b"fcTL", bytes(26))),
    "fdAT alone": lambda: files.with_chunks(files.png(), b"IEND", chunk(b"fdAT", bytes(9))),
    "acTL with a wrong checksum": lambda: files.with_chunks(
        files.png(), b"IDAT", chunk(b"acTL", bytes(8))[:-1] + b"\x01"
    ),
    "WebP of one frame": lambda: files.riff(files.webp("RGBA")[12:] + b"ANMF" + bytes(4)),
    "WebP that says so": lambda: flagged(files.webp(exif=files.exif())),
    "second picture in a GIF": lambda: files.gif()[:-1] + files.gif()[files.gif_head_bytes() :],
}


def apng_control() -> bytes:
    """The chunk that says that it is one."""
    content = files.apng()
    at = content.index(b"acTL") - 4
    return content[at : at + 20]


def flagged(content: bytes) -> bytes:
    """A WebP with the flag of an animation."""
    at = content.index(b"VP8X") + 8
    return content[:at] + bytes((content[at] | 2,)) + content[at + 1 :]


@pytest.mark.parametrize("make", ANIMATIONS.values(), ids=ANIMATIONS)
def test_what_a_browser_may_play_is_an_animation(make: Callable[[], bytes]) -> None:
    """Whatever a library makes of it, and however broken it is."""
    with pytest.raises(OutputUnfit, match="animation") as raised:
        cleaned(make())
    assert raised.value.refusal.reason is Reason.OUTPUT_INVALID
    assert not isinstance(raised.value, CutShort)


@pytest.mark.parametrize("make", (PLAIN | FULL).values(), ids=PLAIN | FULL)
def test_a_file_that_ends_early_is_cut_short(make: Callable[[], bytes]) -> None:
    """Wherever a transfer was cut before the end of the picture, it is CutShort: neither a whole file nor unfit."""
    content, _ = cleaned(make())
    step = max(1, len(content) // 97)
    for stays in [*range(0, len(content) - 1, step), len(content) - 2]:
        with pytest.raises(CutShort):
            cleaned(content[:stays])


STRANGE = {
    "text": b"<html>no picture</html>",
    "bytes": bytes(1000),
    "AVIF": b"\0\0\0\x18ftypavif" + bytes(100),
    "PNG with an unknown critical chunk": files.with_chunks(files.png(), b"IDAT", chunk(b"CgBI", bytes(4))),
    "PNG with two headers": files.with_chunks(files.png(), b"IDAT", chunk(b"IHDR", bytes(13))),
    "PNG without a header": files.png()[:8] + files.png()[33:],
    "PNG with a chunk of an invalid name": files.with_chunks(files.png(), b"IDAT", chunk(b"\0\0\0\0", b"")),
    "PNG of empty chunks": files.with_chunks(files.png(), b"IDAT", *(chunk(b"IDAT", b""),) * 40_000),
    "JPEG of two frames": files.jpeg().replace(b"\xff\xc4", segment(0xC0, bytes(15)) + b"\xff\xc4", 1),
    "JPEG within a JPEG": files.jpeg().replace(b"\xff\xc4", b"\xff\xd8\xff\xc4", 1),
    "JPEG without a scan": b"\xff\xd8" + segment(0xFE, b"x") + b"\xff\xd9",
    "JPEG of many scans": files.jpeg()[:-2] + segment(0xDA, bytes(10)) * 200 + b"\xff\xd9",
    "JPEG of empty segments": b"\xff\xd8" + segment(0xFE, b"") * 10_000 + files.jpeg()[2:],
    "JPEG with a length of 0": b"\xff\xd8\xff\xe0\0\0" + files.jpeg()[2:],
    "WebP without a picture": files.riff(b"PRIV\x04\0\0\0abcd"),
    "WebP with a chunk beyond its end": files.riff(b"VP8 \xff\xff\xff\x7fabcd"),
    "WebP of empty chunks": files.riff(b"PRIV\0\0\0\0" * 5_000 + files.webp()[12:]),
    "WAV": b"RIFF\x24\0\0\0WAVEfmt " + bytes(30),
    "GIF without a picture": files.gif()[: files.gif_head_bytes()] + b";",
    "GIF with an unknown block": files.gif()[:-1] + b"\x99;",
    "GIF of many sub-blocks": files.gif()[:-1] + b"\x21\xfe" + b"\x01a" * 300_000 + b"\0;",
    "GIF of many comments": files.gif()[:-1] + b"\x21\xfe\x01a\0" * 10_000 + b";",
}


@pytest.mark.parametrize("content", STRANGE.values(), ids=STRANGE)
def test_what_is_no_sound_container_is_unfit(content: bytes) -> None:
    """Another fetch would return the same bytes, so it is not fetched again."""
    with pytest.raises(OutputUnfit) as raised:
        cleaned(content)
    assert not isinstance(raised.value, CutShort)
    assert raised.value.refusal.reason is Reason.OUTPUT_INVALID


def test_a_text_of_a_gif_takes_its_control_along() -> None:
    """The control block's delay and transparency applied to the text, so it is dropped with it."""
    clean, _ = cleaned(files.gif_with_everything())
    assert clean == files.gif_to_see_through()


@pytest.mark.parametrize("most_bytes", [1, 2**20], ids=["disk", "memory"])
async def test_an_output_is_cleaned_while_it_is_held(most_bytes: int) -> None:
    """It is cleaned chunk by chunk, whether it is held in memory or on disk."""
    content = files.jpeg_with_everything()
    with SpooledOutput(most_bytes) as came, SpooledOutput(most_bytes) as clean:
        for start in range(0, len(content), 100):
            came.write(content[start : start + 100])
        said = await IMAGES.clean(came, clean)  # type: ignore[arg-type]  # files in all but name
        clean.seek(0)
        assert (clean.read(), said) == (cleaned(content)[0], cleaned(content)[1])


@pytest.mark.parametrize(
    ("colour", "options", "black"),
    [
        ((0, 0, 0), {"format": "PNG"}, True),
        ((0, 0, 0), {"format": "JPEG"}, True),
        ((0, 0, 0), {"format": "WEBP"}, True),
        ((0, 0, 0, 0), {"format": "PNG"}, True),
        ((9, 0, 0), {"format": "PNG"}, False),
        ((255, 255, 255), {"format": "JPEG"}, False),
    ],
)
async def test_black_is_black_in_every_format(colour: tuple[int, ...], options: dict[str, Any], black: bool) -> None:
    """And so small a file that no other picture need be looked at."""
    buffer = io.BytesIO()
    Image.new("RGBA" if len(colour) == 4 else "RGB", (1024, 1024), colour).save(buffer, **options)
    assert len(buffer.getvalue()) < 0.05 * 1024 * 1024
    assert await IMAGES.is_black(buffer, SQUARE) is black
    assert not await IMAGES.alone().is_black(buffer, SQUARE)  # where nothing is decoded


async def test_a_night_is_not_black() -> None:
    """One light in it, and whatever cannot be decoded."""
    night = Image.new("RGB", (1024, 1024))
    night.paste((200, 200, 180), (500, 500, 510, 510))
    buffer = io.BytesIO()
    night.save(buffer, "JPEG", quality=95)
    assert not await IMAGES.is_black(buffer, SQUARE)
    assert not await IMAGES.is_black(io.BytesIO(b"\x89PNG\r\n\x1a\nnothing"), SQUARE)


def test_the_pixels_are_those_of_the_original_in_a_second_decoder(tmp_path: Path) -> None:
    """A file cleaned and read from disk by its name, as an app would."""
    for name, make in FULL.items():
        file = tmp_path / name
        file.write_bytes(cleaned(make())[0])
        with Image.open(file) as image:
            image.load()
            assert image.size in ((60, 40), (40, 60))
