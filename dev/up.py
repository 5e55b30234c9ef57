"""`python3 -m dev up`: keeps the local stack running until Ctrl-C, so that you can send messages to it."""

import argparse
import asyncio
import json
import signal
import sys
from pathlib import Path

from dev import events, run_folders, running, samples
from dev.entities import SUBSCRIPTION
from dev.local_settings import LOCAL_SETTINGS, of_environment
from dev.stack import LOCAL, Running, Stack
from dev.trouble import TROUBLE, sentences
from replicate_simulator.clients import client_lines

_WELCOME = """The local stack is up.

  Functions host    {host}/api
  health            curl {host}/api/health
  Replicate         {replicate}
  Content Safety    {safety}
  settings          {settings}
  data              {data}

Try, in another terminal:

  python3 -m dev cli grant ada 10
  python3 -m dev cli submit "A lighthouse at night" --user ada --wait
  python3 -m dev cli account show ada
  python3 -m dev cli dead-letters list

Send and hear as an app does (the messages: docs/requests.md):

  python3 -m dev events
  python3 -m dev send '{{"generation_id": "7f3c", "user_id": "ada", "prompt": "A lighthouse at night"}}'

From an app of yours: send to the queue {queue}, hear on the topic {topic}, subscription {subscription}.

  Service Bus       {bus}
  Storage           {storage}
  as variables      eval "$(python3 -m dev env)"

To start from: https://{pictures}/<any name>.jpg is a sample picture here; files to upload are
{files}.
{faults}
Ctrl-C ends it.
"""

_FAULTS = """
Let the simulator misbehave (kinds: create_429, webhook_lost, nsfw_partial, failed, ...):

  curl -X POST {replicate}/_sim/faults -d '{{"kind": "webhook_lost", "times": 1}}'

Replicate's own clients talk to it with:

{clients}
"""


def main(argv: list[str]) -> int:
    """Run until Ctrl-C and return 0; 1 if the stack could not start or its host ended."""
    parser = argparse.ArgumentParser(prog="python3 -m dev up", description=__doc__.partition(": ")[2])
    kept = (
        f"keep accounts, messages and outputs in {LOCAL / 'up'}; not the simulator's predictions: "
        "what ran ends as LOST. A kill of Azurite loses what it has not written, which is some seconds"
    )
    parser.add_argument("--keep", action="store_true", help=kept)
    options = parser.parse_args(argv)
    try:
        with running.only_one() as file:
            run_folders.remove_left_behind(LOCAL)
            return asyncio.run(_up(file, LOCAL / "up" if options.keep else None))
    except TROUBLE as error:
        print("\n".join(sentences(error)), file=sys.stderr)
        return 1


async def _up(file: Path, durable: Path | None) -> int:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(sign, stopping.set)
    subscriptions = (SUBSCRIPTION, events.SUBSCRIPTION)
    stack = Running(on_log=_show, durable=durable, real=True, usual=True, samples=True, subscriptions=subscriptions)
    async with stack as up:
        running.record(file, up.values)
        print(welcome(up, durable, samples.write(LOCAL / "samples")), flush=True)
        return await _until(up, stopping)


async def _until(stack: Stack, stopping: asyncio.Event) -> int:
    """Wait for Ctrl-C, or for the host to end by itself."""
    waits = [asyncio.create_task(stopping.wait()), asyncio.create_task(stack.host.wait())]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    if stopping.is_set():
        return 0
    print(f"The host ended by itself:\n{stack.host.stderr_tail}", file=sys.stderr)
    return 1


def welcome(stack: Stack, durable: Path | None, files: list[Path]) -> str:
    """The text for a person about the running stack."""
    values, simulated = stack.values, bool(stack.replicate_url)
    own = ", ".join(of_environment())
    faults = (
        _FAULTS.format(replicate=stack.replicate_url, clients=client_lines(stack.replicate_url, stack.replicate_token))
        if simulated
        else ""
    )
    real = f"the real one, which costs money, calling back at {values['PUBLIC_URL']}"
    evaluate = 'a simulator: it knows words such as "gore" and the simulator\'s own marks, no real picture'
    return _WELCOME.format(
        host=stack.host_url,
        replicate=f"{stack.replicate_url} (a simulator)" if simulated else real,
        safety=f"{stack.content_safety_url} ({evaluate}{'' if simulated else '; also beside the real Replicate'})",
        settings=f"{LOCAL_SETTINGS}{f'; of the environment {own}' if own else ''}",
        data=f"kept in {durable}" if durable else "in memory, gone with Ctrl-C (--keep keeps it)",
        queue=values["GENERATION_QUEUE"],
        topic=values["EVENTS_TOPIC"],
        subscription=SUBSCRIPTION,
        bus=values["ServiceBus"],
        storage=values["STORAGE_CONNECTION_STRING"],
        pictures=samples.HOST,
        files=" and ".join(str(file) for file in files),
        faults=faults,
    )


def _show(line: str) -> None:
    """Print one line of the host's log for a person."""
    try:
        record = json.loads(line)
    except ValueError:
        print(line, flush=True)
        return
    if is_noise(record):
        return
    print(f"{record['t'][11:23]}  {record['level']:<7} {record['message']}", flush=True)
    if "exception" in record:
        print(record["exception"], flush=True)


def is_noise(record: dict[str, str]) -> bool:
    """Whether a line is left out: counts, and the timer, which runs each second here and logs its findings itself."""
    if record.get("level") not in {"DEBUG", "INFO"}:
        return False
    ran = record.get("function") == "reconcile" and str(record.get("message", "")).startswith("executed")
    return ran or record.get("logger") == "darkroom.metrics"
