"""The host as a process, with the real SDK on the Service Bus emulator: what functions get, and how messages end."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from azure.servicebus import ServiceBusMessage
from azure.servicebus.aio import ServiceBusClient, ServiceBusSender
from azure.servicebus.amqp import AmqpAnnotatedMessage

from dev.forks import ForkServer
from dev.process import Starter, StartError, execute
from servicebus_emulator.emulator import Emulator
from tests.dev.host import running
from tests.dev.host.running import RunningHost

pytestmark = pytest.mark.stack

QUEUES = {
    "queues": [{"name": "work", "lock_duration_s": 1, "max_delivery_count": 2}, {"name": "drained"}, {"name": "idle"}]
}

APP = """
import asyncio, logging, os
import azure.functions as func

LOOP = asyncio.get_running_loop()     # production imports inside the running loop
GREETING = os.environ["GREETING"]     # and has the settings in the environment by then
app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
log = logging.getLogger("app")
busy = 0

@app.service_bus_queue_trigger("msg", "ServiceBus", "%WORK_QUEUE%", data_type=func.DataType.BINARY)
async def work(msg: func.ServiceBusMessage) -> None:
    global busy
    busy += 1
    body = msg.get_body().decode()
    log.info("got", extra={"body": body, "count": msg.delivery_count, "id": msg.message_id, "busy": busy,
        "correlation": msg.correlation_id, "type": msg.content_type, "properties": msg.application_properties,
        "sequence": msg.sequence_number, "zone": str(msg.enqueued_time_utc.tzinfo), "token": len(msg.lock_token)})
    try:
        if body.startswith("sleep"):
            await asyncio.sleep(float(body.split()[1]))
        if body == "fail":
            raise ValueError("no")
        return 1 if body == "return" else None
    finally:
        busy -= 1

@app.service_bus_queue_trigger("msg", "ServiceBus", "%WORK_QUEUE%/$DeadLetterQueue", data_type=func.DataType.BINARY)
def archive(msg: func.ServiceBusMessage) -> None:
    log.info("archived", extra={"body": msg.get_body().decode()})

@app.route("echo/{id}", methods=["POST"])
async def echo(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    if req.get_body() == b"fail":
        raise ValueError("no")
    return func.HttpResponse(status_code=201, mimetype="application/json", body=__import__("json").dumps({
        "greeting": GREETING, "route": dict(req.route_params), "query": dict(req.params), "url": req.url,
        "headers": dict(req.headers), "body": req.get_body().decode(), "name": context.function_name}))

@app.timer_trigger("timer", "* * * * * *")
async def tick(timer: func.TimerRequest) -> None:
    log.info("tick", extra={"due": timer.past_due, "same_loop": asyncio.get_running_loop() is LOOP})
"""


@pytest.fixture(scope="module")
def starter() -> Iterator[Starter]:
    """Starts hosts in forked processes, where the system can; the first host starts as a person's command starts it."""
    if sys.platform != "linux":
        yield execute
        return
    with ForkServer(("dev.host", "azure.functions")) as server:
        yield server


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    """The queues of these tests."""
    with Emulator(QUEUES) as started:
        yield started


@pytest_asyncio.fixture(scope="module")
async def host(emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningHost]:
    """One host for all tests that do not stop it."""
    values = {"ServiceBus": emulator.connection_string, "WORK_QUEUE": "work", "GREETING": "hello"}
    started = await running.start(tmp_path_factory.mktemp("app"), APP, values)
    yield started
    assert started.child is not None
    await started.child.stop()


@pytest_asyncio.fixture(scope="module")
async def sender(emulator: Emulator) -> AsyncIterator[ServiceBusSender]:
    """Sends to the queue of the function `work`."""
    async with (
        ServiceBusClient.from_connection_string(emulator.connection_string) as client,
        client.get_queue_sender("work") as opened,
    ):
        yield opened


async def test_a_message_arrives_with_its_metadata(host: RunningHost, sender: ServiceBusSender) -> None:
    """As on the host: texts instead of bytes, 1 for the first delivery, times without a zone."""
    message = ServiceBusMessage(
        "plain", message_id="m-1", correlation_id="c-1", content_type="text/plain", application_properties={"tries": 3}
    )
    await sender.send_messages(message)
    (record,) = await host.logged(message="got", body="plain")
    assert {name: record[name] for name in ("id", "correlation", "type", "properties", "count", "zone", "token")} == {
        "id": "m-1",
        "correlation": "c-1",
        "type": "text/plain",
        "properties": {"tries": 3},
        "count": 1,
        "zone": "None",
        "token": 36,
    }
    assert record["sequence"] > 0
    assert (record["function"], record["logger"]) == ("work", "app")


@pytest.mark.parametrize("body", ["fail", "return"])
async def test_a_failing_message_comes_again_and_is_dead_lettered(
    host: RunningHost, sender: ServiceBusSender, body: str
) -> None:
    """An exception, and a returned value, abandon the message; the dead-letter trigger gets it in the end."""
    await sender.send_messages(ServiceBusMessage(body))
    await host.logged(message="archived", body=body)
    assert [record["count"] for record in await host.logged(message="got", body=body)] == [1, 2]


@pytest.mark.parametrize(
    ("message", "body"),
    [
        (AmqpAnnotatedMessage(value_body="fail"), "fail"),
        (AmqpAnnotatedMessage(value_body=b"fail"), "fail"),
        (AmqpAnnotatedMessage(data_body=[b"fa", b"il"]), "fail"),
        (AmqpAnnotatedMessage(sequence_body=[["a", 1], [b"b"]]), '["a", 1, "b"]'),
        (AmqpAnnotatedMessage(value_body={"a": [b"b", None, 2.5]}), '{"a": ["b", null, 2.5]}'),
        (ServiceBusMessage(None), ""),
        (ServiceBusMessage(b""), ""),
    ],
    ids=["text", "bytes", "sections", "sequence", "map", "none", "empty"],
)
async def test_whatever_a_body_is_made_of_reaches_the_function(
    host: RunningHost, sender: ServiceBusSender, message: Any, body: str
) -> None:
    """A value, a sequence, nothing at all; what fails is dead-lettered once, and the dead-letter queue is no circle."""
    before = len(host.records)
    await sender.send_messages(message)
    got = [record for record in await host.logged(message="got", body=body) if record in host.records[before:]]
    if not got:
        await asyncio.sleep(1)
        got = [record for record in host.records[before:] if record.get("message") == "got"]
    assert got[0]["body"] == body
    if body == "fail":
        async with asyncio.timeout(10):
            while not (dead_lettered := _archived(host, before)):  # noqa: ASYNC110  # the log notifies nobody
                await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)
        assert [record["body"] for record in _archived(host, before)] == ["fail"], dead_lettered


def _archived(host: RunningHost, since: int) -> list[dict[str, Any]]:
    return [record for record in host.records[since:] if record.get("message") == "archived"]


async def test_a_lock_is_renewed_while_the_function_runs(host: RunningHost, sender: ServiceBusSender) -> None:
    """A function may run longer than its message's lock without a second delivery."""
    await sender.send_messages(ServiceBusMessage("sleep 1.6 s"))
    (record,) = await host.logged(message="got", body="sleep 1.6 s")
    await host.logged(invocation_id=record["invocation_id"], succeeded=True)
    await sender.send_messages(ServiceBusMessage("after"))
    await host.logged(message="got", body="after")
    assert len(await host.logged(message="got", body="sleep 1.6 s")) == 1


async def test_at_most_max_concurrent_calls_run(host: RunningHost, sender: ServiceBusSender) -> None:
    """host.json says 2 here, so exactly two run at once."""
    await sender.send_messages([ServiceBusMessage("sleep 0.1 s") for _ in range(6)])
    records = await host.logged(6, message="got", body="sleep 0.1 s")
    assert max(record["busy"] for record in records) == 2


async def test_a_timer_runs_on_the_loop_of_the_app(host: RunningHost) -> None:
    """Its schedule of six fields fires each second, and no run is past due."""
    records = await host.logged(2, message="tick")
    assert all(record["same_loop"] and record["due"] is False for record in records)


async def test_http_gives_what_the_host_gives(host: RunningHost) -> None:
    """Route, query, lower-case and joined headers, raw body, and the caller's address at the end of the list."""
    headers = [("Webhook-Id", "a"), ("X-Twice", "1"), ("X-Twice", "2"), ("X-Empty", ""), ("X-Forwarded-For", "9.9.9.9")]
    async with httpx.AsyncClient() as client:
        answer = await client.post(f"{host.url}/api/echo/7?a=1&b=", content="körper".encode(), headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (201, "application/json; charset=utf-8")
    seen = answer.json()
    assert (seen["greeting"], seen["route"], seen["query"]) == ("hello", {"id": "7"}, {"a": "1", "b": ""})
    assert (seen["body"], seen["name"], seen["url"]) == ("körper", "echo", f"{host.url}/api/echo/7?a=1&b=")
    assert (seen["headers"]["webhook-id"], seen["headers"]["x-twice"]) == ("a", "1,2")
    assert "x-empty" not in seen["headers"]
    assert seen["headers"]["x-forwarded-for"].startswith("9.9.9.9, 127.0.0.1:")


async def test_a_chunked_request_arrives_empty(host: RunningHost) -> None:
    """The host reads a body only when its length is given."""

    async def chunks() -> AsyncIterator[bytes]:
        yield b"lost"

    async with httpx.AsyncClient() as client:
        answer = await client.post(f"{host.url}/api/echo/7", content=chunks())
    assert answer.json()["body"] == ""


async def test_http_failures_are_bare(host: RunningHost) -> None:
    """A function that raises gives an empty 500; a wrong verb and an unknown route give 404."""
    async with httpx.AsyncClient() as client:
        failed = await client.post(f"{host.url}/api/echo/7", content=b"fail")
        wrong_verb = await client.get(f"{host.url}/api/echo/7")
        unknown = await client.post(f"{host.url}/echo/7")
    assert [answer.status_code for answer in (failed, wrong_verb, unknown)] == [500, 404, 404]
    assert failed.content == b""
    (record,) = await host.logged(function="echo", succeeded=False)
    assert "ValueError: no" in record["exception"]


async def test_a_body_over_the_limit_is_refused_unread(host: RunningHost) -> None:
    """The announced length decides."""
    url = httpx.URL(host.url)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(b"POST /api/echo/7 HTTP/1.1\r\nHost: x\r\nContent-Length: 104857601\r\n\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1 413 ")
    writer.close()
    await writer.wait_closed()


@pytest_asyncio.fixture(scope="module")
async def small(
    emulator: Emulator, tmp_path_factory: pytest.TempPathFactory, starter: Starter
) -> AsyncIterator[RunningHost]:
    """A host that takes bodies of 1,000 bytes."""
    values = {"ServiceBus": emulator.connection_string, "WORK_QUEUE": "idle", "GREETING": "hello"}
    values["FUNCTIONS_REQUEST_BODY_SIZE_LIMIT"] = "1000"
    started = await running.start(tmp_path_factory.mktemp("small"), APP, values, starter=starter)
    yield started
    assert started.child is not None
    await started.child.stop()


@pytest.mark.parametrize(("length", "status"), [(1000, 201), (1001, 413), (50 * 1024 * 1024, 413)])
async def test_the_limit_of_a_body_is_a_setting(length: int, status: int, small: RunningHost) -> None:
    """The limit is the platform's own; a larger body gets an answer and is not kept."""
    async with httpx.AsyncClient() as client:
        answer = await client.post(f"{small.url}/api/echo/7", content=b"x" * length)
    assert answer.status_code == status


async def test_sigterm_lets_a_running_function_finish(emulator: Emulator, tmp_path: Path, starter: Starter) -> None:
    """The message is completed before the host ends, and no other one starts."""
    values = {"ServiceBus": emulator.connection_string, "WORK_QUEUE": "drained", "GREETING": ""}
    host = await running.start(tmp_path, APP, values, starter=starter)
    assert host.child is not None
    async with ServiceBusClient.from_connection_string(emulator.connection_string) as client:
        async with client.get_queue_sender("drained") as sender:
            await sender.send_messages(ServiceBusMessage("sleep 0.5 s"))
            await host.logged(message="got")
            host.child.process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(host.child.wait(), 5) == 0
        async with client.get_queue_receiver("drained") as receiver:
            assert await receiver.peek_messages(5) == []
    await host.logged(function="work", succeeded=True)


async def test_the_queues_are_attached_again_after_service_bus_was_away(tmp_path: Path, starter: Starter) -> None:
    """The host outlives a restart of the broker."""
    queues = {"queues": [{"name": "work"}]}
    with Emulator(queues, db=tmp_path / "db") as first:
        values = {"ServiceBus": first.connection_string, "WORK_QUEUE": "work", "GREETING": ""}
        host = await running.start(tmp_path, APP, values, starter=starter)
    assert host.child is not None
    with Emulator(queues, port=first.port, db=tmp_path / "db") as second:
        async with (
            ServiceBusClient.from_connection_string(second.connection_string) as client,
            client.get_queue_sender("work") as sender,
        ):
            await sender.send_messages(ServiceBusMessage("after"))
        await host.logged(message="got", body="after")
        assert await host.child.stop() == 0


async def test_a_missing_queue_stops_the_start(emulator: Emulator, tmp_path: Path, starter: Starter) -> None:
    """The host names the problem with Service Bus."""
    values = {"ServiceBus": emulator.connection_string, "WORK_QUEUE": "nowhere", "GREETING": ""}
    with pytest.raises(StartError, match=r"exit code 2 [\s\S]*MessagingEntityNotFoundError"):
        await running.start(tmp_path, APP, values, starter=starter)


async def test_a_function_over_its_time_ends_the_process(tmp_path: Path, starter: Starter) -> None:
    """This holds even if it blocks the event loop; production would restart the worker."""
    app = """
import time
import azure.functions as func
app = func.FunctionApp()
@app.route("stuck")
async def stuck(req: func.HttpRequest) -> func.HttpResponse:
    time.sleep(60)
"""
    host = await running.start(tmp_path, app, {}, {"functionTimeout": "00:00:00.3"}, starter)
    assert host.child is not None
    async with httpx.AsyncClient() as client:
        with pytest.raises(httpx.HTTPError):
            await client.get(f"{host.url}/api/stuck")
    assert await asyncio.wait_for(host.child.wait(), 5) == 3
    await host.child.stop()
    assert any("functionTimeout" in record["message"] for record in host.records)


async def test_a_refused_app_names_every_problem(tmp_path: Path, starter: Starter) -> None:
    """The host does not start, and says why on stderr."""
    with pytest.raises(StartError, match=r"exit code 2 [\s\S]*%WORK_QUEUE%[\s\S]*'ServiceBus'"):
        await running.start(tmp_path, APP, {"GREETING": ""}, starter=starter)
