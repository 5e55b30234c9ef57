"""Colours: what a picture's own description of them does to its look.

Rules of this file:
1. A description that a viewer would not apply (broken, of another kind of picture) is none.
2. One that changes nothing that can be seen (sRGB, in all its spellings) is none: most profiles are that.
3. Gamma and primaries become a profile too, so that there is one way in which colours are applied.
"""

import io
import struct
import zlib
from collections.abc import Sequence

from PIL import Image

from shared.adapters.media.images.reading import Broken

Matrix = tuple[tuple[float, float, float], ...]

#: The largest profile that is unpacked; those of printing presses have 2 MB.
_PROFILE_BYTES = 4 * 1024 * 1024

#: By so much of 255 a sample may change without anybody seeing another picture.
_UNSEEN = 12

#: x and y of red, green, blue and white, by their number in ITU-T H.273.
_PRIMARIES: dict[int, tuple[float, ...]] = {
    1: (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290),
    4: (0.67, 0.33, 0.21, 0.71, 0.14, 0.08, 0.3101, 0.3162),
    5: (0.64, 0.33, 0.29, 0.60, 0.15, 0.06, 0.3127, 0.3290),
    6: (0.63, 0.34, 0.31, 0.595, 0.155, 0.07, 0.3127, 0.3290),
    9: (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, 0.3127, 0.3290),
    11: (0.68, 0.32, 0.265, 0.69, 0.15, 0.06, 0.314, 0.351),
    12: (0.68, 0.32, 0.265, 0.69, 0.15, 0.06, 0.3127, 0.3290),
}
_SRGB_PRIMARIES = _PRIMARIES[1]

#: Exponents by their number in the same standard; the curve of sRGB (0) also stands for that of television.
_EXPONENTS = {1: 0.0, 4: 2.2, 5: 2.8, 6: 0.0, 8: 1.0, 13: 0.0, 14: 0.0, 15: 0.0}
_SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)

#: From any white to that of profiles, D50 (Bradford).
_BRADFORD: Matrix = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))
_D50 = (0.9642, 1.0, 0.8249)

#: The mode of the pictures that a profile is for, by its colour space.
_MODES = {b"RGB ": "RGB", b"GRAY": "L", b"CMYK": "CMYK"}


def inflated(chunk: bytes) -> bytes:
    """The profile in an iCCP chunk; nothing where it is broken or larger than any."""
    _, _, rest = chunk.partition(b"\0")
    try:
        return zlib.decompressobj().decompress(rest[1:], _PROFILE_BYTES)
    except zlib.error:
        return b""


def of_code_points(chunk: bytes) -> bytes:
    """The profile of a cICP chunk. Broken: colours that cannot be shown here, so nobody would know what is seen."""
    primaries, transfer, matrix, full = (*chunk, 0, 0, 0, 0)[:4]
    if primaries not in _PRIMARIES or transfer not in _EXPONENTS or matrix or full != 1:
        raise Broken("PNG in colours that cannot be shown")
    return _profile(_PRIMARIES[primaries], _EXPONENTS[transfer])


def of_gamma(gamma: bytes, primaries: bytes) -> bytes:
    """The profile of a gAMA chunk (by itself it is of sRGB's primaries) and a cHRM chunk; nothing without gAMA."""
    if len(gamma) != 4 or not any(gamma):  # one number
        return b""
    exponent = 100_000 / int(struct.unpack(">I", gamma)[0])
    if len(primaries) == 32:  # eight numbers, white first
        values = [value / 100_000 for value in struct.unpack(">8I", primaries)]
        found = _profile((*values[2:], *values[:2]), exponent)
        if found:
            return found
    return _profile(_SRGB_PRIMARIES, exponent)


def is_seen(profile: bytes) -> bool:
    """Whether it changes the look of anything; where each sample has a curve, its values say so for all pictures."""
    mode = _MODES.get(profile[16:20])
    if not profile or mode is None:
        return False
    if not _is_plain(profile):
        return True
    ramp = _ramp(mode)
    after = applied(ramp, profile)
    return after is not None and _differs(after, ramp)


def applied(image: Image.Image, profile: bytes) -> Image.Image | None:
    """The picture in sRGB as a viewer shows it; None where the profile is none that a viewer would apply to it."""
    mode = _MODES.get(profile[16:20])
    if mode is None or (mode == "CMYK") != (image.mode == "CMYK"):
        return None
    from PIL import ImageCms  # noqa: PLC0415  # few pictures bring colours of their own

    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile[:_PROFILE_BYTES]))
        change = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
        return ImageCms.applyTransform(image if image.mode == mode else image.convert(mode), change)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None  # no viewer applies it either


def _is_plain(profile: bytes) -> bool:
    """Whether each sample has a curve, and nothing else is done but to mix them: then its edges say all of it."""
    count = min(int.from_bytes(profile[128:132], "big"), 200)
    tags = {profile[132 + 12 * index : 135 + 12 * index] for index in range(count)}
    return profile[16:20] != b"CMYK" and not tags & {b"A2B", b"D2B"}


def _ramp(mode: str) -> Image.Image:
    """Every value of each sample by itself, over black, under white, and all together."""
    ramp = Image.linear_gradient("L").transpose(Image.Transpose.ROTATE_90)
    if mode == "L":
        return ramp
    black, white = Image.new("L", ramp.size, 0), Image.new("L", ramp.size, 255)
    whole = Image.new("RGB", (256, 7))
    for row in range(7):
        others = white if row & 1 else black
        bands = [ramp if row // 2 in (band, 3) else others for band in range(3)]
        whole.paste(Image.merge("RGB", bands).crop((0, 0, 256, 1)), (0, row))
    return whole


def _differs(after: Image.Image, before: Image.Image) -> bool:
    from PIL import ImageChops  # noqa: PLC0415  # as above

    apart = ImageChops.difference(after, before.convert("RGB")).getextrema()
    return any(isinstance(band, tuple) and band[1] > _UNSEEN for band in apart)


def _profile(primaries: Sequence[float], exponent: float) -> bytes:
    """An ICC profile of these primaries and this exponent (0: the curve of sRGB); nothing where they mean nothing."""
    try:
        columns = _adapted(primaries)
        curve = _parametric(exponent)
        tags = {
            **{b"%cXYZ" % name: _xyz(columns[index]) for index, name in enumerate(b"rgb")},
            b"wtpt": _xyz(_D50),
            **{b"%cTRC" % name: curve for name in b"rgb"},
        }
    except (ZeroDivisionError, OverflowError, struct.error):
        return b""
    table, body = b"", b""
    start = 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        table += name + struct.pack(">II", start + len(body), len(content))
        body += content
    head = struct.pack(
        ">I4sI4s4s4s12x4s", start + len(body), b"\0\0\0\0", 0x04200000, b"mntr", b"RGB ", b"XYZ ", b"acsp"
    )
    head = (head + b"\0" * 28 + _fixed(*_D50)).ljust(128, b"\0")
    return head + struct.pack(">I", len(tags)) + table + body


def _fixed(*values: float) -> bytes:
    return struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))


def _xyz(values: Sequence[float]) -> bytes:
    return b"XYZ \0\0\0\0" + _fixed(*values)


def _parametric(exponent: float) -> bytes:
    kind, values = (0, (exponent,)) if exponent else (3, _SRGB_CURVE)
    return struct.pack(">4s4xHH", b"para", kind, 0) + _fixed(*values)


def _adapted(primaries: Sequence[float]) -> list[tuple[float, float, float]]:
    """What each primary adds to X, Y and Z under D50."""
    corners = [_of_xy(*primaries[index : index + 2]) for index in (0, 2, 4)]
    white = _of_xy(*primaries[6:8])
    upright: Matrix = tuple((corners[0][row], corners[1][row], corners[2][row]) for row in range(3))
    amounts = _times(_inverse(upright), white)
    here, there = _times(_BRADFORD, white), _times(_BRADFORD, _D50)
    scaled: Matrix = tuple(
        (row[0] * there[i] / here[i], row[1] * there[i] / here[i], row[2] * there[i] / here[i])
        for i, row in enumerate(_BRADFORD)
    )
    back = _inverse(_BRADFORD)
    return [
        _times(back, _times(scaled, [value * amount for value in corner]))
        for corner, amount in zip(corners, amounts, strict=True)
    ]


def _of_xy(x: float, y: float) -> tuple[float, float, float]:
    return x / y, 1.0, (1 - x - y) / y


def _times(matrix: Matrix, vector: Sequence[float]) -> tuple[float, float, float]:
    first, second, third = (sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix)
    return first, second, third


def _inverse(m: Matrix) -> Matrix:
    (a, b, c), (d, e, f), (g, h, i) = m
    whole = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    rows = (
        (e * i - f * h, c * h - b * i, b * f - c * e),
        (f * g - d * i, a * i - c * g, c * d - a * f),
        (d * h - e * g, b * g - a * h, a * e - b * d),
    )
    return tuple((row[0] / whole, row[1] / whole, row[2] / whole) for row in rows)
