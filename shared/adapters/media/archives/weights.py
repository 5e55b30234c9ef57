"""Knows trained weights by their own header: the format safetensors, which has numbers and nothing that could run.

The format (https://huggingface.co/docs/safetensors): eight bytes with the length of a JSON header, the header, and the
numbers of the tensors, one behind the other.

Rules of this file:
1. The header must account for every byte: each tensor begins where the one before it ends, is as long as its type and
   shape say, and the last one ends with the file.
2. A name decides nothing. What is called safetensors without such a header is refused, and so is a binary text.
"""

import json
import struct
from collections.abc import Iterable, Mapping
from typing import Any

from shared.adapters.media.archives.members import Unfit
from shared.core.training.contents import shown

#: A model of 3,000 tensors has a header of 400 KB.
_MOST_HEADER_BYTES = 8 * 1024 * 1024
_LENGTH_BYTES = 8

#: The bits of one number of each type.
_BITS: Mapping[str, int] = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0"), 8),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 16),
    **dict.fromkeys(("U32", "I32", "F32"), 32),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 64),
    "F4": 4,
    "F6_E2M3": 6,
    "F6_E3M2": 6,
}


class _WrongError(ValueError):
    """The header describes something else. Never leaves this file."""


def check_safetensors(name: str, size_bytes: int, chunks: Iterable[bytes]) -> None:
    """Check the header of a file of this size. ``chunks`` are read as far as the header goes. Raises Unfit."""
    head = bytearray()
    needed = _LENGTH_BYTES
    for chunk in chunks:
        head += chunk
        if needed == _LENGTH_BYTES and len(head) >= _LENGTH_BYTES:
            needed = _LENGTH_BYTES + _header_bytes(name, head, size_bytes)
        if len(head) >= needed > _LENGTH_BYTES:
            break
    if len(head) < needed or needed == _LENGTH_BYTES:
        raise Unfit(f"{shown(name)} is no safetensors file: it is shorter than its header.")
    try:
        _check_tensors(bytes(head[_LENGTH_BYTES:needed]), size_bytes - needed)
    except (ValueError, RecursionError):
        raise Unfit(f"{shown(name)} is no safetensors file: its header does not describe it.") from None


def _header_bytes(name: str, head: bytearray, size_bytes: int) -> int:
    (length,) = struct.unpack("<Q", head[:_LENGTH_BYTES])
    if not 2 <= length <= min(_MOST_HEADER_BYTES, size_bytes - _LENGTH_BYTES):
        raise Unfit(f"{shown(name)} is no safetensors file: its header has no possible length.")
    return int(length)


def _check_tensors(raw: bytes, content_bytes: int) -> None:
    if raw[:1] != b"{":
        raise _WrongError
    header = json.loads(raw, object_pairs_hook=_once)
    about = header.pop("__metadata__", {})
    if not header or not isinstance(about, dict) or not all(isinstance(value, str) for value in about.values()):
        raise _WrongError
    end = 0
    for begin, stop in sorted(_place(tensor) for tensor in header.values()):
        if begin != end:
            raise _WrongError
        end = stop
    if end != content_bytes:
        raise _WrongError


def _place(tensor: Any) -> tuple[int, int]:
    """Where the numbers of a tensor are, if they are as many as its shape says."""
    if not isinstance(tensor, dict) or tensor.keys() != {"dtype", "shape", "data_offsets"}:
        raise _WrongError
    shape, place, dtype = tensor["shape"], tensor["data_offsets"], tensor["dtype"]
    if not (isinstance(shape, list) and isinstance(place, list) and len(place) == 2 and isinstance(dtype, str)):
        raise _WrongError
    if dtype not in _BITS or not all(type(number) is int and 0 <= number < 1 << 53 for number in (*shape, *place)):
        raise _WrongError
    count = 1
    for number in shape[:16]:
        count *= number
    if len(shape) > 16 or count * _BITS[dtype] != 8 * (place[1] - place[0]):
        raise _WrongError
    return place[0], place[1]


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose names are each there once: readers differ in which of two they believe."""
    made = dict(pairs)
    if len(made) != len(pairs):
        raise _WrongError
    return made


def check_text(name: str, chunks: Iterable[bytes]) -> None:
    """Check that a file is text, whatever its name is. Raises Unfit."""
    try:
        text = b"".join(chunks).decode()
    except UnicodeDecodeError:
        raise Unfit(f"{shown(name)} is no text.") from None
    if any(char < " " and char not in "\t\n\r\f" for char in text):
        raise Unfit(f"{shown(name)} is no text.")
