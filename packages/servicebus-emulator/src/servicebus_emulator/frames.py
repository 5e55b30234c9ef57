"""AMQP 1.0 frames and performatives (OASIS AMQP 1.0, sections 2.3, 2.7 and 5.3).

Rules:
- Every field of a performative is sent, trailing nulls too: SDKs before azure-servicebus 7.15 index them blindly.
- An error always has its three fields (condition, description, info), for the same reason.
- Fields that the emulator only echoes or reads now and then (source, target, state, properties) stay encoded.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

from servicebus_emulator import codec

MAX_FRAME_BYTES = 65536  # what the real service announces; a frame beyond it ends the connection
AMQP_HEADER = b"AMQP\x00\x01\x00\x00"
SASL_HEADER = b"AMQP\x03\x01\x00\x00"
KEEP_ALIVE = b"\x00\x00\x00\x08\x02\x00\x00\x00"  # a frame without a body

_HEAD = struct.Struct(">IBBH")
_AMQP_TYPE = 0
_SASL_TYPE = 1


@dataclass(frozen=True, slots=True)
class Open:
    """Negotiates the connection."""

    container_id: str
    hostname: str | None = None
    max_frame_size: int | None = None
    channel_max: int | None = None
    idle_time_out: int | None = None
    outgoing_locales: bytes | None = None
    incoming_locales: bytes | None = None
    offered_capabilities: bytes | None = None
    desired_capabilities: bytes | None = None
    properties: bytes | None = None


@dataclass(frozen=True, slots=True)
class Begin:
    """Starts a session on a channel."""

    remote_channel: int | None
    next_outgoing_id: int
    incoming_window: int
    outgoing_window: int
    handle_max: int | None = None
    offered_capabilities: bytes | None = None
    desired_capabilities: bytes | None = None
    properties: bytes | None = None


@dataclass(frozen=True, slots=True)
class Attach:
    """Attaches a link; `role` is True for the receiving end."""

    name: str
    handle: int
    role: bool
    snd_settle_mode: int | None = None
    rcv_settle_mode: int | None = None
    source: bytes | None = None
    target: bytes | None = None
    unsettled: bytes | None = None
    incomplete_unsettled: bool | None = None
    initial_delivery_count: int | None = None
    max_message_size: int | None = None
    offered_capabilities: bytes | None = None
    desired_capabilities: bytes | None = None
    properties: bytes | None = None


@dataclass(frozen=True, slots=True)
class Flow:
    """Updates windows and credit."""

    next_incoming_id: int | None
    incoming_window: int
    next_outgoing_id: int
    outgoing_window: int
    handle: int | None = None
    delivery_count: int | None = None
    link_credit: int | None = None
    available: int | None = None
    drain: bool | None = None
    echo: bool | None = None
    properties: bytes | None = None


@dataclass(frozen=True, slots=True)
class Transfer:
    """Carries a message or a part of one."""

    handle: int
    delivery_id: int | None = None
    delivery_tag: bytes | None = None
    message_format: int | None = None
    settled: bool | None = None
    more: bool | None = None
    rcv_settle_mode: int | None = None
    state: bytes | None = None
    resume: bool | None = None
    aborted: bool | None = None
    batchable: bool | None = None


@dataclass(frozen=True, slots=True)
class Disposition:
    """Reports the state of deliveries; `role` is True when the receiving end reports."""

    role: bool
    first: int
    last: int | None = None
    settled: bool | None = None
    state: bytes | None = None
    batchable: bool | None = None


@dataclass(frozen=True, slots=True)
class Detach:
    """Detaches a link."""

    handle: int
    closed: bool | None = None
    error: bytes | None = None


@dataclass(frozen=True, slots=True)
class End:
    """Ends a session."""

    error: bytes | None = None


@dataclass(frozen=True, slots=True)
class Close:
    """Closes the connection."""

    error: bytes | None = None


@dataclass(frozen=True, slots=True)
class SaslInit:
    """The client's choice of a mechanism; authentication itself happens on the $cbs node."""

    mechanism: str


Performative = Open | Begin | Attach | Flow | Transfer | Disposition | Detach | End | Close | SaslInit


def _raw(value: bytes) -> bytes:
    return value


_FLAG, _UINT, _USHORT, _UBYTE, _ULONG = codec.boolean, codec.uint, codec.ushort, codec.ubyte, codec.ulong
_TEXT, _BLOB = codec.string, codec.binary

_Layout = tuple[Callable[[Any], bytes], ...]
_LAYOUTS: dict[int, tuple[Callable[..., Performative], _Layout]] = {
    0x10: (Open, (_TEXT, _TEXT, _UINT, _USHORT, _UINT, _raw, _raw, _raw, _raw, _raw)),
    0x11: (Begin, (_USHORT, _UINT, _UINT, _UINT, _UINT, _raw, _raw, _raw)),
    0x12: (
        Attach,
        (_TEXT, _UINT, _FLAG, _UBYTE, _UBYTE, _raw, _raw, _raw, _FLAG, _UINT, _ULONG, _raw, _raw, _raw),
    ),
    0x13: (Flow, (_UINT, _UINT, _UINT, _UINT, _UINT, _UINT, _UINT, _UINT, _FLAG, _FLAG, _raw)),
    0x14: (Transfer, (_UINT, _UINT, _BLOB, _UINT, _FLAG, _FLAG, _UBYTE, _raw, _FLAG, _FLAG, _FLAG)),
    0x15: (Disposition, (_FLAG, _UINT, _UINT, _FLAG, _raw, _FLAG)),
    0x16: (Detach, (_UINT, _FLAG, _raw)),
    0x17: (End, (_raw,)),
    0x18: (Close, (_raw,)),
    0x41: (SaslInit, (codec.symbol,)),
}
_CODES = {cls: (code, layout) for code, (cls, layout) in _LAYOUTS.items()}
_NAMES = {cls: tuple(field.name for field in fields(cls)) for cls in _CODES}  # type: ignore[arg-type]


def encode(performative: Performative) -> bytes:
    """A performative with every field, absent ones as null."""
    cls = type(performative)
    code, layout = _CODES[cls]
    items = []
    for name, encoder in zip(_NAMES[cls], layout, strict=True):
        value = getattr(performative, name)
        items.append(codec.NULL if value is None else encoder(value))
    return codec.described(code, codec.list_of(items))


def frame(channel: int, performative: Performative, payload: bytes = b"") -> bytes:
    """A whole AMQP frame."""
    body = encode(performative)
    return _HEAD.pack(8 + len(body) + len(payload), 2, _AMQP_TYPE, channel) + body + payload


def parse(unit: bytes) -> tuple[int, Performative | None, bytes]:
    """Channel, performative and payload of a whole frame; a keep-alive has no performative."""
    _size, offset, _type, channel = _HEAD.unpack_from(unit)
    at = offset * 4
    if at >= len(unit):
        return channel, None, b""
    descriptor, at = codec.decode(unit, at + 1)
    end = codec.end_of(unit, at)
    try:
        cls, layout = _LAYOUTS[descriptor]
    except KeyError:
        raise ValueError(f"unknown performative {descriptor!r}") from None
    values = [_value(item, encoder) for item, encoder in zip(codec.raw_items(unit, at), layout, strict=False)]
    # A mandatory field that is missing makes this a TypeError: as malformed as any other frame.
    return channel, cls(*values), unit[end:]


def _value(item: bytes, encoder: Callable[[Any], bytes]) -> Any:
    if item == codec.NULL:
        return None
    return item if encoder is _raw else codec.decode(item)[0]


def take_unit(buffer: bytearray) -> bytes | None:
    """Remove and return the first protocol header or whole frame, None while it is incomplete.

    Raises:
        ValueError: a frame size that no AMQP 1.0 peer sends.
    """
    if len(buffer) < 8:
        return None
    size = 8 if buffer.startswith(b"AMQP") else _HEAD.unpack_from(buffer)[0]
    if not 8 <= size <= MAX_FRAME_BYTES:
        raise ValueError(f"a frame of {size} bytes is not allowed")
    if len(buffer) < size:
        return None
    unit = bytes(buffer[:size])
    del buffer[:size]
    return unit


def _sasl(code: int, field: bytes, *more: bytes) -> bytes:
    body = codec.described(code, codec.list_of([field, *more]))
    return _HEAD.pack(8 + len(body), 2, _SASL_TYPE, 0) + body


# The real service offers these; whichever is chosen is accepted, as tokens are checked on $cbs.
SASL_MECHANISMS = _sasl(
    0x40, codec.array_of([codec.symbol(name) for name in ("MSSBCBS", "ANONYMOUS", "EXTERNAL", "PLAIN")])
)
SASL_OUTCOME_OK = _sasl(0x44, codec.ubyte(0), codec.NULL)


def error(condition: str, description: str) -> bytes:
    """An encoded AMQP error with all three fields."""
    return codec.described(0x1D, codec.list_of([codec.symbol(condition), codec.string(description), codec.map_of([])]))


ACCEPTED_CODE, REJECTED_CODE, RELEASED_CODE, MODIFIED_CODE = 0x24, 0x25, 0x26, 0x27
OUTCOME_CODES = {ACCEPTED_CODE, REJECTED_CODE, RELEASED_CODE, MODIFIED_CODE}
ACCEPTED = codec.described(ACCEPTED_CODE, codec.EMPTY_LIST)
RELEASED = codec.described(RELEASED_CODE, codec.EMPTY_LIST)
REJECTED = codec.described(REJECTED_CODE, codec.list_of([codec.NULL]))


def modified(*, undeliverable_here: bool) -> bytes:
    """The outcome "modified": the delivery failed, or the message is deferred (`undeliverable_here`)."""
    flags = [codec.boolean(not undeliverable_here), codec.boolean(undeliverable_here), codec.NULL]
    return codec.described(MODIFIED_CODE, codec.list_of(flags))


def rejected(condition: str, description: str) -> bytes:
    """The outcome "rejected" with its reason."""
    return codec.described(REJECTED_CODE, codec.list_of([error(condition, description)]))
