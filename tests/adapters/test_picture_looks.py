"""The copy for screening shows the picture as a viewer does. If viewers differ, it has every look."""

import io
import struct
import zlib
from typing import Any

import pytest
from PIL import Image, ImageCms

from shared.adapters.media.images import PillowImages, colours
from shared.ports import OutputUnfit
from tests.adapters.picture_shapes import cameras, chunk

IMAGES = PillowImages()

Pixel = tuple[int, ...]


async def shown(content: bytes) -> Image.Image:
    """The screener's copy, in RGB."""
    picture = await IMAGES.inspect(io.BytesIO(content))
    assert picture is not None
    with Image.open(io.BytesIO(await IMAGES.for_screening(io.BytesIO(content), picture))) as image:
        return image.convert("RGB")


def pixel(image: Image.Image, x: float, y: float) -> Pixel:
    """The colour at a position; x and y are from 0 to 1."""
    found = image.getpixel((int(x * image.width), int(y * image.height)))
    assert isinstance(found, tuple)
    return tuple(int(sample) for sample in found)


def near(found: Pixel, colour: Pixel, by: int = 14) -> bool:
    """Whether two colours are as near as a JPEG keeps them."""
    return all(abs(one - other) <= by for one, other in zip(found, colour, strict=True))


def saved(picture: Image.Image, form: str, **options: Any) -> bytes:
    """The picture as a file's bytes."""
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def with_chunks(content: bytes, *chunks: bytes) -> bytes:
    """A PNG with these chunks after its header."""
    return content[:33] + b"".join(chunks) + content[33:]


def halves(left: Any, right: Any, mode: str = "RGB", size: tuple[int, int] = (200, 100)) -> Image.Image:
    """A picture of two colours side by side."""
    picture = Image.new(mode, size, left)
    picture.paste(right, (size[0] // 2, 0, *size))
    return picture


def sixteen_bits(width: int, height: int) -> bytes:
    """A grey ramp from black to white from left to right, in sixteen bits, as a PNG of three rows' worth of bytes."""
    row = b"\0" + b"".join(struct.pack(">H", 65535 * x // (width - 1)) for x in range(width))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(row * height)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(200, 100), (7400, 60), (40, 40)])
async def test_sixteen_bits_of_grey_are_a_ramp_and_no_white_sheet(size: tuple[int, int]) -> None:
    """A copy is made even within the screener's limits, because its decoder may read them differently."""
    copy = await shown(sixteen_bits(*size))
    for x in (0.1, 0.5, 0.9):
        grey = round(255 * x)
        assert near(pixel(copy, x, 0.5), (grey, grey, grey), 8)


async def test_sixteen_bits_of_grey_with_a_transparent_one_have_three_looks() -> None:
    """The transparent colour has sixteen bits too."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 60, 60, 16, 0, 0, 0, 0))
    pixels = zlib.compress((b"\0" + b"\x80\x00" * 60) * 60)
    key = chunk(b"tRNS", b"\x80\x00")
    copy = await shown(b"\x89PNG\r\n\x1a\n" + head + key + chunk(b"IDAT", pixels) + chunk(b"IEND", b""))
    assert near(pixel(copy, 0.25, 0.25), (255, 255, 255))
    assert near(pixel(copy, 0.75, 0.25), (0, 0, 0))
    assert near(pixel(copy, 0.25, 0.75), (128, 128, 128))


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
async def test_a_transparent_grey_of_any_depth_is_transparent(depth: int) -> None:
    """The transparent colour is in the picture's own depth: 1 of 3 in two bits is 85 of 255."""
    most = (1 << depth) - 1
    value = 1 if depth < 8 else 85
    packed = sum(value << shift for shift in range(0, 8, depth))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 64, depth, 0, 0, 0, 0))
    pixels = zlib.compress((b"\0" + bytes([packed]) * (64 * depth // 8)) * 64)
    key = chunk(b"tRNS", struct.pack(">H", value))
    copy = await shown(b"\x89PNG\r\n\x1a\n" + head + key + chunk(b"IDAT", pixels) + chunk(b"IEND", b""))
    grey = value * 255 // most
    assert near(pixel(copy, 0.25, 0.25), (255, 255, 255))
    assert near(pixel(copy, 0.75, 0.25), (0, 0, 0))
    assert near(pixel(copy, 0.25, 0.75), (grey, grey, grey))


async def test_sixteen_bits_of_colour_with_a_transparent_one_have_three_looks() -> None:
    """Pillow compares a colour of sixteen bits with samples of eight."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 60, 60, 16, 2, 0, 0, 0))
    pixels = zlib.compress((b"\0" + b"\xff\xff\0\0\0\0" * 60) * 60)
    key = chunk(b"tRNS", b"\xff\xff\0\0\0\0")
    copy = await shown(b"\x89PNG\r\n\x1a\n" + head + key + chunk(b"IDAT", pixels) + chunk(b"IEND", b""))
    assert near(pixel(copy, 0.25, 0.25), (255, 255, 255))
    assert near(pixel(copy, 0.25, 0.75), (255, 0, 0))


async def test_grey_with_alpha_has_its_looks() -> None:
    """It is shown on white, on black, and with alpha ignored."""
    copy = await shown(saved(Image.new("LA", (80, 80), (90, 0)), "PNG"))
    assert near(pixel(copy, 0.25, 0.25), (255, 255, 255))
    assert near(pixel(copy, 0.75, 0.25), (0, 0, 0))
    assert near(pixel(copy, 0.25, 0.75), (90, 90, 90))


async def test_a_palette_with_transparency_has_its_looks() -> None:
    """A half transparent picture, by its palette."""
    picture = Image.new("P", (80, 80), 1)
    picture.putpalette([0, 0, 0, 255, 0, 0])
    copy = await shown(saved(picture, "PNG", transparency=b"\xff\x80"))
    assert near(pixel(copy, 0.25, 0.25), (255, 127, 127))
    assert near(pixel(copy, 0.75, 0.25), (128, 0, 0))
    assert near(pixel(copy, 0.25, 0.75), (255, 0, 0))


async def test_inks_are_shown_in_colours() -> None:
    """They are converted even within the screener's limits, because its decoder might show other colours."""
    copy = await shown(saved(halves((255, 0, 0, 0), (0, 0, 0, 255), "CMYK"), "JPEG", quality=95))
    assert near(pixel(copy, 0.25, 0.5), (0, 255, 255))
    assert near(pixel(copy, 0.75, 0.5), (0, 0, 0))


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("value", range(1, 9))
async def test_the_copy_stands_as_a_viewer_turns_it(form: str, value: int) -> None:
    """Red is the left half of the stored picture, so its position in the copy follows from the orientation."""
    exif = Image.Exif()
    exif[0x0112] = value
    copy = await shown(saved(halves((255, 0, 0), (0, 0, 255)), form, exif=exif.tobytes()))
    assert copy.size == ((200, 100) if value < 5 else (100, 200))
    x, y = {1: (0.2, 0.5), 2: (0.8, 0.5), 3: (0.8, 0.5), 4: (0.2, 0.5), 5: (0.5, 0.2), 6: (0.5, 0.2)}.get(
        value, (0.5, 0.8)
    )
    assert near(pixel(copy, x, y), (255, 0, 0), 40)
    assert near(pixel(copy, 1 - x, 1 - y), (0, 0, 255), 40)


async def test_a_photo_of_a_phone_is_its_first_picture_upright() -> None:
    """The second picture, after the end of the first, is ignored."""
    copy = await shown(cameras((640, 480)))
    assert copy.size == (480, 640)


async def test_a_gamma_that_hides_a_picture_shows_it() -> None:
    """The picture is nearly white when decoded, and vivid in a browser. The copy has both looks."""
    content = saved(halves((250, 255, 255), (255, 250, 250)), "PNG")
    hidden = with_chunks(content, chunk(b"gAMA", struct.pack(">I", 2000)))
    assert min(pixel(await shown(content), 0.25, 0.5)) > 245
    copy = await shown(hidden)
    assert pixel(copy, 0.1, 0.5)[0] < 200  # as a browser shows it, in the left half
    assert min(pixel(copy, 0.6, 0.5)) > 240  # as a model sees it, in the right half


@pytest.mark.parametrize(
    "chunks",
    [
        [chunk(b"gAMA", struct.pack(">I", 45455))],
        [chunk(b"sRGB", b"\0"), chunk(b"gAMA", struct.pack(">I", 2000))],
        [chunk(b"cICP", bytes((1, 13, 0, 1))), chunk(b"gAMA", struct.pack(">I", 2000))],
        [
            chunk(b"gAMA", struct.pack(">I", 45455)),
            chunk(b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)),
        ],
    ],
    ids=["gamma", "sRGB outranks gamma", "cICP outranks gamma", "primaries"],
)
async def test_colours_that_change_nothing_leave_the_file_as_it_is(chunks: list[bytes]) -> None:
    """Most files declare sRGB in one way or another, and need no copy."""
    content = with_chunks(saved(halves((200, 30, 30), (30, 30, 200)), "PNG"), *chunks)
    picture = await IMAGES.inspect(io.BytesIO(content))
    assert picture is not None
    assert await IMAGES.for_screening(io.BytesIO(content), picture) == content


async def test_primaries_are_applied() -> None:
    """The primaries are so near to white that a viewer shows almost grey."""
    grey = struct.pack(">8I", 31270, 32900, 32000, 33000, 31000, 34000, 30500, 32000)
    chunks = [chunk(b"gAMA", struct.pack(">I", 45455)), chunk(b"cHRM", grey)]
    copy = await shown(with_chunks(saved(halves((255, 0, 0), (0, 0, 255)), "PNG"), *chunks))
    red = pixel(copy, 0.1, 0.5)
    assert max(red) - min(red) < 60
    assert near(pixel(copy, 0.6, 0.5), (255, 0, 0))


async def test_colours_that_cannot_be_shown_are_not_let_through() -> None:
    """The look on a screen of high dynamic range cannot be made here, so it cannot be screened."""
    content = with_chunks(saved(halves((200, 30, 30), (30, 30, 200)), "PNG"), chunk(b"cICP", bytes((9, 16, 0, 1))))
    picture = await IMAGES.inspect(io.BytesIO(content))
    assert picture is not None
    with pytest.raises(OutputUnfit):
        await IMAGES.for_screening(io.BytesIO(content), picture)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
async def test_a_profile_is_applied(form: str) -> None:
    """A profile with an exponent of 50 is applied, in each format that has profiles."""
    profile = colours.of_gamma(struct.pack(">I", 2000), b"")
    options = {"quality": 100} if form == "JPEG" else {"lossless": True} if form == "WEBP" else {}
    content = saved(Image.new("RGB", (100, 100), (245, 245, 245)), form, icc_profile=profile, **options)
    copy = await shown(content)
    assert pixel(copy, 0.25, 0.5)[0] < 140
    assert near(pixel(copy, 0.75, 0.5), (245, 245, 245))


@pytest.mark.parametrize("profile", ["sRGB", "broken", "of another kind"])
async def test_a_profile_that_no_viewer_applies_changes_nothing(profile: str) -> None:
    """The profile of sRGB, a broken one, and a CMYK profile in an RGB picture."""
    sound = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    found = {"sRGB": sound, "broken": sound[:200], "of another kind": sound[:16] + b"CMYK" + sound[20:]}[profile]
    content = saved(halves((200, 30, 30), (30, 30, 200)), "JPEG", icc_profile=found)
    copy = await shown(content)
    assert near(pixel(copy, 0.1, 0.1), (200, 30, 30))
