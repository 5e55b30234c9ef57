"""Image files: known by their bytes, decoded whole before they are stored, small enough for the screener."""

import io
import random
import struct
import tempfile
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO

import pytest
from PIL import Image

from shared.adapters.images import SCREENED_BYTES, PillowImages
from shared.core.reasons import Reason
from shared.ports import OutputUnfit, Picture

IMAGES = PillowImages()


def saved(form: str, size: tuple[int, int] = (120, 80), mode: str = "RGB", **options: Any) -> bytes:
    """A picture with something in it, as a file of this format."""
    picture = Image.effect_noise(size, 64).convert(mode)
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def animated(form: str) -> bytes:
    """Two frames."""
    frames = [Image.new("RGB", (60, 60), colour) for colour in ("red", "blue")]
    buffer = io.BytesIO()
    frames[0].save(buffer, form, save_all=True, append_images=frames[1:])
    return buffer.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG that promises these dimensions and holds nothing."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))


async def screened(content: bytes) -> bytes:
    """What the screener would be shown."""
    picture = await IMAGES.inspect(io.BytesIO(content))
    assert picture is not None
    return await IMAGES.for_screening(io.BytesIO(content), picture)


@pytest.mark.parametrize(
    ("form", "content_type", "extension"),
    [
        ("PNG", "image/png", "png"),
        ("JPEG", "image/jpeg", "jpg"),
        ("WEBP", "image/webp", "webp"),
        ("GIF", "image/gif", "gif"),
    ],
)
async def test_a_picture_is_known_by_its_bytes(form: str, content_type: str, extension: str) -> None:
    """Format and size; within the limits the screener gets the file as it is."""
    content = saved(form)
    assert await IMAGES.inspect(io.BytesIO(content)) == Picture(content_type, extension, 120, 80)
    assert await screened(content) == content


async def test_a_spooled_file_does_as_well() -> None:
    """In memory or rolled over to the disk, wherever it stands."""
    for max_size in (1_000_000, 10):
        with tempfile.SpooledTemporaryFile(max_size=max_size) as spool:
            spool.write(saved("PNG"))
            file: BinaryIO = spool  # type: ignore[assignment]
            picture = await IMAGES.inspect(file)
            assert picture == Picture("image/png", "png", 120, 80)
            assert await IMAGES.for_screening(file, picture) == saved_bytes(spool)


def saved_bytes(spool: Any) -> bytes:
    """All of a spooled file."""
    spool.seek(0)
    content: bytes = spool.read()
    return content


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"GIF89a",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"<html>not found</html>",
        b"%PDF-1.7",
        b"\x89PNG\r\n\x1a\n",
        saved("BMP"),
        saved("TIFF"),
        png_header(0, 10),
        png_header(8001, 8000),
        png_header(100_000, 100_000),
    ],
    ids=range(11),
)
async def test_what_is_no_picture_is_none(content: bytes) -> None:
    """Other formats, broken headers, and dimensions that nobody should decode."""
    assert await IMAGES.inspect(io.BytesIO(content)) is None


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG"])
async def test_an_animation_is_refused(form: str) -> None:
    """Of several frames the screener would see one."""
    with pytest.raises(OutputUnfit, match="animation") as raised:
        await IMAGES.inspect(io.BytesIO(animated(form)))
    assert raised.value.refusal.reason is Reason.OUTPUT_INVALID


def cut(content: bytes) -> bytes:
    """Only the first half."""
    return content[: len(content) // 2]


def scrambled(content: bytes) -> bytes:
    """The middle third is noise."""
    third = len(content) // 3
    return content[:third] + random.Random(1).randbytes(third) + content[2 * third :]


# Noise in the middle of the other formats decodes to a noisy picture: that is their nature.
@pytest.mark.parametrize(
    ("form", "damage"), [("PNG", cut), ("JPEG", cut), ("WEBP", cut), ("GIF", cut), ("PNG", scrambled)]
)
async def test_a_broken_picture_is_found_out(form: str, damage: Callable[[bytes], bytes]) -> None:
    """Its header may be sound, and then it takes a decoding to find out."""
    content = damage(saved(form))
    picture = await IMAGES.inspect(io.BytesIO(content))
    if picture is not None:
        with pytest.raises(OutputUnfit) as raised:
            await IMAGES.for_screening(io.BytesIO(content), picture)
        assert raised.value.refusal.reason is Reason.OUTPUT_INVALID


@pytest.mark.parametrize(
    ("size", "mode"),
    [
        ((7300, 60), "RGB"),
        ((60, 7300), "L"),
        ((20, 30), "RGB"),
        ((10, 4000), "RGBA"),
        ((30, 30), "P"),
        ((40, 40), "LA"),
    ],
)
async def test_sizes_beyond_the_limits_are_scaled(size: tuple[int, int], mode: str) -> None:
    """The copy is a JPEG with both sides from 50 to 7200 px."""
    with Image.open(io.BytesIO(await screened(saved("PNG", size, mode)))) as copy:
        copy.load()
        assert copy.format == "JPEG"
        assert 50 <= min(copy.size) <= max(copy.size) <= 7200


async def test_a_file_of_more_than_4_mb_is_made_smaller() -> None:
    """Noise is the worst there is; the original stays what is stored."""
    content = saved("JPEG", (2600, 2000), quality=100)
    assert len(content) > SCREENED_BYTES
    copy = await screened(content)
    assert len(copy) <= SCREENED_BYTES
    with Image.open(io.BytesIO(copy)) as picture:
        assert picture.width / picture.height == pytest.approx(1.3, abs=0.01)


async def test_transparency_is_seen_on_white() -> None:
    """What is transparent does not show what may lie beneath it."""
    picture = Image.new("RGBA", (20, 20), (255, 0, 0, 0))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    with Image.open(io.BytesIO(await screened(buffer.getvalue()))) as copy:
        assert copy.getpixel((25, 25)) == (255, 255, 255)
