"""Colour profiles: how a picture's own description of its colours changes its look.

Rules of this file:
1. A description that a viewer would not apply (a broken one, or one for another colour space) is ignored.
2. A description without visible effect (sRGB in all its spellings) is ignored. Most profiles are of this kind.
3. Gamma and primaries are turned into a profile too, so that there is only one way to apply colours.
"""

import io
import struct
import zlib
from collections.abc import Sequence

from PIL import Image

from shared.adapters.media.images.reading import Broken

Matrix = tuple[tuple[float, float, float], ...]

#: Maximum size of an inflated profile. Profiles of printing presses have 2 MB.
_PROFILE_BYTES = 4 * 1024 * 1024

#: A sample may change by this much, of 255, without a visible difference.
_UNSEEN = 12

#: The chromaticities x and y of red, green, blue and white, by their number in ITU-T H.273.
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

#: Transfer exponents by their number in the same standard. 0 is the curve of sRGB, which also replaces television's.
_EXPONENTS = {1: 0.0, 4: 2.2, 5: 2.8, 6: 0.0, 8: 1.0, 13: 0.0, 14: 0.0, 15: 0.0}
_SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)

#: The Bradford matrix, for the adaptation from any white point to D50, which profiles use.
_BRADFORD: Matrix = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))
_D50 = (0.9642, 1.0, 0.8249)

#: Pillow's mode for a profile's colour space.
_MODES = {b"RGB ": "RGB", b"GRAY": "L", b"CMYK": "CMYK"}


def inflated(chunk: bytes) -> bytes:
    """Inflate the profile in an iCCP chunk, up to the maximum size; empty if the chunk is broken."""
    _, _, rest = chunk.partition(b"\0")
    try:
        return zlib.decompressobj().decompress(rest[1:], _PROFILE_BYTES)
    except zlib.error:
        return b""


def of_code_points(chunk: bytes) -> bytes:
    """The profile for a cICP chunk. Raises Broken for colours that cannot be converted here, and so not be screened."""
    primaries, transfer, matrix, full = (*chunk, 0, 0, 0, 0)[:4]
    if primaries not in _PRIMARIES or transfer not in _EXPONENTS or matrix or full != 1:
        raise Broken("PNG in colours that cannot be shown")
    return _profile(_PRIMARIES[primaries], _EXPONENTS[transfer])


def of_gamma(gamma: bytes, primaries: bytes) -> bytes:
    """The profile for a gAMA and a cHRM chunk; empty without gAMA. Without cHRM the primaries are those of sRGB."""
    if len(gamma) != 4 or not any(gamma):  # one number of four bytes
        return b""
    exponent = 100_000 / int(struct.unpack(">I", gamma)[0])
    if len(primaries) == 32:  # eight numbers, white first
        values = [value / 100_000 for value in struct.unpack(">8I", primaries)]
        found = _profile((*values[2:], *values[:2]), exponent)
        if found:
            return found
    return _profile(_SRGB_PRIMARIES, exponent)


def is_seen(profile: bytes) -> bool:
    """Whether a profile changes the look of any picture. For a profile of curves, a ramp of all values shows it."""
    mode = _MODES.get(profile[16:20])
    if not profile or mode is None:
        return False
    if not _is_plain(profile):
        return True
    ramp = _ramp(mode)
    after = applied(ramp, profile)
    return after is not None and _differs(after, ramp)


def applied(image: Image.Image, profile: bytes) -> Image.Image | None:
    """The picture converted to sRGB, as a viewer shows it; None if a viewer would not apply this profile to it."""
    mode = _MODES.get(profile[16:20])
    if mode is None or (mode == "CMYK") != (image.mode == "CMYK"):
        return None
    from PIL import ImageCms  # noqa: PLC0415  # few pictures have a profile with a visible effect

    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile[:_PROFILE_BYTES]))
        change = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
        return ImageCms.applyTransform(image if image.mode == mode else image.convert(mode), change)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None  # a broken profile, which no viewer applies either


def _is_plain(profile: bytes) -> bool:
    """Whether a profile has only a curve for each sample and a matrix. The ramp then shows its whole effect."""
    count = min(int.from_bytes(profile[128:132], "big"), 200)
    tags = {profile[132 + 12 * index : 135 + 12 * index] for index in range(count)}
    return profile[16:20] != b"CMYK" and not tags & {b"A2B", b"D2B"}


def _ramp(mode: str) -> Image.Image:
    """A test picture: all values of each sample alone, with the others black and white, and of all together."""
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
    """An ICC profile for primaries and an exponent (0: the curve of sRGB); empty if the numbers make no sense."""
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
    """The columns of the profile's matrix: X, Y and Z of each primary, adapted to D50."""
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
