"""Broken pictures are detected. Whatever a decoder raises on untrusted bytes is "unfit" and never a crash."""

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

from shared.adapters.media.images import PillowImages, gif, jpeg, reading
from shared.core.reasons import Reason
from shared.ports import OutputUnfit, Picture, PictureUnfit
from tests.adapters.picture_shapes import chunk

IMAGES = PillowImages()


async def came_of(content: bytes) -> str:
    """The result for a file. Any exception but these is a crash."""
    try:
        picture = await IMAGES.inspect(io.BytesIO(content))
        if picture is None:
            return "no picture"
        await IMAGES.for_screening(io.BytesIO(content), picture)
    except PictureUnfit as unfit:
        return unfit.why
    except OutputUnfit as unfit:
        return "unfit" if unfit.refusal.reason is Reason.OUTPUT_INVALID else unfit.refusal.text
    return "shown"


def saved(form: str, size: tuple[int, int] = (400, 300), mode: str = "RGB", **options: Any) -> bytes:
    """A picture that is not of one colour."""
    picture = Image.effect_noise(size, 64).convert(mode)
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def png(stream: bytes, colour: int = 2, size: int = 60, *, interlaced: int = 0) -> bytes:
    """A PNG with this stream of pixels and correct checksums."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", size, size, 8, colour, 0, 0, interlaced))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", stream) + chunk(b"IEND", b"")


ROWS = (b"\0" + b"\x40" * 180) * 60
SOUND = zlib.compress(ROWS)

BROKEN = {
    "no pixels": bytes.fromhex(
        "89504e470d0a1a0a0000000d4948445200000064000000640802000000ff8002030000000049454e44ae426082"
    ),
    "a palette picture without its palette": png(zlib.compress((b"\0" + bytes(60)) * 60), 3),
    "a stream that ends early": png(SOUND[: len(SOUND) // 2]),
    "a stream of half the rows": png(zlib.compress(ROWS[: len(ROWS) // 2])),
    "a stream without its last row": png(zlib.compress(ROWS[:-181])),
    "a stream without its checksum": png(SOUND[:-4]),
    "a stream with a wrong checksum": png(SOUND[:-4] + b"\0\0\0\0"),
    "not a stream": png(b"no stream at all"),
    "no stream": png(b""),
    "a filter that there is not": png(zlib.compress(ROWS[:181] + b"\x09" + ROWS[182:])),
    "a filter that there is not, interlaced": png(zlib.compress(b"\x09" + ROWS[1:] + ROWS), interlaced=1),
    "much more than its pixels": png(zlib.compress(ROWS + bytes(1_000_000))),
    "interlaced, half of it": png(zlib.compress(ROWS[: len(ROWS) // 2]), interlaced=1),
    "a needed chunk that nobody knows": png(SOUND).replace(b"IEND", b"IEnd"),
    "a GIF that ends in an extension": saved("GIF")[:-1] + b"!",
    "a GIF with a second frame of nothing": saved("GIF")[:-1] + b"," + bytes(9) + b";",
    "a GIF that is a header": b"GIF89a" + bytes(7),
    "a JPEG that is a marker": b"\xff\xd8\xff",
    "a JPEG without a frame": b"\xff\xd8\xff\xda\0\x04\0\0\xff\xd9",
    "a WebP of no picture": b"RIFF\x04\0\0\0WEBP",
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN.keys())
async def test_what_is_broken_is_unfit_and_no_crash(content: bytes) -> None:
    """Correct checksums, header and end do not prove that the pixels are complete."""
    came = await came_of(content)
    assert came in ("no picture", "unfit") or "animation" in came


@pytest.mark.parametrize("colour", [0, 2, 4, 6])
async def test_a_whole_stream_passes_and_one_byte_less_does_not(colour: int) -> None:
    """This holds for each kind of pixel."""
    rows = (b"\0" + b"\x40" * (60 * {0: 1, 2: 3, 4: 2, 6: 4}[colour])) * 60
    assert await came_of(png(zlib.compress(rows), colour)) == "shown"
    assert await came_of(png(zlib.compress(rows[:-1]), colour)) == "unfit"


async def test_a_stream_in_many_chunks_is_one() -> None:
    """Some encoders write chunks of a few bytes, and empty ones."""
    head, end = png(b"")[:33], chunk(b"IEND", b"")
    parts = b"".join(chunk(b"IDAT", SOUND[at : at + 3]) for at in range(0, len(SOUND), 3))
    assert await came_of(head + chunk(b"IDAT", b"") + parts + end) == "shown"


async def test_a_few_bytes_more_than_the_pixels_are_passed_by() -> None:
    """Browsers and libraries do."""
    assert await came_of(png(zlib.compress(ROWS + b"\0\0"))) == "shown"


JPEGS: dict[str, dict[str, Any]] = {
    "baseline": {},
    "no subsampling": {"subsampling": 0, "quality": 95},
    "progressive": {"progressive": True},
    "progressive, no subsampling": {"progressive": True, "subsampling": 0},
    "restarts": {"restart_marker_blocks": 5},
    "progressive with restarts": {"progressive": True, "restart_marker_rows": 1},
    "inks": {"mode": "CMYK"},
    "progressive inks": {"mode": "CMYK", "progressive": True},
    "grey": {"mode": "L"},
    "progressive grey": {"mode": "L", "progressive": True},
}


@pytest.mark.parametrize("options", JPEGS.values(), ids=JPEGS.keys())
@pytest.mark.parametrize("size", [(400, 300), (57, 51), (8, 8), (1000, 50)])
async def test_a_jpeg_that_is_cut_is_found_out_whatever_stands_at_its_end(
    options: dict[str, Any], size: tuple[int, int]
) -> None:
    """The C library paints missing pixels grey and only warns. A complete JPEG is accepted."""
    content = saved("JPEG", size, **options)
    assert await came_of(content) == "shown"
    last = content.rindex(b"\xff\xda")
    scan = len(content) - last
    for share in (0.3, 0.5, 0.7):
        kept = last + 14 + int((scan - 16) * share)
        if len(content) - kept > 60:  # a cut of less than a block or two cannot be detected
            assert await came_of(content[:kept] + b"\xff\xd9") == "unfit"


@pytest.mark.parametrize("options", [{}, {"progressive": True}], ids=["baseline", "progressive"])
async def test_a_jpeg_of_one_colour_passes(options: dict[str, Any]) -> None:
    """Its last scans are almost empty, and it is still accepted."""
    buffer = io.BytesIO()
    Image.new("RGB", (3000, 2000), (128, 128, 128)).save(buffer, "JPEG", **options)
    assert await came_of(buffer.getvalue()) == "shown"


async def test_a_jpeg_of_too_many_scans_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each scan has a few bytes and costs a walk over the whole picture. In a small picture as many cost nothing."""
    buffer = io.BytesIO()
    Image.new("L", (800, 800), 128).save(buffer, "JPEG", progressive=True)
    content = buffer.getvalue()
    content = content[:-2] + content[content.rindex(b"\xff\xda") : -2] * 50 + b"\xff\xd9"
    assert await came_of(content) == "shown"
    monkeypatch.setattr(jpeg, "MOST_SCANNED_BYTES", 50 * 100 * 100 * 128)
    assert await came_of(content) == "unfit"


@pytest.mark.parametrize(
    "raised",
    [
        OSError(), SyntaxError(), ValueError(), EOFError(), IndexError(), KeyError(), AssertionError(), TypeError(),
        OverflowError(), MemoryError(), RecursionError(), ZeroDivisionError(), struct.error(), zlib.error(),
    ],
    ids=lambda raised: f"{type(raised).__module__}.{type(raised).__name__}",
)  # fmt: skip
async def test_whatever_a_decoder_raises_is_unfit(raised: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """The decoder raises while the container is read, while pixels are decoded, and while the copy is made."""

    def fails(*_: object, **__: object) -> None:
        raise raised

    content = saved("GIF")
    assert await came_of(content) == "shown"
    for owner, name in ((gif, "read"), (reading.Pieces, "read"), (Image.Image, "crop")):
        with monkeypatch.context() as patched:
            patched.setattr(owner, name, fails)
            assert await came_of(saved("GIF", (40, 40), transparency=0)) in ("no picture", "unfit")


BOUNDS: dict[str, tuple[Callable[[], bytes], str]] = {
    "a long side": (lambda: png_head(16_385, 100), "16384"),
    "a strip": (lambda: png_head(16_000, 39), "400"),
    "a strip that stands": (lambda: png_head(39, 16_000), "400"),
    "many pixels": (lambda: png_head(8001, 8000), "64 million"),
    "many pixels of four bytes": (lambda: png_head(5800, 5800, 6), "33.5 million"),
}


def png_head(width: int, height: int, colour: int = 0) -> bytes:
    """A PNG without pixels whose header declares these dimensions."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.mark.parametrize(("make", "bound"), BOUNDS.values(), ids=BOUNDS.keys())
async def test_what_is_beyond_a_bound_is_refused_by_its_header(make: Callable[[], bytes], bound: str) -> None:
    """It is refused before it is decoded, and the refusal names the bound."""
    with pytest.raises(PictureUnfit, match=bound) as raised:
        await IMAGES.inspect(io.BytesIO(make()))
    assert raised.value.refusal.reason is Reason.OUTPUT_INVALID
    assert raised.value.why in raised.value.refusal.text


@pytest.mark.parametrize(
    ("width", "height", "colour"), [(16_384, 41, 0), (41, 16_384, 0), (8000, 8000, 0), (5792, 5792, 6)]
)
async def test_what_is_within_the_bounds_is_a_picture(width: int, height: int, colour: int) -> None:
    """To the last pixel of each."""
    assert await IMAGES.inspect(io.BytesIO(png_head(width, height, colour))) == Picture(
        "image/png", "png", width, height
    )


async def test_another_picture_than_was_inspected_is_unfit() -> None:
    """A file other than the inspected one is unfit, because the bounds were checked for that one."""
    small = await IMAGES.inspect(io.BytesIO(saved("PNG", (60, 60))))
    assert small is not None
    with pytest.raises(OutputUnfit):
        await IMAGES.for_screening(io.BytesIO(saved("PNG", (61, 60))), small)
