"""Bodies that are nearly ours: read where there is one reading, else named for what they look like."""

import base64
import contextlib
import functools
import gzip
import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.keys import Key
from shared.core.requests.messages import GenerationRequest, Malformed
from shared.core.requests.parsing import REQUEST_BYTES, parse_event, parse_request
from shared.core.requests.unwrapping import MOST_LEVELS, Unreadable, unwrapped
from tests.timing import best_cpu_s

BODY = {"user_id": "ada", "generation_id": "one", "prompt": "A lighthouse, où"}
RAW = json.dumps(BODY, ensure_ascii=False).encode()
NAMESPACE = b"\x083http://schemas.microsoft.com/2003/10/Serialization/"


def net(record: int, text: bytes, width: str, element: bytes = b"\x06string") -> bytes:
    """What .NET's binary DataContractSerializer writes: an element, its namespace, one text record with its end."""
    return b"@" + element + NAMESPACE + bytes([record]) + struct.pack(width, len(text)) + text


WRAPPED = {
    "as it is": RAW,
    "a byte order mark": b"\xef\xbb\xbf" + RAW,
    "UTF-16": RAW.decode().encode("utf-16"),
    ".NET, one byte of length": net(0x99, RAW, "<B"),
    ".NET, two bytes of length": net(0x9B, RAW, "<H"),
    ".NET, four bytes of length": net(0x9D, RAW, "<I"),
    ".NET, UTF-16": net(0xB9, RAW.decode().encode("utf-16-le"), "<H"),
    ".NET, bytes": net(0x9F, RAW, "<B", b"\x0cbase64Binary"),
    ".NET, in two chunks": net(0x98, RAW[:20], "<B") + b"\x99" + bytes([len(RAW) - 20]) + RAW[20:],
    ".NET, its end by itself": net(0x98, RAW, "<B") + b"\x01",
    "JSON in a JSON text": json.dumps(RAW.decode()).encode(),
    "JSON in a text in a text": json.dumps(json.dumps(RAW.decode())).encode(),
    "a list of one": b"[" + RAW + b"]",
    "base64": base64.b64encode(RAW),
    "base64 for addresses, unpadded": base64.urlsafe_b64encode(RAW).rstrip(b"="),
    "base64 in a JSON text": json.dumps(base64.b64encode(RAW).decode()).encode(),
    "a CloudEvent": json.dumps({"specversion": "1.0", "id": "7", "type": "com.shop.asked", "data": BODY}).encode(),
    "a CloudEvent with a text": json.dumps({"specversion": "1.0", "data": RAW.decode()}).encode(),
    "a CloudEvent with base64": json.dumps(
        {"specversion": "1.0", "data_base64": base64.b64encode(RAW).decode()}
    ).encode(),
    "an event of Event Grid": json.dumps([{"eventType": "x", "eventTime": "2026", "data": BODY}]).encode(),
    "a message of Logic Apps": json.dumps({"ContentData": base64.b64encode(RAW).decode()}).encode(),
}


@pytest.mark.parametrize("raw", WRAPPED.values(), ids=WRAPPED)
def test_a_wrapping_with_one_reading_is_taken_off(raw: bytes) -> None:
    """It is the request that was meant, with every character of its prompt."""
    message, unknown = parse_request(raw)
    assert message == GenerationRequest(key=Key("ada", "one"), prompt="A lighthouse, où")
    assert unknown == ()


LOOKS = {
    "nothing": (b"", "is empty"),
    "blanks": (b" \n", "is empty"),
    "gzip": (gzip.compress(RAW), "gzip"),
    "XML": (b"<request><user_id>ada</user_id></request>", "XML"),
    "a form": (b"user_id=ada&generation_id=one", "a form"),
    "YAML": (b"user_id: ada\ngeneration_id: one", "YAML"),
    "Python": (b"{'user_id': 'ada'}", "json.dumps"),
    "half of it": (RAW[:30], "broken"),
    "several": (b"[" + RAW + b"," + RAW + b"]", "a list of 2 objects"),
    "a list of nothing": (b"[]", "a JSON list"),
    "a number": (b"17", "a single value"),
    "a cut .NET string": (net(0x99, RAW, "<B")[:-4], "cut short"),
    ".NET with another record": (b"@\x06string" + NAMESPACE + b"\x42abc", "cut short"),
    "an event without data": (b'{"specversion": "1.0", "id": "7"}', "without the request"),
    "an event of ours": (
        b'{"specversion": "1.0", "type": "darkroom.generation.failed", "data": {"user_id": "ada"}}',
        "Darkroom has sent",
    ),
    "texts without end": (
        functools.reduce(lambda text, _: json.dumps(text), range(8), RAW.decode()).encode(),
        "too often",
    ),
    "a pit": (b'{"a":' * 600 + b"1" + b"}" * 600, "nested deeper"),
    "a bottomless pit": (b"[" * 100_000, "JSON"),
}
LOOKS["Latin-1"] = ('{"prompt": "où"}'.encode("latin-1"), "not in UTF-8")


@pytest.mark.parametrize(("raw", "says"), LOOKS.values(), ids=LOOKS)
def test_what_has_no_one_reading_is_named(raw: bytes, says: str) -> None:
    """The sentence says what it looks like; the bytes are kept as they came."""
    message, _ = parse_request(raw)
    assert isinstance(message, Malformed)
    assert says in message.text
    assert (message.raw, message.key, message.given_ids) == (raw, None, None)


def test_a_request_that_looks_like_an_event_is_a_request() -> None:
    """Whoever says the ids at the top means this object."""
    message, unknown = parse_request(json.dumps(BODY | {"specversion": "1.0", "data": {"user_id": "eve"}}).encode())
    assert isinstance(message, GenerationRequest)
    assert (message.key, unknown) == (Key("ada", "one"), ("data", "specversion"))


def test_names_of_another_spelling_are_hinted_at() -> None:
    """The most usual of mistakes."""
    message, _ = parse_request(b'{"userId": "ada", "generationId": "one", "prompt": "A lighthouse"}')
    assert isinstance(message, Malformed)
    assert "there is userId" in message.text


def test_what_is_nested_as_deep_as_allowed_is_read() -> None:
    """And no deeper."""
    deep = b"[" * (MOST_LEVELS - 1) + b"]" * (MOST_LEVELS - 1)
    ids = b'{"type": "check", "user_id": "ada", "generation_id": "one", "x": '
    assert parse_event(ids + deep + b"}").key == Key("ada", "one")
    malformed = parse_event(ids + b"[" + deep + b"]}")
    assert isinstance(malformed, Malformed)
    assert malformed.key is None


@given(st.binary(max_size=300) | st.builds(lambda tail: NAMESPACE[:1] + tail, st.binary(max_size=80)))
def test_no_bytes_raise_anything_else(raw: bytes) -> None:
    """Nor with the beginning of a .NET string before them."""
    for each in (
        raw,
        b"@\x06string" + NAMESPACE + raw,
        base64.b64encode(raw),
        json.dumps(raw.decode("latin-1")).encode(),
    ):
        with contextlib.suppress(Unreadable):
            assert isinstance(unwrapped(each), dict)


@pytest.mark.parametrize(
    "part", [b"[", b'{"":', b'[{"a":', b'"\\"', b"QUJD", b"@\x06string" + NAMESPACE + b"\x98\x00", b"a="]
)
def test_the_largest_body_is_read_in_its_time(part: bytes) -> None:
    """Whatever it is made of."""
    raw = (part * (REQUEST_BYTES // len(part)))[:REQUEST_BYTES]
    assert isinstance(parse_request(raw)[0], Malformed)
    assert isinstance(parse_event(raw), Malformed)
    assert best_cpu_s(lambda: (parse_request(raw), parse_event(raw))) < 1
