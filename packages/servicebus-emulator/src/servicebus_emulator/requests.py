"""Requests to a node, and its replies: messages whose application properties name an operation."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from servicebus_emulator import codec, message

_MESSAGE_ID, _REPLY_TO, _CORRELATION_ID = 0, 4, 5  # indices in the properties (OASIS AMQP 1.0, section 3.2.4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A decoded request; `message_id` stays encoded, as the reply must carry exactly the same value."""

    message_id: bytes
    reply_to: str | None
    properties: dict[str, Any]
    body: Any
    raw_body: bytes = codec.NULL

    @property
    def operation(self) -> str:
        """The operation that the request asks for; empty when it names none."""
        return str(self.properties.get("operation", ""))

    @property
    def fields(self) -> dict[str, Any]:
        """The body of an operation that takes a map; an absent one is empty."""
        fields: dict[str, Any] = self.body or {}
        return fields

    def raw_field(self, name: str) -> bytes:
        """A field of the body as it came, its types kept; null when it is absent."""
        found = (value for key, value in codec.raw_pairs(self.raw_body) if codec.decode(key)[0] == name)
        return next(found, codec.NULL)


def parse(data: bytes) -> Request:
    """Read a request. Raises one of codec.MALFORMED if the bytes are not a request."""
    properties: list[bytes] = []
    application_properties: dict[str, Any] = {}
    body, raw_body = None, codec.NULL
    for code, _start, at, end in message.sections(data):
        if code == message.PROPERTIES:
            properties = codec.raw_items(data, at)
        elif code == message.APPLICATION_PROPERTIES:
            application_properties = codec.decode(data, at)[0]
        elif code == message.VALUE:
            body, raw_body = codec.decode(data, at)[0], data[at:end]
    properties += [codec.NULL] * (_REPLY_TO + 1 - len(properties))
    return Request(
        message_id=properties[_MESSAGE_ID],
        reply_to=codec.decode(properties[_REPLY_TO])[0],
        properties=application_properties,
        body=body,
        raw_body=raw_body,
    )


def reply(request: Request, properties: Mapping[str, bytes], body: bytes = codec.NULL) -> bytes:
    """Encode the reply: encoded application properties by name, and an encoded value as body."""
    standard = [codec.NULL] * _CORRELATION_ID + [request.message_id]
    pairs = [(codec.string(name), value) for name, value in properties.items()]
    return b"".join(
        (
            codec.described(message.PROPERTIES, codec.list_of(standard)),
            codec.described(message.APPLICATION_PROPERTIES, codec.map_of(pairs)),
            codec.described(message.VALUE, body),
        )
    )
