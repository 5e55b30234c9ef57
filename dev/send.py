"""`python3 -m dev send JSON`: puts a message on the running local stack's queue, as an app does; `-` reads stdin."""

import asyncio
import json
import sys
from uuid import uuid4

from azure.servicebus import ServiceBusMessage
from azure.servicebus.aio import ServiceBusClient

from dev import running
from dev.process import StartError

_USAGE = """usage: python3 -m dev send '{"generation_id": "7f3c", "user_id": "ada", "prompt": "A lighthouse"}'
       python3 -m dev send - < message.json"""


def main(argv: list[str]) -> int:
    """Send one message; 1 if no stack is running, 2 if the argument is not a JSON object."""
    if len(argv) != 1 or argv[0] in {"-h", "--help"}:
        print(_USAGE, file=sys.stderr)
        return 2
    try:
        text = sys.stdin.read() if argv[0] == "-" else argv[0]
        body = json.loads(text)
        if not isinstance(body, dict):
            raise ValueError  # noqa: TRY301, TRY004  # handled below
    except (ValueError, RecursionError):
        print("The message is not a JSON object. Nothing was sent.\n" + _USAGE, file=sys.stderr)
        return 2
    try:
        values = running.values()
    except StartError as error:
        print(error, file=sys.stderr)
        return 1
    asyncio.run(_send(values["ServiceBus"], values["GENERATION_QUEUE"], text))
    print(f"sent to {values['GENERATION_QUEUE']}; hear it with: python3 -m dev events")
    return 0


async def _send(connection_string: str, queue: str, text: str) -> None:
    message = ServiceBusMessage(text.encode(), message_id=uuid4().hex, content_type="application/json")
    async with (
        ServiceBusClient.from_connection_string(connection_string) as client,
        client.get_queue_sender(queue) as sender,
    ):
        await sender.send_messages(message)
