"""`python3 -m dev demo`: the main job on real input, then four things that may go wrong.

Each scene sends a message and prints the steps as the host logs them, with milliseconds since the message was sent.
Every number comes from the stack: no outcome is written into this file.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from PIL import Image

from dev.app import App
from dev.stack import LOCAL, Running, Stack
from dev.trouble import TROUBLE, sentences
from shared import worker
from shared.core.lifecycle.steps import LogStep, Step

#: The sentence for each step of a generation. A step without a sentence is not printed.
SENTENCES: Mapping[str, str] = {
    LogStep.RECEIVED: "received",
    LogStep.PROMPT_ALLOWED: "prompt allowed",
    LogStep.PROMPT_REFUSED: "prompt refused: {category}",
    Step.REJECTED: "rejected: {reason}",
    Step.CREDITS_HELD: "{credits} credit held",
    Step.PREDICTION_CREATED: "prediction created: {prediction}",
    LogStep.WEBHOOK_VERIFIED: "webhook verified: {status}",
    LogStep.CHECKED: "the timer looked: {state}",
    LogStep.OUTPUT_SCREENED: "image screened: {verdict}",
    LogStep.OUTPUT_STORED: "stored: {bytes} bytes",
    Step.CAPTURED: "{credits} credit captured",
    Step.RELEASED: "{credits} credit released",
    LogStep.PUBLISHED: "event published: {outcome}",
}


class UnexpectedError(Exception):
    """A scene did not end as it should; the text says how."""


def _expect(condition: bool, otherwise: str) -> None:  # noqa: FBT001  # it reads as a sentence
    if not condition:
        raise UnexpectedError(otherwise)


class Steps:
    """Prints the steps of one generation at a time, as the host logs them."""

    def __init__(self) -> None:
        self._generation = ""
        self._sent_at = 0.0
        self._published = asyncio.Event()

    def begin(self, generation_id: str) -> None:
        """Print this generation's steps from now on. Call it just before its message is sent."""
        self._generation, self._sent_at, self._published = generation_id, time.perf_counter(), asyncio.Event()

    async def ended(self) -> None:
        """Wait for the last step, which is printed shortly before or after its event arrives."""
        async with asyncio.timeout(30):
            await self._published.wait()

    def read(self, line: str) -> None:
        """Print what one line of the host's log says about the generation."""
        try:
            record = json.loads(line)
        except ValueError:
            print(f"    host: {line}")
            return
        if record.get("level") in {"ERROR", "CRITICAL"}:
            print(f"    host: {record.get('message')} {record.get('exception', '')}")
        if record.get("generation_id") != self._generation or record.get("step") not in SENTENCES:
            return
        elapsed_ms = (time.perf_counter() - self._sent_at) * 1000
        print(f"  {elapsed_ms:6.0f} ms  {SENTENCES[record['step']].format(**record)}", flush=True)
        if record["step"] == LogStep.PUBLISHED:
            self._published.set()


Scene = Callable[[Stack, App, Steps], Awaitable[None]]


def main(argv: list[str]) -> int:
    """Run the demo; 0 if every scene ended as it should."""
    if argv:
        print("usage: python3 -m dev demo")
        return 2
    try:
        asyncio.run(_demo())
    except (TimeoutError, UnexpectedError) as error:
        print(f"\nThe demo did not work: {str(error) or type(error).__name__}")
        return 1
    except TROUBLE as error:
        print("\nThe demo did not work: " + "\n".join(sentences(error)))
        return 1
    return 0


async def _demo() -> None:
    started = time.perf_counter()
    steps = Steps()
    print("Starting the local stack ...", flush=True)
    async with Running(on_log=steps.read, real=True) as stack, App(stack) as app:
        print(f"  ready in {time.perf_counter() - started:.1f} s: {stack.host_url}/api\n")
        for scene in (_sunset, _refused, _penniless, _twice, _silent):
            title = (scene.__doc__ or "").partition("\n")[0]
            print(f"--- {title}")
            await scene(stack, app, steps)
            print()
    print(f"Done in {time.perf_counter() - started:.1f} s.")


async def _sunset(stack: Stack, app: App, steps: Steps) -> None:
    """A message goes in, a picture comes out, and one charge is made."""
    user = "demo-user"
    await worker.grant(stack.app.deps, user, 10, grant_id=uuid4().hex)
    await _show_account(stack, user, "before")
    event = await _generate(app, steps, _message(user))
    (output,) = event["data"]["outputs"]
    file = await _saved(stack, output["name"])
    with Image.open(file) as image:
        print(f"  picture: {file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file}")
        print(f"           {image.format}, {image.width} x {image.height}; 1024 x 768 was asked, which is 4:3")
        _expect(image.width * 7 == image.height * 9, "the picture is not 1152 x 896, which is 4:3 to this model")
    await _show_account(stack, user, "after ")
    print("  event:   " + json.dumps(event, indent=2).replace("\n", "\n           "))


async def _refused(stack: Stack, app: App, steps: Steps) -> None:
    """A prompt is refused, and no credit moves."""
    user = await _user(stack)
    await _show_account(stack, user, "before")
    event = await _generate(app, steps, _message(user) | {"prompt": "A gore filled battlefield"})
    print(f"  reason:  {event['data']['reason']['text']}")
    await _show_account(stack, user, "after ")
    _expect(event["type"].endswith("rejected"), "the prompt was not refused")
    _expect(await _captured(stack, user) == 0, "a credit moved")


async def _penniless(stack: Stack, app: App, steps: Steps) -> None:
    """A user without credits is refused."""
    message = _message(f"poor-{uuid4().hex[:6]}")
    event = await _generate(app, steps, message)
    print(f"  reason:  {event['data']['reason']['text']}")
    _expect(event["data"]["reason"]["code"] == "NO_CREDITS", "the user was served without credits")
    _expect(await _captured(stack, message["user_id"]) == 0, "a credit moved")


async def _twice(stack: Stack, app: App, steps: Steps) -> None:
    """The same message sent twice makes one picture and one charge."""
    user = await _user(stack)
    message = _message(user)
    steps.begin(message["generation_id"])
    await app.send(message)
    await app.send(message)
    await app.event(message["generation_id"])
    await steps.ended()
    await asyncio.sleep(1)  # time for a second charge, if there were one
    await _show_account(stack, user, "after ")
    _expect(await _captured(stack, user) == 1, "it was not charged exactly once")


async def _silent(stack: Stack, app: App, steps: Steps) -> None:
    """A lost webhook: the timer repairs it (every second here, every minute in production)."""
    if not stack.replicate_url:
        print("  (only the simulator can lose a webhook)")
        return
    async with httpx.AsyncClient() as client:
        fault = {"kind": "webhook_lost", "times": 20, "match": {"prompt_contains": "silent"}}
        (await client.post(f"{stack.replicate_url}/_sim/faults", json=fault)).raise_for_status()
    user = await _user(stack)
    event = await _generate(app, steps, _message(user) | {"prompt": "A silent lake before the storm"})
    await _show_account(stack, user, "after ")
    _expect(event["type"].endswith("succeeded"), "the picture was not delivered")


def _message(user: str) -> dict[str, Any]:
    """The message of the FLUX guide, unchanged."""
    return {
        "generation_id": uuid4().hex,
        "user_id": user,
        "prompt": "A beautiful sunset over mountains, highly detailed",
        "width": 1024,
        "height": 768,
    }


async def _generate(app: App, steps: Steps, message: dict[str, Any]) -> dict[str, Any]:
    steps.begin(message["generation_id"])
    await app.send(message)
    event = await app.event(message["generation_id"])
    await steps.ended()
    return event


async def _user(stack: Stack) -> str:
    user = f"user-{uuid4().hex[:6]}"
    await worker.grant(stack.app.deps, user, 10, grant_id="welcome")
    return user


async def _captured(stack: Stack, user: str) -> int:
    account, _ = await stack.app.store.load_account(user)
    return account.captured if account else 0


async def _show_account(stack: Stack, user: str, when: str) -> None:
    account, _ = await stack.app.store.load_account(user)
    if account is not None:
        balances = f"{account.available} available, {account.held} held, {account.captured} captured"
        print(f"  account {when}: {balances}")


async def _saved(stack: Stack, name: str) -> Path:
    """Save the stored picture where a person can open it, and return its path."""
    content = await stack.app.outputs.read_output(name)
    file = LOCAL / "demo" / f"sunset{Path(name).suffix}"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return file
