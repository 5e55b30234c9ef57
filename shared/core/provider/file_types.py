"""The type of a video, a sound or trained weights, recognised by the first bytes and not by the name.

Rules of this file:
1. A file is of a modality only if nothing in its head contradicts that. Videos cannot be screened, so an image, which
   can be, must not pass as a video. In the MP4 family the brands decide (ISO/IEC 14496-12, 4.3; mp4ra.org), including
   the compatible ones, because a viewer may follow those.
2. A sound without a tag begins with a frame. Its fields are checked, because its eleven sync bits alone occur in any
   file.
"""

from collections.abc import Callable

from shared.core.modality import Modality

#: How many first bytes of a file are needed to recognise it.
HEAD_BYTES = 262

#: Still images and sequences of them: AVIF, HEIF, JPEG XL, JPEG 2000, and camera raw formats.
_PICTURE_BRANDS = frozenset(
    {b"avif", b"avis", b"avio", b"mif1", b"mif2", b"msf1", b"miaf", b"heic", b"heix", b"heim", b"heis"}
    | {b"hevc", b"hevx", b"hevm", b"hevs", b"jpeg", b"jpgs", b"jxl ", b"jp2 ", b"jpx ", b"crx "}
)
_SOUND_BRANDS = frozenset({b"M4A ", b"M4B ", b"M4P ", b"F4A ", b"F4B ", b"aax "})
_QUICKTIME_BRAND = b"qt  "

#: Boxes with which QuickTime files begin, and which do not say what follows.
_QUICKTIME_BOXES = frozenset({b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})

_EBML, _RIFF = b"\x1a\x45\xdf\xa3", (b"RIFF", b"RF64", b"BW64")

Kind = tuple[str, str]

_MP4, _QUICKTIME, _WEBM = ("video/mp4", "mp4"), ("video/quicktime", "mov"), ("video/webm", "webm")
_MATROSKA, _M4A = ("video/x-matroska", "mkv"), ("audio/mp4", "m4a")


def media_of(head: bytes, modality: str) -> Kind | None:
    """Content type and extension of a file of this modality ("video", "audio", "training"). None if it is another."""
    look = _LOOKS.get(modality)
    return look(head) if look else None


def _video(head: bytes) -> Kind | None:
    if head[4:8] == b"ftyp":
        major, brands = head[8:12], _brands(head)
        if brands & _PICTURE_BRANDS or major in _SOUND_BRANDS:
            return None
        return _QUICKTIME if major == _QUICKTIME_BRAND else _MP4
    if head[4:8] in _QUICKTIME_BOXES:
        return _QUICKTIME
    return _matroska(head)


def _audio(head: bytes) -> Kind | None:
    if head[4:8] == b"ftyp":
        return None if _brands(head) & (_PICTURE_BRANDS | {_QUICKTIME_BRAND}) else _M4A
    if _matroska(head) is not None:
        return ("audio/webm", "weba") if _matroska(head) == _WEBM else ("audio/x-matroska", "mka")
    if head[:4] in _RIFF and head[8:12] == b"WAVE":
        return "audio/wav", "wav"
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return "audio/aiff", "aiff"
    if head[:4] == b"OggS":
        return None if b"\x80theora" in head else ("audio/ogg", "ogg")
    if head[:4] == b"fLaC":
        return "audio/flac", "flac"
    return _sound_by_frame(head)


def _sound_by_frame(head: bytes) -> Kind | None:
    """MP3 with or without a tag (ISO/IEC 11172-3, 2.4.1.3; also MPEG 2.5), and AAC (ISO/IEC 14496-3, 1.A.2.2)."""
    if head[:3] == b"ID3":
        return "audio/mpeg", "mp3"
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    rate, frequency = head[2] >> 4, head[2] >> 2 & 3
    if version != 1 and layer in (1, 2) and rate not in (0, 15) and frequency != 3:
        return "audio/mpeg", "mp3"
    if head[1] & 0xF6 == 0xF0 and head[2] >> 2 & 15 < 13:
        return "audio/aac", "aac"
    return None


def _training(head: bytes) -> Kind | None:
    # A tar archive has its magic after the name of its first file (POSIX.1-1988, ustar).
    if head[257:262] == b"ustar":
        return "application/x-tar", "tar"
    if head[:4] == b"PK\x03\x04":
        return "application/zip", "zip"
    if head[:3] == b"\x1f\x8b\x08":
        return "application/gzip", "tar.gz"
    if head[8:10] in (b'{"', b"{ ") and int.from_bytes(head[:8], "little") < 100 * 1024 * 1024:
        return SAFETENSORS
    return None


#: Weights as most trainers write them: the length of a JSON header, the header, the numbers.
SAFETENSORS = ("application/octet-stream", "safetensors")

_LOOKS: dict[str, Callable[[bytes], Kind | None]] = {
    Modality.VIDEO: _video,
    Modality.AUDIO: _audio,
    Modality.TRAINING: _training,
}


def _brands(head: bytes) -> set[bytes]:
    """The major brand and the compatible brands, as far as the head contains them."""
    end = min(int.from_bytes(head[:4], "big"), len(head))
    return {head[8:12]} | {head[at : at + 4] for at in range(16, end - 3, 4)}


def _matroska(head: bytes) -> Kind | None:
    """The type by its document type (RFC 9559). A file without one counts as WebM."""
    if not head.startswith(_EBML):
        return None
    return _MATROSKA if b"\x42\x82\x88matroska" in head else _WEBM
