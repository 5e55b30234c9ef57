"""The type of a file by its first bytes: no picture passes as a film, and every sound is recognised."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.provider.file_types import HEAD_BYTES, media_of


def ftyp(major: bytes, *compatible: bytes) -> bytes:
    """The first box of the family of MP4."""
    brands = major + bytes(4) + b"".join(compatible)
    return (len(brands) + 8).to_bytes(4, "big") + b"ftyp" + brands + bytes(100)


def matroska(document: bytes) -> bytes:
    """The head of a file that says what kind of document it is."""
    return b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82" + bytes((0x80 | len(document),)) + document + bytes(40)


VIDEOS = [
    (ftyp(b"isom", b"iso2", b"avc1", b"mp41"), "video/mp4"),
    (ftyp(b"mp42", b"mp42", b"isom"), "video/mp4"),
    (ftyp(b"M4V ", b"M4VH"), "video/mp4"),
    (ftyp(b"3gp5"), "video/mp4"),
    (ftyp(b"qt  "), "video/quicktime"),
    (b"\0\0\0\x08moov" + bytes(20), "video/quicktime"),
    (b"\0\0\0\x08mdat" + bytes(20), "video/quicktime"),
    (b"\0\0\0\x08wide" + bytes(20), "video/quicktime"),
    (matroska(b"webm"), "video/webm"),
    (matroska(b"matroska"), "video/x-matroska"),
]
PICTURES = [
    ftyp(brand) for brand in (b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1", b"hevc", b"jxl ", b"crx ")
] + [
    ftyp(b"isom", b"avif"),
    ftyp(b"mif1", b"isom", b"mp41"),
    ftyp(b"qt  ", b"heic"),
    b"\x89PNG\r\n\x1a\n" + bytes(40),
    b"\xff\xd8\xff\xe0" + bytes(40),
    b"GIF89a" + bytes(40),
    b"RIFF\x24\0\0\0WEBPVP8 " + bytes(40),
]
SOUNDS = [
    (b"ID3\x04" + bytes(40), "audio/mpeg"),
    *((bytes((0xFF, second, 0x90, 0x64)) + bytes(40), "audio/mpeg") for second in (0xFB, 0xFA, 0xF3, 0xF2, 0xE3, 0xE2)),
    *((bytes((0xFF, second, 0x90, 0x64)) + bytes(40), "audio/mpeg") for second in (0xFD, 0xFC, 0xF5)),
    *((bytes((0xFF, second, 0x50, 0x80)) + bytes(40), "audio/aac") for second in (0xF1, 0xF0, 0xF9, 0xF8)),
    (ftyp(b"M4A ", b"mp42", b"isom"), "audio/mp4"),
    (ftyp(b"isom"), "audio/mp4"),
    (matroska(b"webm"), "audio/webm"),
    (b"RIFF\x24\0\0\0WAVEfmt ", "audio/wav"),
    (b"RF64\xff\xff\xff\xffWAVEds64", "audio/wav"),
    (b"BW64\xff\xff\xff\xffWAVEds64", "audio/wav"),
    (b"FORM\0\0\0\x24AIFFCOMM", "audio/aiff"),
    (b"OggS" + bytes(24) + b"\x01vorbis", "audio/ogg"),
    (b"OggS" + bytes(24) + b"OpusHead", "audio/ogg"),
    (b"fLaC" + bytes(40), "audio/flac"),
]


@pytest.mark.parametrize(("head", "content_type"), VIDEOS)
def test_a_film_is_known_by_its_brands_and_boxes(head: bytes, content_type: str) -> None:
    """QuickTime files may have no brand."""
    kind = media_of(head, "video")
    assert kind is not None
    assert kind[0] == content_type


@pytest.mark.parametrize("head", PICTURES)
def test_no_picture_is_a_film_or_a_sound(head: bytes) -> None:
    """A policy that allows films unscreened allows no picture, not even one with a film's brand."""
    assert [media_of(head, modality) for modality in ("video", "audio", "training")] == [None] * 3


@pytest.mark.parametrize(("head", "content_type"), SOUNDS)
def test_a_sound_is_known_with_and_without_a_tag(head: bytes, content_type: str) -> None:
    """This covers each layer and version of MPEG frames in use, and every container."""
    kind = media_of(head, "audio")
    assert kind is not None
    assert kind[0] == content_type


@pytest.mark.parametrize(
    "head",
    [head for head, content_type in SOUNDS if content_type not in ("audio/webm", "audio/mp4")]
    + [ftyp(b"M4A ", b"isom"), b"text", b"", b"\0\0\0\x18ftyp"[:7]],
)
def test_no_sound_is_a_film(head: bytes) -> None:
    """An M4A belongs to the family of MP4, and is not a film."""
    assert media_of(head, "video") is None


@pytest.mark.parametrize(
    "head",
    [
        b"\xff\xfe<\0h\0t\0m\0l\0",  # a text in UTF-16
        b"\xff\xff\xff\xff",
        b"\xff\xfb\xf0\0",  # a rate that there is not
        b"\xff\xfb\x9c\0",  # a frequency that there is not
        b"\xff\xeb\x90\0",  # a version that there is not
        b"\xff\xf1\xfc\x80",  # AAC of a frequency that there is not
        b"XXXX\x24\0\0\0WAVE",
        ftyp(b"qt  "),
        b"OggS" + bytes(24) + b"\x80theora",
        b"<html>",
        b"",
    ],
)
def test_what_only_looks_like_a_sound_is_no_sound(head: bytes) -> None:
    """The eleven bits of a frame's start are in many files."""
    assert media_of(head, "audio") is None


@pytest.mark.parametrize(
    ("head", "extension"),
    [
        (bytes(257) + b"ustar\0", "tar"),
        (b"PK\x03\x04" + bytes(40), "zip"),
        (b"\x1f\x8b\x08" + bytes(40), "tar.gz"),
        (b"\x40\0\0\0\0\0\0\0" + b'{"__metadata__":{}}', "safetensors"),
    ],
)
def test_weights_are_known(head: bytes, extension: str) -> None:
    """They may be in an archive or bare."""
    kind = media_of(head, "training")
    assert kind is not None
    assert kind[1] == extension


@given(st.binary(max_size=HEAD_BYTES), st.sampled_from(["video", "audio", "training", "image", "text"]))
def test_any_bytes_have_an_answer(head: bytes, modality: str) -> None:
    """No bytes raise an error."""
    for start in (b"", b"\0\0\0\x18ftyp", b"\xff\xfb", b"\x1a\x45\xdf\xa3", b"RIFF"):
        media_of(start + head, modality)
