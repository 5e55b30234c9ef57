"""A message as it lies in the broker: the sender's sections, kept as raw bytes (OASIS AMQP 1.0, section 3.2).

Rules:
- Nothing of the sender's is decoded and encoded again, as that would lose types. Only the few fields the broker
  acts upon are read: message-id, time to live, scheduled time.
- Annotations that a broker set are dropped: a received message may be sent again with its old ones inside.
- A message without an id gets one: @azure/service-bus cannot settle a message that has none.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from servicebus_emulator import codec

HEADER, DELIVERY_ANNOTATIONS, MESSAGE_ANNOTATIONS = 0x70, 0x71, 0x72
PROPERTIES, APPLICATION_PROPERTIES, DATA, SEQUENCE, VALUE, FOOTER = 0x73, 0x74, 0x75, 0x76, 0x77, 0x78

BATCH_FORMAT = 0x80013700  # Service Bus: every data section is a complete message
DEFAULT_PRIORITY = 4  # OASIS AMQP 1.0, section 3.2.1

_SCHEDULED_TIME = "x-opt-scheduled-enqueue-time"
_SET_BY_BROKER = {
    "x-opt-lock-token",
    "x-opt-locked-until",
    "x-opt-sequence-number",
    "x-opt-enqueued-time",
    "x-opt-message-state",
}

Pairs = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a sender sent.

    `message_id` is the encoded AMQP value, so that the string "1" and the number 1 differ; `properties` is the
    whole section, `body` all sections from the body on; the pairs are encoded keys and values.
    """

    message_id: bytes
    properties: bytes
    body: bytes
    application_properties: Pairs = ()
    annotations: Pairs = ()
    delivery_annotations: Pairs = ()
    durable: bool = False
    priority: int = DEFAULT_PRIORITY
    ttl_ms: int | None = None
    scheduled_ms: int | None = None

    def with_application_properties(self, pairs: Pairs) -> "Content":
        """The same content with these application properties set; older ones of the same name are replaced.

        Keys may be symbols, as those of annotations are; as application properties they become strings.

        Raises:
            ValueError: a key is neither a string nor a symbol.
        """
        if not pairs:
            return self
        added = {_name(key): value for key, value in pairs}
        if None in added:
            raise ValueError("the name of an application property must be a string")
        kept = tuple(pair for pair in self.application_properties if _name(pair[0]) not in added)
        new = tuple((codec.string(name), value) for name, value in added.items() if name is not None)
        return replace(self, application_properties=kept + new)

    def encoded(self, *, delivery_count: int = 0, delivery_annotations: Pairs = (), annotations: Pairs = ()) -> bytes:
        """A complete AMQP message, the broker's annotations before the sender's."""
        header = codec.list_of(
            [
                codec.boolean(self.durable),
                codec.ubyte(self.priority),
                codec.NULL if self.ttl_ms is None else codec.uint(self.ttl_ms),
                codec.boolean(delivery_count == 0),  # first-acquirer
                codec.uint(delivery_count),
            ]
        )
        return b"".join(
            (
                codec.described(HEADER, header),
                _map_section(DELIVERY_ANNOTATIONS, delivery_annotations + self.delivery_annotations),
                _map_section(MESSAGE_ANNOTATIONS, annotations + self.annotations),
                self.properties,
                _map_section(APPLICATION_PROPERTIES, self.application_properties),
                self.body,
            )
        )


def texts(values: dict[str, str | None]) -> Pairs:
    """Encoded pairs of strings; those without a value are left out."""
    return tuple((codec.string(name), codec.string(text)) for name, text in values.items() if text is not None)


def _name(key: bytes) -> str | None:
    """An encoded key as text; None when it is neither a string nor a symbol."""
    name = codec.decode(key)[0]
    return name if isinstance(name, str) else None


def _map_section(code: int, pairs: Pairs) -> bytes:
    return codec.described(code, codec.map_of(pairs)) if pairs else b""


def sections(data: bytes) -> Iterator[tuple[int, int, int, int]]:
    """The sections of an encoded message: code, start of the section, start of its value, end.

    Raises:
        ValueError: something in between is no section.
    """
    at = 0
    while at < len(data):
        start = at
        if data[at] != 0x00:
            raise ValueError("a message section must be a described value")
        code, at = codec.decode(data, at + 1)
        if not isinstance(code, int) or not HEADER <= code <= FOOTER:
            raise ValueError(f"unknown message section {code!r}")
        end = codec.end_of(data, at)
        yield code, start, at, end
        at = end


def parse(data: bytes, new_id: Callable[[], str] = lambda: uuid4().hex) -> Content:
    """Read one encoded message.

    Raises:
        codec.MALFORMED: `data` is no AMQP message.
    """
    fields: dict[str, Any] = {"properties": None}
    body = []
    for code, start, at, end in sections(data):
        if code == HEADER:
            fields |= _header(data, at)
        elif code == PROPERTIES:
            fields["properties"] = codec.raw_items(data, at)
        elif code == APPLICATION_PROPERTIES:
            fields["application_properties"] = codec.raw_pairs(data, at)
        elif code == DELIVERY_ANNOTATIONS:
            fields["delivery_annotations"] = _foreign_pairs(data, at)
        elif code == MESSAGE_ANNOTATIONS:
            fields["annotations"] = _foreign_pairs(data, at)
        else:
            body.append(data[start:end])
    properties = _with_message_id(fields.pop("properties") or [], new_id)
    return Content(
        message_id=properties[0],
        properties=codec.described(PROPERTIES, codec.list_of(properties)),
        body=b"".join(body),
        scheduled_ms=_scheduled_ms(fields.get("annotations", ())),
        **fields,
    )


def parse_batch(envelope: bytes) -> list[Content]:
    """Read the messages of a batch; what the envelope itself carries besides is to be ignored."""
    return [parse(codec.decode(envelope, at)[0]) for code, _start, at, _end in sections(envelope) if code == DATA]


def _header(data: bytes, at: int) -> dict[str, Any]:
    values = codec.decode(data, at)[0] + [None] * 3
    durable, priority, ttl_ms = values[:3]
    return {
        "durable": bool(durable),
        "priority": DEFAULT_PRIORITY if priority is None else priority,
        "ttl_ms": ttl_ms,
    }


def _foreign_pairs(data: bytes, at: int) -> Pairs:
    return tuple(pair for pair in codec.raw_pairs(data, at) if codec.decode(pair[0])[0] not in _SET_BY_BROKER)


def _with_message_id(properties: Sequence[bytes], new_id: Callable[[], str]) -> list[bytes]:
    first = properties[0] if properties else codec.NULL
    if first == codec.NULL:
        first = codec.string(new_id())
    return [first, *properties[1:]]


def _scheduled_ms(annotations: Iterable[tuple[bytes, bytes]]) -> int | None:
    for key, value in annotations:
        if codec.decode(key)[0] == _SCHEDULED_TIME:
            scheduled_ms: int | None = codec.decode(value)[0]
            return scheduled_ms
    return None
