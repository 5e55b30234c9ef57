"""A truncated file is detected by its container, and a whole one never counts as truncated."""

import io
import json
import struct
import tarfile
import wave
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.core.provider.file_types import media_of
from shared.worker.wholeness import ends_early, shows_pictures


def box(kind: bytes, content: bytes) -> bytes:
    """One box of an MP4 file."""
    return struct.pack(">I4s", len(content) + 8, kind) + content


FTYP, MOOV, MDAT = box(b"ftyp", b"isom\0\0\0\0isom"), box(b"moov", bytes(300)), box(b"mdat", bytes(500))
LARGE_MDAT = struct.pack(">I4sQ", 1, b"mdat", 516) + bytes(500)
TO_THE_END = struct.pack(">I4s", 0, b"mdat") + bytes(500)


def wav(length: int | None = None) -> bytes:
    """A sound of half a second, whose head says this length, or the true one."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", "not compressed"))
        sound.writeframes(bytes(8000))
    content = buffer.getvalue()
    return content if length is None else content[:4] + struct.pack("<I", length) + content[8:]


def rf64() -> bytes:
    """The same with its length in a chunk of its own."""
    content = wav()
    ds64 = struct.pack("<4sIQQQI", b"ds64", 28, len(content) + 28, 8000, 4000, 0)
    return b"RF64\xff\xff\xff\xffWAVE" + ds64 + content[12:]


def aiff() -> bytes:
    """A sound in the other order of bytes."""
    return b"FORM" + struct.pack(">I", 4 + 508) + b"AIFF" + box(b"COMM", bytes(500))


def webm(size: bytes, content: bytes) -> bytes:
    """A file whose segment is so long."""
    return b"\x1a\x45\xdf\xa3\x8b\x42\x82\x84webm\x42\x87\x81\x04" + b"\x18\x53\x80\x67" + size + content


def ogg() -> bytes:
    """An Ogg file of two pages."""
    page = b"OggS" + bytes(22) + b"\x02\xff\x20"
    return page + b"\x01vorbis".ljust(287, b"x") + page + bytes(287)


def tar() -> bytes:
    """An archive of two files up to the empty block, as Python writes it: a cut in what follows cuts nothing."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, size_bytes in (("lora.safetensors", 3000), ("config.yaml", 0), ("empty" * 30, 2048)):
            entry = tarfile.TarInfo(name)
            entry.size = size_bytes
            archive.addfile(entry, io.BytesIO(bytes(size_bytes - 1) + b"x" if size_bytes else b""))
    content = buffer.getvalue().rstrip(b"\0")  # the last block of the last file ends with an x
    return content + bytes(512)


def zipped(comment: bytes = b"") -> bytes:
    """An archive with a comment at its end."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("one.txt", "x" * 3000)
        archive.comment = comment
    return buffer.getvalue()


def safetensors() -> bytes:
    """A safetensors file of two tensors."""
    tensors = {
        name: {"dtype": "F16", "shape": [500], "data_offsets": [at, at + 1000]} for name, at in (("a", 0), ("b", 1000))
    }
    header = json.dumps({"__metadata__": {"format": "pt"}} | tensors).encode()
    return struct.pack("<Q", len(header)) + header + bytes(2000)


WHOLE = {
    "mp4 with its index first": (FTYP + MOOV + MDAT, "video", True),
    "mp4 with its index last": (FTYP + MDAT + MOOV, "video", True),
    "mp4 of a large box": (FTYP + MOOV + LARGE_MDAT, "video", True),
    "mp4 to the end": (FTYP + MOOV + TO_THE_END, "video", False),
    "mp4 in fragments": (FTYP + MOOV + box(b"moof", bytes(50)) + MDAT, "video", True),
    "quicktime": (MDAT + MOOV, "video", True),
    "m4a": (FTYP.replace(b"isom", b"M4A ") + MOOV + MDAT, "audio", True),
    "wav": (wav(), "audio", True),
    "wav of a length that was not known": (wav(0xFFFFFFFF), "audio", False),
    "wav of no length": (wav(0), "audio", False),
    "rf64": (rf64(), "audio", True),
    "aiff": (aiff(), "audio", True),
    "webm": (webm(b"\x43\xe8", bytes(1000)), "video", True),
    "webm of a long length": (webm(b"\x01\0\0\0\0\0\x03\xe8", bytes(1000)), "video", True),
    "webm of no length": (webm(b"\x01\xff\xff\xff\xff\xff\xff\xff", bytes(1000)), "video", False),
    "ogg": (ogg(), "audio", False),
    "mp3": (b"ID3" + bytes(400), "audio", False),
    "flac": (b"fLaC" + bytes(400), "audio", False),
    "tar": (tar(), "training", True),
    "zip": (zipped(), "training", True),
    "zip with a comment": (zipped(b"hello"), "training", True),
    "safetensors": (safetensors(), "training", True),
}


@pytest.mark.parametrize(("content", "modality", "says"), WHOLE.values(), ids=WHOLE)
def test_what_is_whole_is_whole_and_what_is_cut_is_cut(content: bytes, modality: str, says: bool) -> None:
    """Wherever it was cut, where the container says how long it is; a file that does not say is whole."""
    kind = media_of(content[:262], modality)
    assert kind is not None
    assert not ends_early(*kind, io.BytesIO(content))
    for stays in range(262 if modality == "training" else 16, len(content) - 1, 13):
        assert ends_early(*kind, io.BytesIO(content[:stays])) is says or not says
    assert ends_early(*kind, io.BytesIO())


def test_an_ogg_is_cut_within_a_page() -> None:
    """A cut between two pages cannot be detected."""
    content = ogg()
    page_bytes = len(content) // 2
    for stays in range(30, len(content)):
        assert ends_early("audio/ogg", "ogg", io.BytesIO(content[:stays])) is (stays != page_bytes)


def test_only_sounds_without_pictures_are_sounds() -> None:
    """By the handlers of an MP4's tracks and the codecs of a WebM's; one that cannot be parsed has some."""
    sound, film = (box(b"moov", box(b"hdlr", bytes(8) + kind + bytes(12))) for kind in (b"soun", b"vide"))
    opus, vp9 = b"\x86\x86A_OPUS", b"\x86\x85V_VP9"
    cases = [
        ("audio/mp4", FTYP + sound + MDAT, False),
        ("audio/mp4", FTYP + sound + film, True),
        ("audio/mp4", FTYP + film + MDAT, True),
        ("audio/mp4", FTYP + MDAT, True),
        ("audio/webm", webm(b"\x43\xe8", opus + bytes(900)), False),
        ("audio/webm", webm(b"\x43\xe8", opus + vp9 + bytes(900)), True),
        ("audio/webm", webm(b"\x43\xe8", bytes(900)), True),
        ("audio/wav", wav(), False),
    ]
    for content_type, content, pictures in cases:
        assert shows_pictures(content_type, io.BytesIO(content)) is pictures


@settings(max_examples=3 * settings().max_examples, deadline=None)
@given(
    st.sampled_from(list(WHOLE.values())), st.lists(st.tuples(st.integers(0, 999), st.binary(max_size=9)), max_size=5)
)
def test_any_bytes_have_an_answer(whole: tuple[bytes, str, bool], done: list[tuple[int, bytes]]) -> None:
    """Nothing is raised, whatever a stranger writes for a length."""
    content = bytearray(whole[0])
    kind = media_of(bytes(content[:262]), whole[1])
    assert kind is not None
    for place, comes in done:
        at = len(content) * place // 1000
        content[at : at + len(comes)] = comes
    ends_early(*kind, io.BytesIO(bytes(content)))
    shows_pictures(kind[0], io.BytesIO(bytes(content)))
