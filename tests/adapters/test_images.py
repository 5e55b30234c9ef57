"""Image files: known by their bytes, decoded whole before they are stored, small enough for the screener."""

import asyncio
import io
import random
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from PIL import Image

from shared.adapters.media.images import SCREENED_BYTES, PillowImages, looking
from shared.core.reasons import Reason
from shared.ports import OutputUnfit, Picture

IMAGES = PillowImages()


#: A second of CPU time makes noise for 17 megapixels, so a large picture repeats a small one.
_TILE = 512


def noise(size: tuple[int, int]) -> Image.Image:
    """A grey picture of noise, the worst there is to compress."""
    tile = Image.effect_noise((min(size[0], _TILE), min(size[1], _TILE)), 64)
    picture = Image.new("L", size)
    for left in range(0, size[0], _TILE):
        for top in range(0, size[1], _TILE):
            picture.paste(tile, (left, top))
    return picture


def saved(form: str, size: tuple[int, int] = (120, 80), mode: str = "RGB", **options: Any) -> bytes:
    """A picture with something in it, as a file of this format."""
    picture = noise(size).convert(mode)
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def animated(form: str) -> bytes:
    """A file with two frames."""
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
async def test_other_files_are_no_pictures(content: bytes) -> None:
    """Other formats, broken headers, and dimensions that nobody should decode."""
    assert await IMAGES.inspect(io.BytesIO(content)) is None


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG"])
async def test_an_animation_is_refused(form: str) -> None:
    """Of several frames the screener would see one."""
    with pytest.raises(OutputUnfit, match="animation") as raised:
        await IMAGES.inspect(io.BytesIO(animated(form)))
    assert raised.value.refusal.reason is Reason.OUTPUT_INVALID


async def is_found_out(content: bytes) -> None:
    """It is no picture by its container, or none by its pixels."""
    picture = await IMAGES.inspect(io.BytesIO(content))
    if picture is not None:
        with pytest.raises(OutputUnfit) as raised:
            await IMAGES.for_screening(io.BytesIO(content), picture)
        assert raised.value.refusal.reason is Reason.OUTPUT_INVALID


def cut(content: bytes) -> bytes:
    """The first half of a file."""
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
    await is_found_out(damage(saved(form)))


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


def see_through(side: int) -> bytes:
    """A PNG that is red where it is wholly transparent (the left half), and blue where half of it is."""
    picture = Image.new("RGBA", (side, side), (255, 0, 0, 0))
    picture.paste((0, 0, 255, 128), (side // 2, 0, side, side))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=1)  # in a third of the time
    return buffer.getvalue()


def near(pixel: object, colour: tuple[int, int, int]) -> bool:
    """The same colour, as far as a JPEG keeps it."""
    assert isinstance(pixel, tuple)
    return all(abs(one - other) < 20 for one, other in zip(pixel, colour, strict=True))


@pytest.mark.parametrize("side", [20, 200, 4000])
async def test_what_can_be_seen_through_is_shown_in_every_way(side: int) -> None:
    """On white, on black, and bare: nothing can hide in what is transparent, nor in a colour that the ground has."""
    with Image.open(io.BytesIO(await screened(see_through(side=side)))) as copy:
        tile = copy.width // 2
        assert copy.size == (2 * tile, 2 * tile)
        assert max(copy.size) <= 2048
        quarter, three = tile // 4, tile * 3 // 4
        assert near(copy.getpixel((quarter, quarter)), (255, 255, 255))
        assert near(copy.getpixel((three, quarter)), (127, 127, 255))
        assert near(copy.getpixel((tile + quarter, quarter)), (0, 0, 0))
        assert near(copy.getpixel((tile + three, quarter)), (0, 0, 128))
        assert near(copy.getpixel((quarter, tile + quarter)), (255, 0, 0))
        assert near(copy.getpixel((three, tile + quarter)), (0, 0, 255))


@pytest.mark.parametrize("form", ["PNG", "WEBP", "GIF"])
async def test_a_picture_hidden_in_transparency_is_shown(form: str) -> None:
    """In every format that has any; a palette may have it too."""
    picture = Image.new("RGBA", (100, 100), (255, 0, 0, 0))
    buffer = io.BytesIO()
    picture.save(buffer, form, **({"lossless": True, "exact": True} if form == "WEBP" else {}))
    shown = await screened(buffer.getvalue())
    assert shown != buffer.getvalue()
    with Image.open(io.BytesIO(shown)) as copy:
        assert copy.size == (200, 200)
        assert near(copy.getpixel((50, 50)), (255, 255, 255))
        assert near(copy.getpixel((150, 50)), (0, 0, 0))


async def test_what_could_be_seen_through_and_is_not_is_shown_as_it_is() -> None:
    """An alpha channel that is opaque all over hides nothing; it is decoded to its end all the same."""
    picture = Image.effect_noise((200, 200), 64).convert("RGBA")
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    assert await screened(buffer.getvalue()) == buffer.getvalue()
    await is_found_out(cut(buffer.getvalue()))


class Watched(io.BytesIO):
    """A file that knows which threads have read it."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.threads: set[int] = set()

    def read(self, size: int | None = -1, /) -> bytes:
        """Read, and note by whom."""
        self.threads.add(threading.get_ident())
        return super().read(size)


async def test_a_picture_is_decoded_and_scaled_in_a_worker_thread() -> None:
    """The loop, on which everything else waits, never reads it; and goes on meanwhile."""
    file = Watched(saved("JPEG", (7300, 2000)))
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0.001)  # and leaves the core to the thread
            turns += 1

    going_on = asyncio.create_task(others())
    picture = await IMAGES.inspect(file)
    assert picture is not None
    await IMAGES.for_screening(file, picture)
    going_on.cancel()
    assert file.threads
    assert threading.get_ident() not in file.threads
    assert turns > 10


async def test_the_copy_is_for_screening_only() -> None:
    """The file itself stays as it was."""
    content = see_through(side=30)
    file = io.BytesIO(content)
    picture = await IMAGES.inspect(file)
    assert picture == Picture("image/png", "png", 30, 30)
    assert await IMAGES.for_screening(file, picture) != content
    assert file.getvalue() == content


async def test_two_threads_look_at_all_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many come at once: what a thread has had for a picture it keeps, so there are not more of them."""
    now, most, threads = 0, 0, set()

    def look(file: BinaryIO, picture: Picture) -> bytes:
        nonlocal now, most
        now, most = now + 1, max(most, now + 1)
        threads.add(threading.get_ident())
        time.sleep(0.01)
        now -= 1
        return b""

    monkeypatch.setattr(looking, "for_screening", look)
    picture = Picture("image/png", "png", 1, 1)
    await asyncio.gather(*(IMAGES.for_screening(io.BytesIO(), picture) for _ in range(20)))
    assert most == 2
    assert len(threads) == 2
    assert threading.get_ident() not in threads


async def test_one_thread_looks_at_heavy_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """One at a time; a light one does not wait for it."""
    now, most, done = 0, 0, list[int]()

    def look(file: BinaryIO, picture: Picture) -> bytes:
        nonlocal now, most
        heavy = picture.width > 1
        now, most = now + heavy, max(most, now + heavy)
        time.sleep(0.05 if heavy else 0.001)
        now -= heavy
        done.append(picture.width)
        return b""

    monkeypatch.setattr(looking, "for_screening", look)
    pictures = [Picture("image/png", "png", side, side) for side in (4096, 4096, 3000, 1, 1)]
    await asyncio.gather(*(IMAGES.for_screening(io.BytesIO(), picture) for picture in pictures))
    assert most == 1
    assert done[:2] == [1, 1]


async def test_half_a_jpeg_is_found_out_when_it_is_made_smaller() -> None:
    """It is decoded at a smaller size then, and to its end all the same."""
    content = saved("JPEG", (7300, 2433))
    with Image.open(io.BytesIO(await screened(content))) as copy:
        assert copy.size == (2048, 683)
    await is_found_out(cut(content))


@pytest.mark.process
def test_a_webp_needs_no_plugin_but_its_own() -> None:
    """Pillow would import all of them for it, while the first generation of a new worker waits."""
    program = (
        "import asyncio, io, sys; from shared.adapters.media.images import PillowImages;"
        "picture = asyncio.run(PillowImages().inspect(io.BytesIO(sys.stdin.buffer.read())));"
        "print(picture.content_type, *(name for name in sys.modules if name.endswith('ImagePlugin')))"
    )
    command = [sys.executable, "-c", program]
    run = subprocess.run(command, input=saved("WEBP"), capture_output=True, check=True, cwd=Path(__file__).parents[2])
    kind, *plugins = run.stdout.decode().split()
    assert kind == "image/webp"
    assert "PIL.WebPImagePlugin" in plugins
    assert len(plugins) < 10
