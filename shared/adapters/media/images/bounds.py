"""Bounds: what a picture may be before anything of it is copied.

Rules of this file:
1. No picture of up to 20 MB costs more than 160 MiB or 2 s of CPU. The bounds follow from what a decoder holds at its
   peak, which each format's reader reckons from the header: 4096 x 4096 is taken in every format, transparent too.
2. A refusal says the bound, so that whoever made the picture knows what to do.
"""

from shared.adapters.media.images.reading import Reading

#: The longest side. Content Safety's own is less than half of it, and GIF and PNG can promise two thousand million.
MOST_SIDE = 16_384

#: How many times longer than wide: a strip beyond it is seen by nobody, and screened as something else than it is.
MOST_RATIO = 400

#: Four times what any model paints.
MOST_PIXELS = 64_000_000

#: What a decoder may hold at its peak: the picture's own pixels, or its coefficients. With the file itself (20 MB), the
#: small copy and the library it stays below 160 MiB.
MOST_DECODED_BYTES = 128 * 1024 * 1024

#: Beyond this a picture is heavy: one at a time. Two light ones beside it make it half as much again at the most.
HEAVY_BYTES = 16 * 1024 * 1024


def refused(reading: Reading) -> str | None:
    """Why a picture of these dimensions is not taken, as a sentence for its user; None where it is."""
    width, height = reading.width, reading.height
    size = f"The picture has {width} x {height} pixels"
    if max(width, height) > MOST_SIDE:
        return f"{size}; a side may have {MOST_SIDE} at most."
    if max(width, height) > MOST_RATIO * min(width, height):
        return f"{size}; it may be {MOST_RATIO} times longer than wide at most."
    if width * height > MOST_PIXELS:
        return f"{size}; {MOST_PIXELS // 1_000_000} million are taken at most."
    if reading.peak_bytes > MOST_DECODED_BYTES:
        most = width * height * MOST_DECODED_BYTES // reading.peak_bytes // 100_000 / 10
        return f"{size}; of a {reading.form} of this kind {most:g} million are taken at most."
    return None
