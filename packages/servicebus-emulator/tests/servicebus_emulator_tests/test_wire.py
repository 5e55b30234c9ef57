"""Clients that misbehave: they lose their own connection, and nobody else does."""

import socket

import pytest

from servicebus_emulator import frames
from servicebus_emulator.emulator import Emulator

pytestmark = pytest.mark.stack


def _until_closed(connection: socket.socket) -> bytes:
    received = b""
    while data := connection.recv(65536):
        received += data
    return received


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"AMQP\x00\x09\x09\x09",
        b"\x00\x00\x00\x0c\x02\x00\x00\x00\x00\x53\x10\x45",
        frames.AMQP_HEADER + b"\x00\x00\x00\x0c\x02\x00\x00\x00\x00\x53\x10\x99",
        frames.AMQP_HEADER + b"\x00\x00\x00\x0c\x02\x00\x00\x00\x00\x53\x77\x45",
        frames.AMQP_HEADER + b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    ids=[
        "not AMQP",
        "another version",
        "a frame before the header",
        "a broken performative",
        "an unknown performative",
        "another protocol later",
    ],
)
def test_garbage_ends_the_connection_and_no_other(emulator: Emulator, garbage: bytes) -> None:
    """The one that sent it is closed; another one, opened before, is still served."""
    address = ("127.0.0.1", emulator.port)
    with socket.create_connection(address, 5) as good, socket.create_connection(address, 5) as bad:
        bad.sendall(garbage)
        _until_closed(bad)
        good.sendall(frames.AMQP_HEADER + frames.frame(0, frames.Open("client")))
        assert good.recv(65536).startswith(frames.AMQP_HEADER)


def test_a_client_gets_the_signs_of_life_it_asks_for(emulator: Emulator) -> None:
    """Empty frames at half of the idle time-out that it announces."""
    with socket.create_connection(("127.0.0.1", emulator.port), 5) as client:
        client.sendall(frames.AMQP_HEADER + frames.frame(0, frames.Open("client", idle_time_out=100)))
        received = b""
        while received.count(frames.KEEP_ALIVE) < 3:
            received += client.recv(65536)


def test_closing_is_answered(emulator: Emulator) -> None:
    """A close frame is echoed before the connection ends."""
    with socket.create_connection(("127.0.0.1", emulator.port), 5) as client:
        client.sendall(frames.AMQP_HEADER + frames.frame(0, frames.Open("client")) + frames.frame(0, frames.Close()))
        assert _until_closed(client).endswith(frames.frame(0, frames.Close()))
