"""The metadata that a viewer needs: a picture's orientation and its colour profile."""

import struct

#: Maximum size of a colour profile that is kept. One for four-colour print has 2.7 MB.
MOST_PROFILE_BYTES = 4 * 1024 * 1024

#: Minimum size of a profile: its header (ICC.1:2022, 7.2).
_PROFILE_HEADER_BYTES = 128

_ORIENTATION, _SHORT = 0x0112, 3
_MOST_ENTRIES = 512


def orientation(exif: bytes) -> int:
    """The EXIF orientation: 2 to 8, or 1 if the picture is not turned or the EXIF cannot be read."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4], "")
    try:
        if order:
            return _tag(exif, order)
    except struct.error:
        pass
    return 1


def _tag(exif: bytes, order: str) -> int:
    (at,) = struct.unpack_from(order + "I", exif, 4)
    (count,) = struct.unpack_from(order + "H", exif, at)
    for number in range(min(count, _MOST_ENTRIES)):
        tag, kind, values, value = struct.unpack_from(order + "HHIH", exif, at + 2 + 12 * number)
        if tag == _ORIENTATION:
            return value if kind == _SHORT and values == 1 and 1 <= value <= 8 else 1
    return 1


def exif_of(turned: int) -> bytes:
    """An EXIF block that has the orientation and nothing else."""
    return b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, _ORIENTATION, _SHORT, 1, turned, 0, 0)


def profile_of(content: bytes) -> bytes | None:
    """A colour profile without the bytes after its end; None if ``content`` is not a profile."""
    if not _PROFILE_HEADER_BYTES < len(content) <= MOST_PROFILE_BYTES or content[36:40] != b"acsp":
        return None
    size_bytes = int.from_bytes(content[:4], "big")
    return content[:size_bytes] if _PROFILE_HEADER_BYTES < size_bytes <= len(content) else None
