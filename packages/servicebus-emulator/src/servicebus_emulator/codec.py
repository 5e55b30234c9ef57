"""AMQP 1.0 types on the wire (OASIS AMQP 1.0, part 1).

Rules:
- An encoder returns complete bytes, constructor included. Lists and maps take items that are already encoded,
  so raw bytes taken from a message can be put back untouched.
- `decode` gives plain Python values: every integer type and timestamps (milliseconds) as int, strings and
  symbols as str, arrays and lists as list. What must keep its exact type stays raw: see `end_of` and `raw_items`.
- Malformed bytes raise one of MALFORMED. A caller that reads what a client sent handles all of them alike.
"""

import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

# What reading malformed or unexpected bytes can raise: sizes that do not fit, values of other types than expected,
# fields that are missing, nesting without end.
MALFORMED = (
    ValueError,
    IndexError,
    TypeError,
    KeyError,
    AttributeError,
    OverflowError,
    RecursionError,
    struct.error,
)

NULL = b"\x40"
EMPTY_LIST = b"\x45"

_U16 = struct.Struct(">H")
_U32 = struct.Struct(">I")
_U64 = struct.Struct(">Q")
_I32 = struct.Struct(">i")
_I64 = struct.Struct(">q")


@dataclass(frozen=True, slots=True)
class Described:
    """A value with a descriptor: a ulong code or a symbol."""

    descriptor: int | str
    value: Any


# ---- encoding ----


def boolean(value: bool) -> bytes:  # noqa: FBT001 - the AMQP type is a boolean
    """A boolean, one byte."""
    return b"\x41" if value else b"\x42"


def ubyte(value: int) -> bytes:
    """An unsigned integer of 8 bits."""
    return bytes((0x50, value))


def ushort(value: int) -> bytes:
    """An unsigned integer of 16 bits."""
    return b"\x60" + _U16.pack(value)


def uint(value: int) -> bytes:
    """An unsigned integer of 32 bits, in its shortest form."""
    if value == 0:
        return b"\x43"
    return bytes((0x52, value)) if 0 < value < 256 else b"\x70" + _U32.pack(value)


def ulong(value: int) -> bytes:
    """An unsigned integer of 64 bits, in its shortest form."""
    if value == 0:
        return b"\x44"
    return bytes((0x53, value)) if 0 < value < 256 else b"\x80" + _U64.pack(value)


def int32(value: int) -> bytes:
    """A signed integer of 32 bits (AMQP int)."""
    return b"\x71" + _I32.pack(value)


def int64(value: int) -> bytes:
    """A signed integer of 64 bits (AMQP long)."""
    return b"\x81" + _I64.pack(value)


def timestamp(value_ms: int) -> bytes:
    """A point in time, milliseconds since 1970 UTC."""
    return b"\x83" + _I64.pack(value_ms)


def uuid(value: UUID) -> bytes:
    """A UUID in network byte order."""
    return b"\x98" + value.bytes


def _sized(small: int, large: int, data: bytes) -> bytes:
    if len(data) < 256:
        return bytes((small, len(data))) + data
    return bytes((large,)) + _U32.pack(len(data)) + data


def binary(value: bytes) -> bytes:
    """A string of bytes."""
    return _sized(0xA0, 0xB0, value)


def string(value: str) -> bytes:
    """A Unicode string."""
    return _sized(0xA1, 0xB1, value.encode())


def symbol(value: str) -> bytes:
    """A symbol: an ASCII name."""
    return _sized(0xA3, 0xB3, value.encode("ascii"))


def _compound(small: int, large: int, count: int, data: bytes) -> bytes:
    # The size counts the count field too, hence 255 less one byte.
    if len(data) < 255 and count < 256:
        return bytes((small, len(data) + 1, count)) + data
    return bytes((large,)) + _U32.pack(len(data) + 4) + _U32.pack(count) + data


def list_of(items: Sequence[bytes]) -> bytes:
    """A list of encoded items."""
    return _compound(0xC0, 0xD0, len(items), b"".join(items)) if items else EMPTY_LIST


def map_of(pairs: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A map of encoded keys and values."""
    items = [item for pair in pairs for item in pair]
    return _compound(0xC1, 0xD1, len(items), b"".join(items))


def array_of(items: Sequence[bytes]) -> bytes:
    """An array of encoded items that share one constructor byte (int64, timestamp, uuid, short symbols)."""
    if not items:
        return b"\xe0\x01\x00"
    constructor = items[0][:1]
    if any(item[:1] != constructor for item in items):
        raise ValueError("the items of an array must have one constructor")
    body = b"".join(item[1:] for item in items)
    return b"\xf0" + _U32.pack(len(body) + 5) + _U32.pack(len(items)) + constructor + body


def described(code: int, value: bytes) -> bytes:
    """An encoded value under the descriptor `code`."""
    return b"\x00" + ulong(code) + value


# ---- decoding ----

_WIDTHS = {0x4: 0, 0x5: 1, 0x6: 2, 0x7: 4, 0x8: 8, 0x9: 16}  # by the high half of the constructor byte
_ONE_BYTE_SIZES = (0xA, 0xC, 0xE)
_FOUR_BYTE_SIZES = (0xB, 0xD, 0xF)


def end_of(data: bytes, at: int) -> int:
    """The index just behind the value that starts at `at`, found without decoding it."""
    code = data[at]
    if code == 0x00:
        return end_of(data, end_of(data, at + 1))
    return _body_end(data, at + 1, code)


def _body_end(data: bytes, at: int, code: int) -> int:
    kind = code >> 4
    if kind in _WIDTHS:
        end = at + _WIDTHS[kind]
    elif kind in _ONE_BYTE_SIZES:
        end = at + 1 + data[at]
    elif kind in _FOUR_BYTE_SIZES:
        end = at + 4 + _U32.unpack_from(data, at)[0]
    else:
        raise ValueError(f"unknown constructor {code:#04x}")
    if end > len(data):
        raise ValueError("a value reaches beyond its frame")
    return int(end)


def decode(data: bytes, at: int = 0) -> tuple[Any, int]:
    """The value that starts at `at`, and the index behind it."""
    if data[at] == 0x00:
        descriptor, at = decode(data, at + 1)
        value, at = decode(data, at)
        return Described(descriptor, value), at
    end = _body_end(data, at + 1, data[at])
    return _DECODERS[data[at]](data, at + 1, end), end


def raw_items(data: bytes, at: int = 0) -> list[bytes]:
    """The items of the list or map at `at`, still encoded; a map gives keys and values in turn."""
    code = data[at]
    if code == 0x45:
        return []
    if code not in {0xC0, 0xC1, 0xD0, 0xD1}:
        raise ValueError(f"expected a list or map, found constructor {code:#04x}")
    count, at = _compound_head(data, at + 1, code)
    items = []
    for _ in range(count):
        end = end_of(data, at)
        items.append(data[at:end])
        at = end
    return items


def raw_pairs(data: bytes, at: int = 0) -> tuple[tuple[bytes, bytes], ...]:
    """The keys and values of the map at `at`, still encoded; null is an empty map."""
    if data[at : at + 1] == NULL:
        return ()
    items = raw_items(data, at)
    return tuple(zip(items[::2], items[1::2], strict=True))


def _compound_head(data: bytes, at: int, code: int) -> tuple[int, int]:
    """The number of items, and where the first one starts."""
    if code >> 4 in {0xC, 0xE}:
        return data[at + 1], at + 2
    return _U32.unpack_from(data, at + 4)[0], at + 8


def _list(data: bytes, at: int, end: int) -> list[Any]:
    count, item_at = _compound_head(data, at, data[at - 1])
    items = []
    for _ in range(count):
        item, item_at = decode(data, item_at)
        items.append(item)
    if item_at > end:
        raise ValueError("a list is longer than its size")
    return items


def _map(data: bytes, at: int, end: int) -> dict[Any, Any]:
    items = _list(data, at, end)
    return dict(zip(items[::2], items[1::2], strict=True))


def _array(data: bytes, at: int, end: int) -> list[Any]:
    count, at = _compound_head(data, at, data[at - 1])
    if count == 0:
        return []
    descriptor = None
    if data[at] == 0x00:
        descriptor, at = decode(data, at + 1)
    code = data[at]
    at += 1
    items = []
    for _ in range(count):
        item_end = _body_end(data, at, code)
        # Inside an array there is no constructor before the item; compound decoders look for it one byte back.
        value = _DECODERS[code](bytes((code,)) + data[at:item_end], 1, 1 + item_end - at)
        items.append(value if descriptor is None else Described(descriptor, value))
        at = item_end
    if at > end:
        raise ValueError("an array is longer than its size")
    return items


def _fixed(form: str) -> Callable[[bytes, int, int], Any]:
    unpack_from = struct.Struct(">" + form).unpack_from
    return lambda data, at, _end: unpack_from(data, at)[0]


def _text(skip: int) -> Callable[[bytes, int, int], str]:
    return lambda data, at, end: data[at + skip : end].decode()


def _blob(skip: int) -> Callable[[bytes, int, int], bytes]:
    return lambda data, at, end: data[at + skip : end]


def _constant(value: Any) -> Callable[[bytes, int, int], Any]:
    return lambda _data, _at, _end: value


_DECODERS: dict[int, Callable[[bytes, int, int], Any]] = {
    0x40: _constant(None),
    0x41: lambda _data, _at, _end: True,
    0x42: lambda _data, _at, _end: False,
    0x43: _constant(0),
    0x44: _constant(0),
    0x45: lambda _data, _at, _end: [],
    0x50: _fixed("B"),
    0x51: _fixed("b"),
    0x52: _fixed("B"),
    0x53: _fixed("B"),
    0x54: _fixed("b"),
    0x55: _fixed("b"),
    0x56: _fixed("?"),
    0x60: _fixed("H"),
    0x61: _fixed("h"),
    0x70: _fixed("I"),
    0x71: _fixed("i"),
    0x72: _fixed("f"),
    0x73: lambda data, at, _end: chr(_U32.unpack_from(data, at)[0]),
    0x74: _blob(0),  # the three decimals are kept as bytes: nothing here computes with them
    0x80: _fixed("Q"),
    0x81: _fixed("q"),
    0x82: _fixed("d"),
    0x83: _fixed("q"),
    0x84: _blob(0),
    0x94: _blob(0),
    0x98: lambda data, at, end: UUID(bytes=data[at:end]),
    0xA0: _blob(1),
    0xA1: _text(1),
    0xA3: _text(1),
    0xB0: _blob(4),
    0xB1: _text(4),
    0xB3: _text(4),
    0xC0: _list,
    0xC1: _map,
    0xD0: _list,
    0xD1: _map,
    0xE0: _array,
    0xF0: _array,
}
