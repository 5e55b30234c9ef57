"""`python3 -m dev up`: the local stack stays up until Ctrl-C, for you to send it things."""

import asyncio
import json
import signal
import sys
from pathlib import Path

from dev.process import StartError
from dev.replicate.clients import client_lines
from dev.stack import LOCAL, Running, Stack

#: Where `dev cli` finds the running stack's settings.
RUNNING = LOCAL / "stack.json"

_WELCOME = """The local stack is up.

  Functions host    {host}/api
  health            curl {host}/api/health
  Replicate         {replicate}
  Content Safety    {safety}

Try, in another terminal:

  python3 -m dev cli grant ada 10
  python3 -m dev cli submit "A lighthouse at night" --user ada
  python3 -m dev cli account ada
  python3 -m dev cli dead-letters list
{faults}
Ctrl-C ends it.
"""

_FAULTS = """
Let the simulator misbehave (kinds: create_429, webhook_lost, nsfw_partial, failed, ...):

  curl -X POST {replicate}/_sim/faults -d '{{"kind": "webhook_lost", "times": 1}}'
"""


def main(argv: list[str]) -> int:
    """Run until Ctrl-C; 0 then, 1 if the stack could not start or its host ended."""
    if argv:
        print("usage: python3 -m dev up")
        return 2
    try:
        return asyncio.run(_up())
    except StartError as error:
        print(error, file=sys.stderr)
        return 1


async def _up() -> int:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(sign, stopping.set)
    async with Running(on_log=_show, real=True) as stack:
        _announce(stack)
        try:
            return await _until(stack, stopping)
        finally:
            RUNNING.unlink(missing_ok=True)


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


def _announce(stack: Stack) -> None:
    RUNNING.write_text(json.dumps({"settings": str(stack.settings_file)}), encoding="utf-8")
    faults = _FAULTS.format(replicate=stack.replicate_url) if stack.replicate_url else ""
    replicate = stack.replicate_url or "the real one, calling back at " + stack.values["PUBLIC_URL"]
    safety = stack.content_safety_url
    if stack.replicate_url:
        print(client_lines(stack.replicate_url, stack.values["REPLICATE_API_TOKEN"]), flush=True)
    print(_WELCOME.format(host=stack.host_url, replicate=replicate, safety=safety, faults=faults), flush=True)


def _show(line: str) -> None:
    """One line of the host's log, for a person."""
    try:
        record = json.loads(line)
    except ValueError:
        print(line, flush=True)
        return
    if record.get("logger") == "darkroom.metrics" and record.get("level") in {"DEBUG", "INFO"}:
        return
    print(f"{record['t'][11:23]}  {record['level']:<7} {record['message']}", flush=True)
    if "exception" in record:
        print(record["exception"], flush=True)


def running_settings() -> Path | None:
    """The settings file of the stack that is up, or None."""
    if not RUNNING.exists():
        return None
    file = Path(json.loads(RUNNING.read_text(encoding="utf-8"))["settings"])
    return file if file.exists() else None
