"""GIF: reads one frame with its palette and transparency. A file with a second frame is an animation."""

import struct
from dataclasses import dataclass, field

from shared.adapters.media.images.reading import MOST_PARTS, Broken, Reading

SIGNATURES = (b"GIF87a", b"GIF89a")

_EXTENSION, _IMAGE, _END, _CONTROL = 0x21, 0x2C, 0x3B, 0xF9
_HEAD_BYTES, _IMAGE_BYTES = 13, 10


@dataclass(slots=True)
class _Walk:
    """The state of a walk: its position, what it has found, and the parts that it has passed."""

    content: memoryview
    at: int
    control: memoryview | None = None
    frame: list[memoryview] = field(default_factory=list)
    size: tuple[int, int] = (0, 0)
    frames: int = 0
    parts: int = 0


def read(content: memoryview, *, whole: bool) -> Reading:
    """Read a GIF. It is always walked to its end, because a second frame may come last; ``whole`` has no effect.

    Raises:
        Broken: it is not a sound GIF.
    """
    del whole
    if len(content) < _HEAD_BYTES:
        raise Broken("GIF without a header")
    flags = content[10]
    start = _HEAD_BYTES + _palette_bytes(flags)
    walk = _Walk(content, start)
    while _step(walk):
        pass
    if not walk.frames:
        raise Broken("GIF without a picture")
    width, height = struct.unpack_from("<HH", content, 6)
    # A frame that extends beyond the canvas enlarges it, in Pillow and in viewers.
    width, height = max(width, walk.size[0]), max(height, walk.size[1])
    head = b"GIF89a" + struct.pack("<HH", width, height)
    see_through = walk.control is not None and bool(walk.control[3] & 1)
    return Reading(
        form="GIF",
        width=width,
        height=height,
        peak_bytes=2 * width * height,
        pieces=(head, content[10:start], *walk.frame, b";"),
        see_through=see_through,
        animated=walk.frames > 1,
    )


def _palette_bytes(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _step(walk: _Walk) -> bool:
    """Pass one part; returns False at the end of the file's contents."""
    content, at = walk.content, walk.at
    if at >= len(content):
        raise Broken("GIF without an end")
    kind = content[at]
    if kind == _END:
        return False
    if kind == _EXTENSION:
        walk.at = _past(walk, at + 2)
        if not walk.frames and content[at + 1] == _CONTROL and walk.at - at == 8:  # a control block always has 8 bytes
            walk.control = content[at : walk.at]
    elif kind == _IMAGE:
        _image(walk, at)
    else:
        raise Broken("GIF with a part of an unknown kind")
    return True


def _image(walk: _Walk, at: int) -> None:
    content = walk.content
    if at + _IMAGE_BYTES > len(content):
        raise Broken("GIF that ends early")
    left, top, width, height, flags = struct.unpack_from("<HHHHB", content, at + 1)
    start = at + _IMAGE_BYTES + _palette_bytes(flags)
    walk.at = _past(walk, start + 1)  # after the byte with the code size
    walk.frames += 1
    if walk.frames > 1:
        return
    if not width or not height:
        raise Broken("GIF with a frame of no size")
    walk.size = (left + width, top + height)
    walk.frame = [*([walk.control] if walk.control else []), content[at : walk.at]]


def _past(walk: _Walk, at: int) -> int:
    """The position after the sub-blocks that begin at ``at``. Each begins with its length, and the last is empty."""
    content, end = walk.content, len(walk.content)
    while at < end and content[at]:
        at += content[at] + 1
        walk.parts += 1
        if walk.parts > 2 * MOST_PARTS:
            raise Broken("GIF of too many parts")
    if at >= end:
        raise Broken("GIF that ends early")
    walk.parts += 1
    return at + 1
