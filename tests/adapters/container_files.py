"""Pictures with everything that a stranger may put into them. Parts that no library writes are made by hand."""

import io
import struct
import zlib
from collections.abc import Iterable
from typing import Any

from PIL import Image, ImageCms, PngImagePlugin

#: Texts that no cleaned file may contain.
SECRET = b"secret-of-a-user"
HTML = b"<html><script>" + SECRET + b"</script>"
PROFILE: bytes = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def picture(mode: str = "RGB", size: tuple[int, int] = (60, 40)) -> Image.Image:
    """A picture that looks different when it is turned or its colours change."""
    bands = [Image.linear_gradient("L"), Image.radial_gradient("L"), Image.linear_gradient("L").rotate(90)]
    image = Image.merge("RGB", bands).resize(size).convert(mode)
    if mode in ("LA", "RGBA"):
        image.putalpha(Image.linear_gradient("L").resize(size))
    return image


def exif(turned: int = 6) -> bytes:
    """EXIF with an orientation, a location, a description and a thumbnail, as Pillow reads and writes it."""
    said = Image.Exif()
    said[0x0112] = turned
    said[0x010E] = SECRET.decode()
    said.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)
    return said.tobytes() + b"\xff\xd8\xff" + SECRET


def png(mode: str = "RGB", **options: Any) -> bytes:
    """A PNG as Pillow writes it."""
    return _saved("PNG", mode, **options)


def png_with_everything(mode: str = "RGB") -> bytes:
    """A PNG with texts, time, EXIF, a profile, a private chunk, and bytes after its end."""
    said = PngImagePlugin.PngInfo()
    said.add_text("prompt", SECRET.decode())
    said.add_text("more", SECRET.decode(), zip=True)
    said.add_itxt("XML:com.adobe.xmp", SECRET.decode())
    said.add(b"vpAg", SECRET)
    said.add(b"tIME", bytes(7))
    content = png(mode, pnginfo=said, exif=exif())
    at = content.index(b"IHDR") + 21
    profile = chunk(b"iCCP", b"my profile!\0\0" + zlib.compress(PROFILE))
    return content[:at] + profile + content[at:] + HTML


def chunk(kind: bytes, content: bytes) -> bytes:
    """A PNG chunk with its checksum."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_chunks(content: bytes) -> list[bytes]:
    """The names of a PNG's chunks."""
    names, at = list[bytes](), 8
    while at < len(content):
        names.append(content[at + 4 : at + 8])
        at += 12 + int.from_bytes(content[at : at + 4], "big")
    return names


def with_chunks(content: bytes, before: bytes, *added: bytes) -> bytes:
    """A PNG with added chunks before the first chunk of a kind."""
    at = content.index(before) - 4
    return content[:at] + b"".join(added) + content[at:]


def apng() -> bytes:
    """An animated PNG of two frames, as Pillow writes it."""
    return _animated("PNG")


def jpeg(mode: str = "RGB", **options: Any) -> bytes:
    """A JPEG as Pillow writes it."""
    return _saved("JPEG", mode, quality=90, **options)


def segment(marker: int, content: bytes) -> bytes:
    """A JPEG segment."""
    return bytes((0xFF, marker)) + struct.pack(">H", len(content) + 2) + content


def jpeg_with_everything(mode: str = "RGB", **options: Any) -> bytes:
    """A JPEG with EXIF, XMP, a comment, Photoshop data, thumbnails in all places, fill bytes and a second picture."""
    content = jpeg(mode, exif=b"Exif\0\0" + exif().removeprefix(b"Exif\0\0"), icc_profile=PROFILE, **options)
    added = (
        segment(0xE0, b"JFXX\0\x10" + SECRET)
        + segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta>" + SECRET)
        + segment(0xE2, b"MPF\0MM\0*" + SECRET)
        + segment(0xED, b"Photoshop 3.0\0" + SECRET)
        + segment(0xFE, SECRET)
        + b"\xff\xff\xff"
    )
    at = content.index(b"\xff\xdb")
    return content[:at] + added + content[at:] + jpeg() + HTML


def jpeg_markers(content: bytes) -> list[int]:
    """The markers of a JPEG up to its first scan."""
    markers, at = list[int](), 2
    while content[at + 1] != 0xDA:
        markers.append(content[at + 1])
        at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    return markers


def mpo() -> bytes:
    """A photo with a second picture, as phones and cameras store it."""
    buffer = io.BytesIO()
    picture().save(buffer, "MPO", save_all=True, append_images=[picture().rotate(180)], quality=90)
    return buffer.getvalue()


def webp(mode: str = "RGB", **options: Any) -> bytes:
    """A WebP as Pillow writes it."""
    return _saved("WEBP", mode, **options)


def webp_with_everything(mode: str = "RGB", **options: Any) -> bytes:
    """A WebP with EXIF, XMP, a profile, a private chunk, and bytes after its end."""
    content = webp(mode, exif=exif(), xmp=SECRET, icc_profile=PROFILE, **options)
    return riff(content[12:] + b"PRIV" + struct.pack("<I", len(SECRET)) + SECRET) + HTML


def riff(chunks: bytes) -> bytes:
    """A WebP of these chunks."""
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WEBP" + chunks


def animated_webp() -> bytes:
    """An animation of two frames."""
    return _animated("WEBP")


def gif() -> bytes:
    """A GIF as Pillow writes it, of the first version."""
    return _saved("GIF", "P")


def gif_head_bytes() -> int:
    """The position of its first block, after the header and the palette."""
    return 13 + (6 << (gif()[10] & 7))


def gif_to_see_through() -> bytes:
    """A GIF with a transparent colour."""
    content, start = gif(), gif_head_bytes()
    return b"GIF89a" + content[6:start] + _CONTROL + content[start:]


_CONTROL = b"\x21\xf9\x04\x01\0\0\x80\0"


def gif_with_everything() -> bytes:
    """A GIF with a comment, a text, XMP, a loop, and bytes after its end."""
    text = b"\x21\x01\x0c" + bytes(12) + _sub_blocks(SECRET)
    xmp = b"\x21\xff\x0bXMP DataXMP" + _sub_blocks(SECRET)
    loop = b"\x21\xff\x0bNETSCAPE2.0\x03\x01\0\0\0"
    comment = b"\x21\xfe" + _sub_blocks(SECRET)
    content, start = gif_to_see_through(), gif_head_bytes()
    head, rest = content[:start], content[start:]
    return head + comment + b"\x21\xf9\x04\x01\0\0\x05\0" + text + xmp + loop + rest[:-1] + comment + b";" + HTML


def animated_gif() -> bytes:
    """An animation of two frames."""
    return _animated("GIF")


def _sub_blocks(content: bytes) -> bytes:
    return bytes((len(content),)) + content + b"\0"


def _saved(form: str, mode: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture(mode).save(buffer, form, **options)
    return buffer.getvalue()


def _animated(form: str) -> bytes:
    frames: Iterable[Image.Image] = (picture(), picture().rotate(180))
    first, *others = frames
    buffer = io.BytesIO()
    first.save(buffer, form, save_all=True, append_images=others)
    return buffer.getvalue()
