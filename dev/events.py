"""`python3 -m dev events`: prints each event of the running local stack as it arrives; --once ends after the first."""

import argparse
import asyncio
import json
import sys

from azure.servicebus.aio import ServiceBusClient
from azure.servicebus.exceptions import ServiceBusError

from dev import running
from dev.process import StartError

#: A subscription for this command alone, so that a user's app still receives every event.
SUBSCRIPTION = "dev-events"


def main(argv: list[str]) -> int:
    """Print events until Ctrl-C; 1 if no stack is running, or it stopped."""
    parser = argparse.ArgumentParser(prog="python3 -m dev events", description="Print every event as it comes.")
    parser.add_argument("--once", action="store_true", help="end after the first")
    options = parser.parse_args(argv)
    try:
        values = running.values()
        asyncio.run(_listen(values["ServiceBus"], values["EVENTS_TOPIC"], once=options.once))
    except StartError as error:
        print(error, file=sys.stderr)
        return 1
    except ServiceBusError as error:
        print(f"The local stack stopped ({type(error).__name__}).", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


async def _listen(connection_string: str, topic: str, *, once: bool) -> None:
    async with (
        ServiceBusClient.from_connection_string(connection_string) as client,
        client.get_subscription_receiver(topic, SUBSCRIPTION) as receiver,
    ):
        print(f"Listening to {topic}; Ctrl-C ends it.", file=sys.stderr, flush=True)
        while True:
            for message in await receiver.receive_messages(max_message_count=1 if once else 20, max_wait_time=5):
                print(json.dumps(json.loads(b"".join(message.body)), indent=2), flush=True)
                await receiver.complete_message(message)
                if once:
                    return
