"""What the emulator does not support: each is refused by its name, in the client and in one line of the log."""

import re
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ServiceRequestError
from azure.core.pipeline.transport import HttpRequest, RequestsTransport, RequestsTransportResponse
from azure.servicebus import (
    NEXT_AVAILABLE_SESSION,
    ServiceBusClient,
    ServiceBusMessage,
    ServiceBusReceiver,
    ServiceBusSender,
    TransportType,
)
from azure.servicebus._pyamqp.endpoints import Target
from azure.servicebus._pyamqp.error import AMQPLinkError
from azure.servicebus.aio import ServiceBusClient as AioClient
from azure.servicebus.exceptions import ServiceBusError
from azure.servicebus.management import ServiceBusAdministrationClient

from servicebus_emulator import Emulator
from servicebus_emulator.unsupported import Feature, shown

pytestmark = pytest.mark.stack

README = Path(__file__).parents[2] / "README.md"


class Coordinator(Target):
    """The target of a link for transactions, which azure-servicebus has no type for (OASIS AMQP 1.0, section 4.5.1)."""

    _code = 0x30


class PlainTransport(RequestsTransport):  # type: ignore[misc]  # the requests library ships no types
    """Sends what is meant for HTTPS over HTTP, as a proxy that ends TLS does."""

    def send(self, request: HttpRequest, **kwargs: object) -> RequestsTransportResponse:
        """Send to the same address, in plain text."""
        request.url = request.url.replace("https://", "http://")
        return super().send(request, **kwargs)


@pytest.fixture(scope="module")
def subscriber(emulator: Emulator) -> Iterator[ServiceBusReceiver]:
    """An open receiver of a subscription: opening one takes the SDK a second."""
    with (
        ServiceBusClient.from_connection_string(emulator.connection_string, retry_total=0) as client,
        client.get_subscription_receiver("news", "a") as receiver,
    ):
        yield receiver


def _only_line(caplog: pytest.LogCaptureFixture) -> str:
    """The one line that the emulator logged."""
    [record] = [record for record in caplog.records if record.name.startswith("servicebus_emulator")]
    assert record.exc_info is None
    line = record.getMessage()
    assert "\n" not in line
    return line


@pytest.mark.parametrize("session_id", ["one", NEXT_AVAILABLE_SESSION], ids=["by name", "the next"])
def test_a_session_receiver(emulator: Emulator, caplog: pytest.LogCaptureFixture, session_id: str) -> None:
    """The SDK's error names message sessions and the queue."""
    with ServiceBusClient.from_connection_string(emulator.connection_string) as client:
        receiver = client.get_queue_receiver("sync", session_id=session_id)
        with pytest.raises(ServiceBusError, match=r"does not support message sessions .*'sync'"):
            receiver.receive_messages(max_wait_time=1)
    assert Feature.SESSIONS in _only_line(caplog)


def _coordinator_link(sender: ServiceBusSender) -> AMQPLinkError:
    """Attach a link to the coordinator over the sender's connection; the error it ends with."""
    handler: Any = sender._handler
    link = handler._session.create_sender_link(Coordinator(*[None] * len(Target._fields)))
    link.attach()
    for _ in range(20):
        handler._connection.listen(wait=0.25)
        if link._error is not None:
            break
    error = link._error
    assert isinstance(error, AMQPLinkError)
    return error


def test_a_transaction(emulator: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    """A link to the coordinator is refused; the sender on the same connection goes on."""
    with (
        ServiceBusClient.from_connection_string(emulator.connection_string, retry_total=0) as client,
        client.get_queue_sender("taken") as sender,
    ):
        error = _coordinator_link(sender)
        sender.send_messages(ServiceBusMessage("outside of any transaction"))
        with client.get_queue_receiver("taken", max_wait_time=5) as receiver:
            [message] = receiver.receive_messages(1)
            receiver.complete_message(message)
    assert error.condition == b"amqp:not-implemented"
    assert "does not support transactions" in str(error)
    assert Feature.TRANSACTIONS in _only_line(caplog)


def _status_and_text(status: int, _message: object, description: bytes, **_kwargs: object) -> tuple[int, str]:
    """What the SDK hands to whoever reads the answer to a management request."""
    return status, description.decode()


@pytest.mark.parametrize(
    ("operation", "named"),
    [
        ("com.microsoft:enumerate-rules", Feature.RULES),
        ("com.microsoft:add-rule", Feature.RULES),
        ("com.microsoft:remove-rule", Feature.RULES),
        ("com.microsoft:get-message-sessions", Feature.SESSIONS),
        ("com.microsoft:renew-session-lock", Feature.SESSIONS),
        ("com.microsoft:get-session-state", Feature.SESSIONS),
        ("com.microsoft:set-session-state", Feature.SESSIONS),
        ("com.microsoft:batch-delete-messages", "the operation 'com.microsoft:batch-delete-messages'"),
    ],
)
def test_an_operation_of_management(
    subscriber: ServiceBusReceiver, caplog: pytest.LogCaptureFixture, operation: str, named: str
) -> None:
    """The answer to the SDK's own management request names what is missing."""
    answered: Any = subscriber._mgmt_request_response(operation.encode(), {"top": 1}, _status_and_text)
    status, text = answered
    assert status == 501
    assert f"does not support {named}" in text
    assert named in _only_line(caplog)


def test_the_administration_client_over_http(emulator: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    """Its error shows the text of the answer; what the request was signed with is not in the log."""
    client = ServiceBusAdministrationClient.from_connection_string(
        emulator.connection_string, transport=PlainTransport()
    )
    with client, pytest.raises(HttpResponseError, match="does not support the management REST API") as caught:
        client.get_queue("sync")
    assert caught.value.status_code == 501
    line = _only_line(caplog)
    assert "'GET /sync'" in line
    assert "api-version" not in line


def test_the_administration_client_as_it_is(emulator: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    """It begins with TLS, to which no text can be answered: the log has the name, the client an error at once."""
    client = ServiceBusAdministrationClient.from_connection_string(emulator.connection_string, retry_total=0)
    with client, pytest.raises(ServiceRequestError, match="SSL"):
        client.get_queue("sync")
    line = _only_line(caplog)
    assert "does not support TLS" in line
    assert Feature.MANAGEMENT_API in line


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
def test_a_plain_http_request(emulator: Emulator, caplog: pytest.LogCaptureFixture, method: str) -> None:
    """Whoever looks with a browser reads a sentence; no traceback is in the log."""
    request = urllib.request.Request(f"http://127.0.0.1:{emulator.port}/any?sig=secret", method=method)
    if method == "POST":
        request.data = b"x" * 100_000  # more than is ever read
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=5)
    body = caught.value.read().decode()
    caught.value.close()
    assert caught.value.code == 501
    assert method == "HEAD" or "does not support the management REST API" in body
    line = _only_line(caplog)
    assert f"'{method} /any'" in line
    assert "secret" not in line


@pytest.mark.filterwarnings("ignore:ssl=None is deprecated")  # the SDK's call of aiohttp
async def test_a_websocket(emulator: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    """The transport is chosen in the client, and the client's error names it."""
    client = AioClient.from_connection_string(
        emulator.connection_string,
        transport_type=TransportType.AmqpOverWebsocket,
        custom_endpoint_address=f"http://127.0.0.1:{emulator.port}",
        retry_total=0,
    )
    async with client:
        with pytest.raises(ServiceBusError, match="does not support AMQP over WebSockets"):
            await client.get_queue_sender("sync").send_messages(ServiceBusMessage("x"))
    assert Feature.WEBSOCKETS in _only_line(caplog)


def test_another_protocol(emulator: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    """A client of something else altogether is shown the protocol that is spoken here, and closed."""
    with socket.create_connection(("127.0.0.1", emulator.port), 5) as client:
        client.sendall(b"\x10\x1a\x00\x04MQTT\x05")
        assert client.recv(65536) == b"AMQP\x00\x01\x00\x00"
        assert client.recv(65536) == b""
    assert "MQTT" in _only_line(caplog)


def test_the_readme_has_a_row_for_each() -> None:
    """By the name that the errors have."""
    rows = re.findall(r"^\| ([^|]+) \| no", README.read_text(encoding="utf-8"), re.MULTILINE)
    assert {row.strip().lower() for row in rows} == {feature.lower() for feature in Feature}


def test_what_a_client_wrote_is_shown_on_one_short_line() -> None:
    """No address, however long or many-lined, makes the log unreadable."""
    assert shown("a\nb") == r"'a\nb'"
    assert len(shown("x" * 60_000)) < 120
