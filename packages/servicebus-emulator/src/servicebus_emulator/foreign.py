"""Clients that do not begin with AMQP: TLS, HTTP, WebSockets, anything else. Pure.

Rules of this file:
1. The first bytes decide. A client that speaks AMQP begins with the four letters of its protocol header.
2. Each gets an answer in its own language, with the name of what is missing: a closed socket explains nothing.
   - HTTP: status 501 and the XML of the real service's errors, which the administration clients show.
   - A WebSocket: it is opened, then AMQP's own greeting and a close frame with the error are sent. The SDKs show the
     text of a close frame, but not the body of a failed handshake.
   - TLS: there is no certificate to answer with, so the answer is the one to HTTP. Clients show the error of their TLS
     library for it ("wrong version number"); the name is in the log alone.
3. Nothing of the request is acted upon, and no more than HEAD_BYTES of it are kept.
"""

import base64
import hashlib
import re
from dataclasses import dataclass
from xml.sax.saxutils import escape

from servicebus_emulator import frames
from servicebus_emulator.errors import NOT_IMPLEMENTED
from servicebus_emulator.unsupported import Feature, text_of

#: How much of a request is waited for before it is answered.
HEAD_BYTES = 16_384

_AMQP = b"AMQP"
_TLS_HANDSHAKE = b"\x16\x03"
_METHODS = (b"GET ", b"PUT ", b"POST ", b"HEAD ", b"PATCH ", b"TRACE ", b"DELETE ", b"OPTIONS ", b"CONNECT ")
_END_OF_HEAD = b"\r\n\r\n"
_WEBSOCKET_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3
_TOKEN = re.compile(r"[\w.-]+", re.ASCII)  # what a subprotocol is called; nothing else of a request is echoed
_FINAL_BINARY = 0x82  # the first byte of a whole binary frame: RFC 6455, section 5.2


@dataclass(frozen=True, slots=True)
class Refusal:
    """The answer to a client that does not speak AMQP, and the line of the log."""

    answer: bytes
    text: str


def speaks_amqp(data: bytes) -> bool:
    """Whether a client that begins with these bytes speaks AMQP; too few of them count as not yet."""
    return data.startswith(_AMQP)


def refusal(data: bytes) -> Refusal | None:
    """What to answer a client that begins with `data`; None while more bytes are needed to know it."""
    if len(data) < len(_AMQP):
        return None
    if data.startswith(_TLS_HANDSHAKE):
        text = text_of(Feature.TLS, "a TLS handshake at the port of AMQP")
        return Refusal(_http_answer(text), text)
    if not data.startswith(tuple(method[:4] for method in _METHODS)):
        text = f"A client does not speak AMQP; it begins with {bytes(data[:16])!r}."
        return Refusal(frames.AMQP_HEADER, text)
    head, end, _body = data.partition(_END_OF_HEAD)
    if not end and len(data) < HEAD_BYTES:
        return None
    return _http_refusal(head)


def _http_refusal(head: bytes) -> Refusal:
    first, *lines = head.decode("latin-1").split("\r\n")
    request = first.partition("?")[0]  # a query may hold a signature, and the log must hold none
    headers = {name.strip().lower(): value.strip() for name, _colon, value in (line.partition(":") for line in lines)}
    if headers.get("upgrade", "").lower() == "websocket":
        text = text_of(Feature.WEBSOCKETS, request)
        return Refusal(_websocket_answer(headers, text), text)
    text = text_of(Feature.MANAGEMENT_API, request)
    return Refusal(_http_answer(text), text)


def _http_answer(text: str) -> bytes:
    body = f"<Error><Code>501</Code><Detail>{escape(text)}</Detail></Error>".encode()
    head = (
        "HTTP/1.1 501 Not Implemented\r\nContent-Type: application/xml; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


def _websocket_answer(headers: dict[str, str], text: str) -> bytes:
    """The handshake, and all that AMQP says until the close frame; the client reads it in its own time."""
    key = headers.get("sec-websocket-key", "").encode("latin-1")
    accept = base64.b64encode(hashlib.sha1(key + _WEBSOCKET_GUID, usedforsecurity=False).digest()).decode()
    protocol = headers.get("sec-websocket-protocol", "").partition(",")[0].strip()
    lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
    lines.append(f"Sec-WebSocket-Accept: {accept}")
    if _TOKEN.fullmatch(protocol):
        lines.append(f"Sec-WebSocket-Protocol: {protocol}")
    said = (
        frames.SASL_HEADER,
        frames.SASL_MECHANISMS,
        frames.SASL_OUTCOME_OK,
        frames.AMQP_HEADER,
        frames.frame(0, frames.Open("refusal", max_frame_size=frames.MAX_FRAME_BYTES)),
        frames.frame(0, frames.Close(frames.error(NOT_IMPLEMENTED, text))),
    )
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + b"".join(_websocket_frame(each) for each in said)


def _websocket_frame(payload: bytes) -> bytes:
    if len(payload) < 126:
        return bytes((_FINAL_BINARY, len(payload))) + payload
    return bytes((_FINAL_BINARY, 126)) + len(payload).to_bytes(2, "big") + payload
