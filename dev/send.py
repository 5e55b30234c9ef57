"""`python3 -m dev send JSON`: puts a message on the running local stack's queue, as an app does; `-` reads stdin."""

import asyncio
import json
import sys
from uuid import uuid4

from azure.servicebus import ServiceBusMessage
from azure.servicebus.aio import ServiceBusClient
from azure.servicebus.exceptions import ServiceBusError

from dev import running
from dev.process import StartError
from shared.core.requests.parsing import REQUEST_BYTES

_USAGE = """usage: python3 -m dev send '{"generation_id": "7f3c", "user_id": "ada", "prompt": "A lighthouse"}'
       python3 -m dev send - < message.json"""


class _UnfitError(Exception):
    """The argument is no message. The text says why."""


def main(argv: list[str]) -> int:
    """Send one message; 1 if no stack is running, 2 if the argument is not a message."""
    if len(argv) != 1 or argv[0] in {"-h", "--help"}:
        print(_USAGE, file=sys.stderr)
        return 2
    try:
        raw = _message(argv[0])
        values = running.values()
        asyncio.run(_send(values["ServiceBus"], values["GENERATION_QUEUE"], raw))
    except _UnfitError as unfit:
        print(unfit, file=sys.stderr)
        return 2
    except StartError as error:
        print(error, file=sys.stderr)
        return 1
    except ServiceBusError as error:
        print(f"The message was not sent: the local stack did not take it ({type(error).__name__}).", file=sys.stderr)
        return 1
    print(f"sent to {values['GENERATION_QUEUE']}; hear it with: python3 -m dev events")
    return 0


def _message(argument: str) -> bytes:
    """The message: a JSON object in UTF-8, within the bound of the queue. Raises _UnfitError."""
    if argument == "-" and sys.stdin is None:
        raise _UnfitError("stdin is closed: there is no message to send.")
    try:
        text = sys.stdin.read() if argument == "-" else argument
        raw = text.encode()
    except UnicodeError:
        raise _UnfitError("The message is not text in UTF-8. Nothing was sent.") from None
    try:
        good = isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        good = False
    if not good:
        raise _UnfitError("The message is not a JSON object. Nothing was sent.\n" + _USAGE)
    if len(raw) > REQUEST_BYTES:
        raise _UnfitError(f"The message has {len(raw)} bytes, and may have at most {REQUEST_BYTES}. Nothing was sent.")
    return raw


async def _send(connection_string: str, queue: str, raw: bytes) -> None:
    message = ServiceBusMessage(raw, message_id=uuid4().hex, content_type="application/json")
    async with (
        ServiceBusClient.from_connection_string(connection_string) as client,
        client.get_queue_sender(queue) as sender,
    ):
        await sender.send_messages(message)
