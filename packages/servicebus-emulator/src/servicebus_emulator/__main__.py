"""The emulator as a process: `python -m servicebus_emulator [--queue NAME] [--topic NAME/SUBSCRIPTION]`.

Prints one JSON line when it is ready, with the connection string, and serves until SIGTERM or SIGINT. Without names
there are those of Microsoft's emulator: queue.1, topic.1 and its subscription.1.
With --exit-with-stdin it also ends when its standard input does, so it cannot outlive the process at the other end.
"""

import argparse
import asyncio
import json
import logging
import os
import signal
import sqlite3
import sys
import threading
from pathlib import Path

from servicebus_emulator import entities
from servicebus_emulator.entities import Entities
from servicebus_emulator.hub import Limits
from servicebus_emulator.server import Options, Server

_DEFAULT_QUEUES, _DEFAULT_TOPICS = ["queue.1"], ["topic.1/subscription.1"]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m servicebus_emulator", description="A Service Bus broker on loopback, for the unmodified SDKs."
    )
    parser.add_argument("--queue", action="append", default=[], metavar="NAME", help="a queue; may be repeated")
    parser.add_argument(
        "--topic",
        action="append",
        default=[],
        metavar="NAME/SUBSCRIPTION",
        help="a topic and a subscription; may be repeated",
    )
    parser.add_argument("--entities", type=Path, help="JSON file with queues and topics and their settings")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 (the default) chooses a free one")
    parser.add_argument("--db", type=Path, help="SQLite file; without it everything is kept in memory")
    parser.add_argument("--max-message-bytes", type=int, default=Limits().message_bytes, help="default: %(default)s")
    parser.add_argument("--exit-with-stdin", action="store_true", help="exit when standard input ends")
    arguments = parser.parse_args()
    if arguments.entities and (arguments.queue or arguments.topic):
        parser.error("--entities names all queues and topics: leave --queue and --topic out")
    return arguments


def _entities(arguments: argparse.Namespace) -> Entities:
    if arguments.entities:
        return entities.from_file(arguments.entities)
    if arguments.queue or arguments.topic:
        return entities.from_names(arguments.queue, arguments.topic)
    return entities.from_names(_DEFAULT_QUEUES, _DEFAULT_TOPICS)


def _watch_stdin(loop: asyncio.AbstractEventLoop, stopping: asyncio.Event) -> None:
    # os.read and not sys.stdin: a daemon thread must hold no lock of a buffer when the interpreter ends.
    while os.read(0, 4096):
        pass
    loop.call_soon_threadsafe(stopping.set)


async def _serve(options: Options, *, exit_with_stdin: bool) -> None:
    loop = asyncio.get_running_loop()
    server = await Server.start(options)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.stopping.set)
    if exit_with_stdin:
        threading.Thread(target=_watch_stdin, args=(loop, server.stopping), daemon=True).start()
    ready = {"ready": "servicebus", "port": server.port, "connection_string": server.connection_string}
    print(json.dumps(ready), flush=True)
    try:
        await server.run()
    finally:
        await server.stop()


def main() -> int:
    """Run; 2 when the entities, the store or the port cannot be had, or the store fails later."""
    arguments = _arguments()
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(name)s: %(message)s")
    try:
        options = Options(
            entities=_entities(arguments),
            port=arguments.port,
            db=arguments.db,
            limits=Limits(message_bytes=arguments.max_message_bytes),
        )
        asyncio.run(_serve(options, exit_with_stdin=arguments.exit_with_stdin))
    except (OSError, ValueError, sqlite3.Error) as error:
        print(f"The Service Bus emulator cannot run: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
