"""What a connection speaks, by its first bytes; no sockets."""

import pytest

from servicebus_emulator import foreign


@pytest.mark.parametrize("head", [b"AMQP", b"AMQP\x00\x01\x00\x00", b"AMQP\x03\x01\x00\x00", b"AMQP\x00\x00\x09\x01"])
def test_amqp_is_let_through(head: bytes) -> None:
    """This holds in every version: the connection answers those that it does not speak."""
    assert foreign.speaks_amqp(head)


@pytest.mark.parametrize("head", [b"", b"A", b"AMQ", b"GET", b"GET / HTTP/1.1\r\nHost: x\r\n", b"\x16\x03\x01"])
def test_too_few_bytes_decide_nothing(head: bytes) -> None:
    """A slow client is not refused for its first packet."""
    assert not foreign.speaks_amqp(head)
    assert foreign.refusal(head) is None


def test_an_endless_head_is_answered_all_the_same() -> None:
    """No more than the bound is read or kept."""
    head = b"GET / HTTP/1.1\r\nX: ".ljust(foreign.HEAD_BYTES, b"x")
    assert foreign.refusal(head[:-1]) is None
    refusal = foreign.refusal(head)
    assert refusal is not None
    assert refusal.answer.startswith(b"HTTP/1.1 501 ")


def test_the_answer_to_a_handshake_is_that_of_the_standard() -> None:
    """The key and its answer are the example of RFC 6455, section 1.3; the protocol is echoed."""
    head = (
        b"GET /chat HTTP/1.1\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: AMQPWSB10, other\r\n\r\n"
    )
    refusal = foreign.refusal(head)
    assert refusal is not None
    lines, _end, frames = refusal.answer.partition(b"\r\n\r\n")
    assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in lines.split(b"\r\n")
    assert b"Sec-WebSocket-Protocol: AMQPWSB10" in lines.split(b"\r\n")
    assert frames.startswith(b"\x82\x08AMQP\x03\x01\x00\x00")
    assert b"AMQP over WebSockets" in frames


def test_a_header_cannot_put_lines_into_the_answer() -> None:
    """What is echoed of a request is one value on one line."""
    head = b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: a\rb\nSet-Cookie: c\r\n\r\n"
    refusal = foreign.refusal(head)
    assert refusal is not None
    head, _end, _frames = refusal.answer.partition(b"\r\n\r\n")
    assert b"Set-Cookie" not in head
    assert head.count(b"\r\n") == head.count(b"\r") == head.count(b"\n")
