"""Bounds of a picture, checked before any of it is copied.

Rules of this file:
1. No picture of up to 20 MB costs more than 160 MiB or 2 s of CPU. The bounds follow from a decoder's peak memory,
   which each format's reader computes from the header. 4096 x 4096 is accepted in every format, even transparent.
2. A refusal names the bound, so that the user knows what to do.
"""

from shared.adapters.media.images.reading import Reading

#: Maximum length of a side in pixels. Content Safety's is less than half of it. A header of a PNG can declare two
#: thousand million.
MOST_SIDE = 16_384

#: Maximum ratio of the sides. A longer strip cannot be seen properly, and its copy for the screener would be distorted.
MOST_RATIO = 400

#: Maximum of pixels: four times as many as any model makes.
MOST_PIXELS = 64_000_000

#: A decoder's peak memory: the pixels, or the coefficients of a JPEG. With the file itself (20 MB), the small copy and
#: the library the sum stays below 160 MiB.
MOST_DECODED_BYTES = 128 * 1024 * 1024

#: A picture that needs more is heavy, and only one is processed at a time. Two light ones beside it add half as much at
#: the most.
HEAVY_BYTES = 16 * 1024 * 1024


def refused(reading: Reading) -> str | None:
    """Why a picture of these dimensions is refused, as a sentence for the user; None if it is accepted."""
    width, height = reading.width, reading.height
    size = f"The picture has {width} x {height} pixels"
    if max(width, height) > MOST_SIDE:
        return f"{size}; a side may have at most {MOST_SIDE}."
    if max(width, height) > MOST_RATIO * min(width, height):
        return f"{size}; one side may be at most {MOST_RATIO} times the other."
    if width * height > MOST_PIXELS:
        return f"{size}; at most {MOST_PIXELS // 1_000_000} million are accepted."
    if reading.peak_bytes > MOST_DECODED_BYTES:
        most = width * height * MOST_DECODED_BYTES // reading.peak_bytes // 100_000 / 10
        return f"{size}; for a {reading.form} of this kind at most {most:g} million are accepted."
    return None
