"""Clients that misbehave lose their own connection, and no other client does."""

import socket
from time import monotonic, sleep

import pytest

from servicebus_emulator import codec, connection, frames
from servicebus_emulator.emulator import Emulator
from servicebus_emulator.frames import Attach, Begin, Disposition, Flow, Open, Performative, Transfer

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


#: A state inside a transaction, with its id and no outcome (OASIS AMQP 1.0, section 4.5.8).
TRANSACTIONAL = codec.described(0x34, codec.list_of([codec.binary(b"txn"), codec.NULL]))

BODY = codec.described(0x75, codec.binary(b"x"))


def _terminus(code: int, address: str) -> bytes:
    return codec.described(code, codec.list_of([codec.string(address)]))


def _send(client: socket.socket, *performatives: Performative, payload: bytes = b"") -> None:
    """Send frames on channel 0; the payload goes with the last one."""
    *first, last = performatives
    client.sendall(b"".join(frames.frame(0, each) for each in first) + frames.frame(0, last, payload))


def _next(client: socket.socket, wanted: type[Performative], buffer: bytearray) -> Performative:
    """The next frame of a kind; others are skipped."""
    while True:
        while (unit := frames.take_unit(buffer)) is not None:
            if not unit.startswith(b"AMQP") and isinstance(performative := frames.parse(unit)[1], wanted):
                return performative
        buffer += client.recv(65536)


def _open_link(port: int, role: bool, queue: str) -> socket.socket:
    """A connection with one session and one link: to receive from the queue, or to send to it."""
    client = socket.create_connection(("127.0.0.1", port), 5)
    link = Attach("l", 0, role, source=_terminus(0x28, queue), target=_terminus(0x29, queue), initial_delivery_count=0)
    client.sendall(frames.AMQP_HEADER)
    _send(client, Open("client"), Begin(None, 0, 1000, 1000), link)
    return client


def _refused_with(disposition: Performative) -> str:
    assert isinstance(disposition, Disposition)
    assert disposition.state is not None
    return str(codec.decode(disposition.state)[0].value[0].value[1])


def test_sending_inside_a_transaction_is_refused(emulator: Emulator) -> None:
    """Even without a link to the coordinator: the message is not taken, as if it were outside of one."""
    emulator.add({"queues": [{"name": "sent in a transaction"}]})
    with _open_link(emulator.port, False, "sent in a transaction") as client:
        transfer = Transfer(0, 0, b"t", 0, settled=False, state=TRANSACTIONAL)
        _send(client, transfer, payload=BODY)
        assert "transactions" in _refused_with(_next(client, Disposition, bytearray()))
    assert emulator.count("sent in a transaction") == 0


def test_settling_inside_a_transaction_is_refused(emulator: Emulator) -> None:
    """The client gets an answer and does not wait for one; the message stays locked."""
    emulator.add({"queues": [{"name": "settled in a transaction"}]})
    with _open_link(emulator.port, False, "settled in a transaction") as client:
        _send(client, Transfer(0, 0, b"t", 0, settled=False), payload=BODY)
        _next(client, Disposition, bytearray())
    with _open_link(emulator.port, True, "settled in a transaction") as client:
        buffer = bytearray()
        _send(client, Flow(0, 1000, 0, 1000, handle=0, delivery_count=0, link_credit=1))
        _next(client, Transfer, buffer)
        _send(client, Disposition(True, 0, settled=False, state=TRANSACTIONAL))
        assert "transactions" in _refused_with(_next(client, Disposition, buffer))
    assert emulator.count("settled in a transaction") == 1


def _send_on(client: socket.socket) -> None:
    """Keep sending for five seconds."""
    end_s = monotonic() + 5
    while monotonic() < end_s:
        client.sendall(b"x" * 1000)
        sleep(0.02)


def test_a_refused_client_that_stays_is_cut(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has time to read the answer; whatever it still sends is not read."""
    monkeypatch.setattr(connection, "_FAREWELL_S", 0.1)
    with socket.create_connection(("127.0.0.1", emulator.port), 5) as client:
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert _until_closed(client).startswith(b"HTTP/1.1 501 ")
        with pytest.raises(OSError, match=r"reset|pipe|abort"):
            _send_on(client)
