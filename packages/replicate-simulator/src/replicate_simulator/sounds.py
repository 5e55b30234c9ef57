"""Sounds: a tune that plays, the same bytes for the same prompt and seed.

A WAV (16 bit, mono) has a note each quarter of a second. An MP3 is silence of the asked length, because nothing here
can encode a tune; its tag makes two different. Where more bytes are asked for, the rest is noise, in a chunk (WAV) or a
frame of the tag (MP3) that players skip.
"""

import array
import hashlib
import math
import random
import struct
import sys
from functools import cache
from typing import Final

_RATE: Final = 16_000
_NOTES_PER_S: Final = 4
_SAMPLES: Final = _RATE // _NOTES_PER_S
#: A pentatonic scale sounds well in any order. Hertz.
_SCALE: Final = (220.0, 247.5, 277.2, 330.0, 371.3, 440.0, 495.0, 554.4)
#: The longest that is made, in seconds: MusicGen's own limit is far below.
_LONGEST_S: Final = 600
#: MPEG 1 layer III, 32 kbit/s, 44.1 kHz, mono: 104 bytes, and a sound of 1152 samples. All else zero is silence.
_SILENT_FRAME: Final = b"\xff\xfb\x10\xc4" + bytes(100)
_FRAMES_PER_S: Final = 44_100 / 1152


def sound(prompt: str, seed: int, seconds: float, extension: str, size_bytes: int = 0) -> bytes:
    """Returns a `wav` or `mp3` of so many seconds (600 at most) and at least so many bytes."""
    key = f"{prompt}\0{seed}".encode(errors="surrogatepass")
    seconds = min(seconds, _LONGEST_S)
    return _mp3(key, seconds, size_bytes) if extension == "mp3" else _wav(key, seconds, size_bytes)


def _wav(key: bytes, seconds: float, size_bytes: int) -> bytes:
    rng = random.Random(key)
    notes = (_note(rng.choice(_SCALE)) for _ in range(math.ceil(seconds * _NOTES_PER_S)))
    tune = b"".join(notes)[: round(seconds * _RATE) * 2]
    form = struct.pack("<HHIIHH", 1, 1, _RATE, _RATE * 2, 2, 16)
    parts = b"WAVE" + _chunk(b"fmt ", form) + _chunk(b"data", tune)
    missing = size_bytes - len(parts) - 16
    if missing > 0:
        parts += _chunk(b"JUNK", random.Random(key).randbytes(missing + missing % 2))
    return _chunk(b"RIFF", parts)


@cache
def _note(hertz: float) -> bytes:
    """Returns a quarter of a second of a tone that fades away."""
    wave = (math.sin(2 * math.pi * hertz * place / _RATE) * (1 - place / _SAMPLES) for place in range(_SAMPLES))
    samples = array.array("h", (round(12_000 * level) for level in wave))
    if sys.byteorder == "big":
        samples.byteswap()
    return samples.tobytes()


def _chunk(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("<I", len(content)) + content


def _mp3(key: bytes, seconds: float, size_bytes: int) -> bytes:
    frames = _SILENT_FRAME * max(1, round(seconds * _FRAMES_PER_S))
    tag = b"simulated\0" + hashlib.sha256(key).digest()
    missing = size_bytes - len(frames) - len(tag) - 20
    tag += random.Random(key).randbytes(max(0, missing))
    private = b"PRIV" + struct.pack(">I2x", len(tag)) + tag
    return b"ID3\x03\x00\x00" + _synchsafe(len(private)) + private + frames


def _synchsafe(number: int) -> bytes:
    """Writes a number with seven bits in each of four bytes, as ID3 does."""
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))
