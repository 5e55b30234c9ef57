"""`python -m dev.host --settings FILE`: runs the functions of the current folder until SIGTERM.

Prints `{"ready": "host", "url": ..., "functions": [...]}` when HTTP answers and every queue is attached. After SIGTERM
running functions may finish for 10 s. Exit codes: 0 stopped, 2 the app cannot run, 3 a function reached
functionTimeout.
"""

import argparse
import asyncio
import dataclasses
import json
import logging
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from dev import process
from dev.host import index, logs, receiver, settings, timer, web
from dev.host.invocation import Invocations
from dev.host.settings import HostError, HostSettings

LOGGER = logging.getLogger("dev.host")

DRAIN_S = 10.0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the host; returns its exit code."""
    arguments = _arguments(argv)
    if arguments.exit_with_stdin:
        process.exit_with_stdin()
    try:
        host = settings.read(arguments.app / "host.json", arguments.settings)
        if arguments.port is not None:
            host = dataclasses.replace(host, port=arguments.port)
        logs.configure(host.log_level, as_json=arguments.log_json)
        # the file overrides the shell's own variables: a stray one must not connect a local run to a real account
        os.environ.update(host.values)
        if arguments.samples and arguments.samples_ca:
            from dev import samples  # noqa: PLC0415  # a host without samples need not load them

            samples.open_to_inputs(arguments.samples, arguments.samples_ca)
        asyncio.run(_run(arguments.app, host))
    except HostError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m dev.host", description="Runs function_app.py locally.")
    parser.add_argument("--settings", type=Path, required=True, help="a local.settings.json")
    parser.add_argument("--app", type=Path, default=Path.cwd(), help="the folder of function_app.py and host.json")
    parser.add_argument("--port", type=int, help="HTTP port; 0 takes a free one (default: LocalHttpPort, else free)")
    parser.add_argument("--exit-with-stdin", action="store_true", help="end at once when stdin closes")
    parser.add_argument("--samples", type=int, metavar="PORT", help="where dev.samples is; with --samples-ca")
    parser.add_argument("--samples-ca", type=Path, metavar="FILE", help="the authority of its certificate")
    parser.add_argument("--log-json", action="store_true", help="log one JSON object per line")
    return parser.parse_args(argv)


async def _run(folder: Path, host: HostSettings) -> None:
    functions = index.load(folder, host.values)  # inside the running loop, as production imports it
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    invocations = Invocations(host.function_timeout_s)
    queues, routes, timers = (
        tuple(function for function in functions if function.kind == kind)
        for kind in ("serviceBusTrigger", "httpTrigger", "timerTrigger")
    )
    clocks = [timer.Timer(function, invocations) for function in timers]
    server = web.WebServer(routes, host, invocations)
    async with AsyncExitStack() as stack:
        serving = asyncio.create_task(server.serve())
        listeners = await receiver.open_listeners(queues, invocations, host, stack)
        await server.answers.wait()
        names = [function.name for function in functions]
        print(json.dumps({"ready": "host", "url": server.url, "functions": names}), flush=True)
        triggers = [asyncio.create_task(trigger.run(stopping)) for trigger in listeners]
        triggers += [asyncio.create_task(clock.run(stopping)) for clock in clocks]
        await _until_stopped([serving, *triggers], server, stopping)
    # As in production, where no shutdown hook reaches an app: the process ends, and its clients are not closed.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


async def _until_stopped(running: list[asyncio.Task[None]], server: web.WebServer, stopping: asyncio.Event) -> None:
    """Wait for the signal, then for running functions. A trigger that ends earlier is a defect and raises."""
    signalled = asyncio.create_task(stopping.wait())
    ended, _ = await asyncio.wait([signalled, *running], return_when=asyncio.FIRST_COMPLETED)
    stopping.set()
    server.should_exit = True
    for task in ended:
        task.result()
    _, late = await asyncio.wait(running, timeout=DRAIN_S)
    if late:
        LOGGER.warning("functions still run after %g s: their messages will be delivered again", DRAIN_S)
    for task in late:
        task.cancel()


if __name__ == "__main__":
    sys.exit(main())
