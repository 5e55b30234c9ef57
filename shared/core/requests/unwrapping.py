"""Requests in a wrapping: what a sender's library or a tool has put around the JSON object.

Rules of this file:
1. A wrapping is removed only if it can be read in one way. Anything else is refused with a sentence that says what it
   looks like. Nothing that could expand (gzip, ZIP) is unpacked.
2. Any bytes give a JSON object or ``Unreadable``, in time and memory proportional to the body.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from typing import Any

#: The most steps to the object: reading JSON is one step, removing a wrapping is one.
MOST_STEPS = 8

#: How deep objects and lists of a message may be nested. Valid messages need three levels.
MOST_LEVELS = 64

#: .NET's binary DataContractSerializer, as BrokeredMessage used it ([MC-NBFX]): an element in Microsoft's namespace.
_NET_NAMESPACE = b"\x083http://schemas.microsoft.com/2003/10/Serialization/"
_NET_TEXT, _NET_BYTES = b"@\x06string" + _NET_NAMESPACE, b"@\x0cbase64Binary" + _NET_NAMESPACE

#: Its text records: kind -> bytes of the length field. The kind plus one also ends the element.
_NET_RECORDS = {
    **dict.fromkeys((0x98, 0x9E, 0xB6), 1),
    **dict.fromkeys((0x9A, 0xA0, 0xB8), 2),
    **dict.fromkeys((0x9C, 0xA2, 0xBA), 4),
}
_NET_UTF_16 = frozenset((0xB6, 0xB8, 0xBA))
_NET_END = 0x01

#: Other content that arrives in queues, by how it begins.
_LOOKS: tuple[tuple[re.Pattern[bytes], str], ...] = (
    (re.compile(rb"\x1f\x8b"), "gzip: send it unpacked"),
    (re.compile(rb"PK\x03\x04"), "a ZIP archive"),
    (re.compile(rb"\s*<"), "XML"),
    (re.compile(rb"\s*\{\s*'"), "a Python dictionary: write it with json.dumps"),
    (re.compile(rb"\s*[A-Za-z0-9_.-]{1,60}=[^&\s]*(&|$)"), "a form"),
    (re.compile(rb"\s*[A-Za-z0-9_-]{1,60}:\s"), "YAML"),
    (re.compile(rb"\s*[\[{]"), "JSON that is broken, or not in UTF-8"),
)

_BASE64 = re.compile(rb"\s*[A-Za-z0-9+/_-]{8,}={0,2}\s*")


class Unreadable(Exception):  # noqa: N818  # the name says what was found
    """The bytes do not hold exactly one message. The text says what they look like, never their content."""


def unwrapped(raw: bytes) -> dict[str, Any]:
    """The JSON object of a message. Raises Unreadable."""
    value: object = raw
    for _ in range(MOST_STEPS):
        match value:
            case bytes():
                value = _of_bytes(value)
            case str():
                value = _of_bytes(value.encode("utf-8", "surrogatepass"))
            case list():
                value = _of_list(value)
            case dict() if _holds_ids(value):
                return value
            case dict():
                inner = _inside(value)
                if inner is None:
                    return value
                value = inner
            case _:
                raise Unreadable("the message is not a JSON object but a single value")
    raise Unreadable("the message is wrapped too often: send the JSON object itself")


def plain_object(raw: bytes) -> dict[str, Any]:
    """The JSON object in these bytes, which have no wrapping. Raises Unreadable."""
    value = _json(raw)
    if not isinstance(value, dict):
        raise Unreadable("the message is not a JSON object")
    return value


def _holds_ids(value: Mapping[str, Any]) -> bool:
    return "user_id" in value or "generation_id" in value


def _of_bytes(raw: bytes) -> object:
    if not raw.strip():
        raise Unreadable("the message is empty, or its body is of a kind that cannot be read here")
    if raw.startswith((_NET_TEXT, _NET_BYTES)):
        return _of_net(raw)
    try:
        return _json(raw)
    except Unreadable:
        inner = _of_base64(raw)
        if inner is not None:
            return inner
        raise


def _json(raw: bytes) -> object:
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        looks = next((name for pattern, name in _LOOKS if pattern.match(raw)), "")
        raise Unreadable(f"the message is not JSON in UTF-8{'; it looks like ' + looks if looks else ''}") from None
    level = [value]
    for _ in range(MOST_LEVELS):
        level = [inner for each in level for inner in _children(each)]
        if not level:
            return value
    raise Unreadable(f"the message is nested deeper than {MOST_LEVELS} levels")


def _children(value: object) -> Any:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _of_base64(raw: bytes) -> bytes | None:
    """The decoded base64, if that begins like JSON or like a .NET string. None otherwise."""
    if not _BASE64.fullmatch(raw):
        return None
    text = raw.strip().translate(bytes.maketrans(b"-_", b"+/")).rstrip(b"=")
    try:
        inner = base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
    return inner if inner.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[", b'"') or inner[:1] == b"@" else None


def _of_list(value: list[Any]) -> object:
    if len(value) == 1 and isinstance(value[0], dict | str):
        return value[0]
    if value and all(isinstance(each, dict) for each in value):
        raise Unreadable(f"the message is a list of {len(value)} objects: send each as a message of its own")
    raise Unreadable("the message is a JSON list, not an object")


def _inside(value: Mapping[str, Any]) -> object:
    """The content of a CloudEvent, an Event Grid event or a Logic Apps message. None for an object without wrapping."""
    if "specversion" in value or {"eventType", "eventTime"} <= value.keys():
        if str(value.get("type", "")).startswith("darkroom."):
            raise Unreadable("the message is an event that Darkroom has sent, not a request")
        inner = value.get("data", value.get("data_base64"))
    elif "ContentData" in value:
        inner = value["ContentData"]
    else:
        return None
    if not isinstance(inner, dict | str):
        raise Unreadable("the message looks like an event without the request in its data")
    return inner


def _of_net(raw: bytes) -> bytes:
    """The text or bytes that .NET's binary serializer wrote: records, each with its length, up to an end mark."""
    at, parts = len(_NET_TEXT if raw.startswith(_NET_TEXT) else _NET_BYTES), []
    while at < len(raw) and raw[at] != _NET_END:
        last = raw[at] not in _NET_RECORDS  # the odd one of each pair
        kind = raw[at] - last
        width = _NET_RECORDS.get(kind)
        if width is None:
            break
        start = at + 1 + width
        at = start + int.from_bytes(raw[at + 1 : start], "little")
        if at > len(raw):
            break
        parts.append(raw[start:at] if kind not in _NET_UTF_16 else _as_utf_8(raw[start:at]))
        if last:
            return b"".join(parts)
    if parts and raw[at : at + 1] == bytes([_NET_END]):
        return b"".join(parts)
    raise Unreadable("the message looks like a string of .NET's serializer that is cut short: send the JSON as it is")


def _as_utf_8(raw: bytes) -> bytes:
    return raw.decode("utf-16-le", "surrogatepass").encode("utf-8", "surrogatepass") if len(raw) % 2 == 0 else b""
