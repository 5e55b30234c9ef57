"""WebP: reads its chunks, and decodes its pixels by calling the C library directly.

Rules of this file:
1. Pillow decodes every WebP as an animation: five copies of the picture, 21 bytes a pixel, 1.3 GB for 64 megapixels.
   The C library that comes with Pillow (libwebp) needs 6 or 8 bytes a pixel. It is called directly, through the part of
   its interface that has a version number, which it checks itself. If it cannot be found, Pillow decodes the picture,
   and fewer pixels are accepted.
2. A file with a second picture, or with a frame, is an animation. So all decoders see the same single picture.
"""

import ctypes
import struct
from dataclasses import dataclass, field
from functools import cache

from PIL import (
    Image,
    WebPImagePlugin,  # noqa: F401 - without it Pillow imports all forty plugins when a WebP is opened: 18 ms
    _webp,
)

from shared.adapters.media.images.reading import MOST_PARTS, Broken, Reading, orientation_of

_HEAD_BYTES = 12
_LOSSY, _LOSSLESS, _EXTENDED, _ALPHA = b"VP8 ", b"VP8L", b"VP8X", b"ALPH"
_ANIMATION = (b"ANIM", b"ANMF")
_FLAG_ANIMATION = 0x02

#: Bytes held for one pixel: by libwebp's lossless and lossy decoders with their output, and by Pillow.
_LOSSLESS_BYTES, _LOSSY_BYTES, _PILLOW_BYTES = 8, 6, 21

#: WEBP_DECODER_ABI_VERSION of libwebp 0.6 and newer. The library refuses a number with another upper byte.
_ABI = 0x0209
_RGBA = 1
_OK, _OUT_OF_MEMORY = 0, 1


class _Features(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int) for name in ("width", "height", "has_alpha", "has_animation", "format")] + [
        ("pad", ctypes.c_uint32 * 5)
    ]


class _Rgba(ctypes.Structure):
    _fields_ = [("rgba", ctypes.c_void_p), ("stride", ctypes.c_int), ("size", ctypes.c_size_t)]


class _Planes(ctypes.Union):
    """A union. Its other member (YUVA) is larger, and sets the size: four pointers, four strides, four sizes."""

    _fields_ = [("rgba", _Rgba), ("other", ctypes.c_uint64 * 10)]


class _Output(ctypes.Structure):
    _fields_ = [
        ("colorspace", ctypes.c_int),
        ("width", ctypes.c_int),
        ("height", ctypes.c_int),
        ("is_external_memory", ctypes.c_int),
        ("u", _Planes),
        ("pad", ctypes.c_uint32 * 4),
        ("private_memory", ctypes.c_void_p),
    ]


class _Config(ctypes.Structure):
    """WebPDecoderConfig. The 13 options and 5 integers of padding keep the values that the library sets."""

    _fields_ = [
        ("input", _Features),
        ("output", _Output),
        ("options", ctypes.c_int * 18),
        ("beyond", ctypes.c_int * 16),
    ]


@cache
def _library() -> ctypes.CDLL | None:
    """The libwebp that Pillow has loaded; None if its functions cannot be called."""
    try:
        found = ctypes.CDLL(_webp.__file__)
        found.WebPDecode.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.POINTER(_Config)]
        found.WebPInitDecoderConfigInternal.argtypes = [ctypes.POINTER(_Config), ctypes.c_int]
        found.WebPDecode.restype = found.WebPInitDecoderConfigInternal.restype = ctypes.c_int
        if not found.WebPInitDecoderConfigInternal(ctypes.byref(_Config()), _ABI):
            return None
    except (OSError, AttributeError):
        return None
    return found


@dataclass(slots=True)
class _Chunks:
    pieces: list[bytes | memoryview] = field(default_factory=list)
    first: dict[bytes, memoryview] = field(default_factory=dict)
    animated: bool = False


def read(content: memoryview, *, whole: bool) -> Reading:
    """Read a WebP. Without ``whole`` the result has no pieces and no profile.

    Raises:
        Broken: it is not a sound WebP.
    """
    chunks = _walk(content)
    lossless = _LOSSLESS in chunks.first
    width, height, alpha = _header(chunks)
    each = _LOSSLESS_BYTES if lossless else _LOSSY_BYTES
    if _library() is None:
        each = _PILLOW_BYTES
    return Reading(
        form="WEBP",
        width=width,
        height=height,
        peak_bytes=width * height * each,
        pieces=(content,) if whole else (),
        see_through=alpha,
        profile=bytes(chunks.first.get(b"ICCP", b"")) if whole else b"",
        orientation=orientation_of(_exif(chunks)),
        animated=chunks.animated,
    )


def _walk(content: memoryview) -> _Chunks:
    if len(content) < _HEAD_BYTES + 8:
        raise Broken("WebP without a header")
    chunks, at = _Chunks(), _HEAD_BYTES
    end = min(len(content), 8 + int(struct.unpack_from("<I", content, 4)[0]))
    for _ in range(MOST_PARTS):
        if at + 8 > end:
            break
        name, length = bytes(content[at : at + 4]), int(struct.unpack_from("<I", content, at + 4)[0])
        if at + 8 + length > end:
            raise Broken("WebP with a chunk beyond its end")
        body = content[at + 8 : at + 8 + length]
        chunks.animated = (
            chunks.animated or name in _ANIMATION or (name in (_LOSSY, _LOSSLESS) and _has_picture(chunks))
        )
        chunks.first.setdefault(name, body)
        at += 8 + length + (length & 1)
    else:
        raise Broken("WebP with too many chunks")
    extended = chunks.first.get(_EXTENDED, memoryview(b""))
    chunks.animated = chunks.animated or bool(extended and extended[0] & _FLAG_ANIMATION)
    if not _has_picture(chunks) and not chunks.animated:
        raise Broken("WebP without a picture")
    return chunks


def _has_picture(chunks: _Chunks) -> bool:
    return _LOSSY in chunks.first or _LOSSLESS in chunks.first


def _header(chunks: _Chunks) -> tuple[int, int, bool]:
    """Width and height from the header of the pixels, and whether any pixel may be transparent."""
    lossless, lossy = chunks.first.get(_LOSSLESS), chunks.first.get(_LOSSY)
    if lossless is not None and len(lossless) >= 5 and lossless[0] == 0x2F:  # its signature
        bits = int(struct.unpack_from("<I", lossless, 1)[0])
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, True
    if lossy is not None and len(lossy) >= 10 and bytes(lossy[3:6]) == b"\x9d\x01\x2a":  # as above
        width, height = struct.unpack_from("<HH", lossy, 6)
        if width & 0x3FFF and height & 0x3FFF:
            return width & 0x3FFF, height & 0x3FFF, _ALPHA in chunks.first
    if chunks.animated:
        return 1, 1, False
    raise Broken("WebP with an invalid header")


def _exif(chunks: _Chunks) -> memoryview:
    found = chunks.first.get(b"EXIF", memoryview(b""))
    return found[6:] if bytes(found[:6]) == b"Exif\0\0" else found


def decode(reading: Reading) -> Image.Image | None:
    """Decode a WebP as RGBA; None if libwebp cannot be called. Raises Broken if it cannot decode the pixels."""
    library = _library()
    if library is None:
        return None
    config = _Config()
    library.WebPInitDecoderConfigInternal(ctypes.byref(config), _ABI)
    size_bytes = 4 * reading.width * reading.height
    pixels = ctypes.create_string_buffer(size_bytes)
    output = config.output
    output.colorspace, output.is_external_memory = _RGBA, 1
    output.width, output.height = reading.width, reading.height
    output.u.rgba.rgba = ctypes.addressof(pixels)
    output.u.rgba.stride, output.u.rgba.size = 4 * reading.width, size_bytes
    whole = reading.pieces[0]
    content = whole.obj if isinstance(whole, memoryview) and isinstance(whole.obj, bytes) else bytes(whole)
    status = library.WebPDecode(content, len(content), ctypes.byref(config))
    if status == _OUT_OF_MEMORY:
        raise MemoryError
    if status != _OK:
        raise Broken("WebP that cannot be decoded")
    size = (reading.width, reading.height)
    return Image.frombuffer("RGBA", size, pixels, "raw", "RGBA", 0, 1)  # type: ignore[arg-type]  # it is a buffer
