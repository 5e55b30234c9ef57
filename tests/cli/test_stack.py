"""The command line as a process, against the running local stack."""

import asyncio
import json
import os
import re
import sys
import tarfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest
import pytest_asyncio
from azure.servicebus import ServiceBusMessage
from azure.servicebus.aio import ServiceBusClient

from dev.stack import Running, Stack
from shared.core.keys import Key
from shared.core.lifecycle.state import State
from shared.worker import grant
from shared.worker.dead_letters import archive
from tests.cli.counter import Called
from tests.stack.pictures import painted

pytestmark = pytest.mark.stack

ROOT = Path(__file__).parents[2]

T = TypeVar("T")


@pytest_asyncio.fixture(scope="module")
async def stack() -> AsyncIterator[Stack]:
    """A running stack for these tests alone, because they count the dead letters of the archive."""
    async with Running() as running:
        yield running


async def call(stack: Stack, *argv: str) -> Called:
    """Run ``python -m shared.cli`` with the stack's settings as its environment, through pipes."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-W", "always::ResourceWarning", "-m", "shared.cli"),  # an unclosed client would print a warning on stderr
        *argv,
        cwd=ROOT,
        env=os.environ | stack.values | {"FORCE_COLOR": "1"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return Called(process.returncode or 0, out.decode(), err.decode())


async def ok(stack: Stack, *argv: str) -> str:
    """Run a command that must succeed; returns its stdout. It must print no colour, and nothing on stderr."""
    called = await call(stack, *argv)
    assert (called.code, called.err) == (0, "")
    assert "\x1b" not in called.out
    return called.out


async def until(look: Callable[[], Awaitable[T | None]]) -> T:
    """Call ``look`` until it returns something; returns that."""
    async with asyncio.timeout(20):
        while not (found := await look()):  # noqa: ASYNC110  # what is awaited happens in other processes
            await asyncio.sleep(0.1)
    return found


async def test_from_a_grant_to_a_picture(stack: Stack, tmp_path: Path) -> None:
    """An account gets credits, an image is made and saved, and the account shows the credits it cost."""
    await ok(stack, "grant", "ada", "10", "--id", "welcome")
    printed = await ok(stack, "submit", "A lighthouse at night", "--user", "ada", "--id", "one", "--wait")
    assert re.search(r"^state +succeeded$", printed, re.MULTILINE)

    shown = await call(stack, "show", "one", "--json", "--save", str(tmp_path))
    facts = json.loads(shown.out)
    assert (facts["user_id"], facts["credits"]["captured"], len(facts["outputs"])) == ("ada", 1, 1)
    assert (tmp_path / "one-1-0.webp").stat().st_size == facts["outputs"][0]["size_bytes"]

    account = json.loads(await ok(stack, "account", "show", "ada", "--json"))
    assert (account["available"], account["held"], account["captured"]) == (9, 0, 1)
    assert {entry["move"] for entry in account["ledger"]} == {"grant", "hold", "resolve"}

    used = json.loads(await ok(stack, "usage", "--user", "ada", "--since", "1h", "--json"))
    names = ("model", "generations", "succeeded", "outputs", "captured_credits", "cost_usd_micros")
    assert [tuple(line[name] for name in names) for line in used["by_model"]] == [("flux-schnell", 1, 1, 1, 1, 3000)]


async def test_a_text_is_made_and_saved(stack: Stack, tmp_path: Path) -> None:
    """Requested by modality. The text is printed only with ``--text``, and the saved file has the same text."""
    await ok(stack, "grant", "tim", "10", "--id", "welcome")
    argv = ("--user", "tim", "--id", "poem", "--modality", "text", "--max-tokens", "50", "--wait")
    printed = await ok(stack, "submit", "A line about the sea", *argv)
    assert re.search(r"^model +\S+, by plan$", printed, re.MULTILINE)
    shown = await call(stack, "show", "poem", "--text", "--json", "--save", str(tmp_path))
    (output,) = json.loads(shown.out)["outputs"]
    assert len(output["text"]) == output["text_characters"] > 0
    assert (tmp_path / "poem-1-0.txt").read_text(encoding="utf-8") == output["text"]
    assert output["text"] not in printed


async def test_a_file_is_uploaded_for_its_user(stack: Stack, tmp_path: Path) -> None:
    """It is stored in the container of the settings. A second upload needs ``--replace``."""
    file = tmp_path / "portraits.zip"
    file.write_bytes(b"PK\x03\x04" + bytes(500_000))
    assert await ok(stack, "upload", "ada", str(file)) == "ada/ada/portraits.zip\n"
    assert await stack.app.uploads.upload_size("ada/ada/portraits.zip") == file.stat().st_size
    assert (await call(stack, "upload", "ada", str(file))).code == 1
    await ok(stack, "upload", "ada", str(file), "--replace")


async def test_garbage_among_the_dead_letters(stack: Stack) -> None:
    """It is listed and shown, and not sent again."""
    connection, queue = stack.values["ServiceBus"], stack.values["GENERATION_QUEUE"]
    async with ServiceBusClient.from_connection_string(connection) as bus, bus.get_queue_sender(queue) as sender:
        await sender.send_messages(ServiceBusMessage(b"garbage"))
    (dead_letter,) = await until(lambda: stack.app.dead_letters.list_dead_letters("", 10))

    assert dead_letter.name in await ok(stack, "dead-letters", "list")
    assert await ok(stack, "dead-letters", "show", dead_letter.name, "--raw") == "garbage\n"
    refused = await call(stack, "dead-letters", "replay", dead_letter.name, "--yes")
    assert (refused.code, refused.out) == (1, "")
    assert refused.err.startswith("Nothing was sent: this is not a message")


async def test_a_dead_request_is_sent_again(stack: Stack) -> None:
    """No generation was opened for it, so the replay opens one, and it succeeds."""
    key = Key("bob", "dead")
    await grant(stack.app.deps, "bob", 10, grant_id="welcome")
    request = {"user_id": key.user_id, "generation_id": key.generation_id, "prompt": "A walled garden"}
    await archive(stack.app.deps, json.dumps(request).encode(), key, "dead-lettered", stack.values["GENERATION_QUEUE"])
    dead_letters = await stack.app.dead_letters.list_dead_letters("", 10)
    (name,) = (each.name for each in dead_letters if each.metadata.get("user_id") == "bob")

    printed = await ok(stack, "dead-letters", "replay", name, "--yes")

    assert "No generation was opened for it." in printed

    async def ended() -> State | None:
        generation = (await stack.app.store.load(key)).generation
        return generation.state if generation and generation.state.ended else None

    assert await until(ended) is State.SUCCEEDED


async def test_a_folder_is_trained_on_and_its_weights_come_home(stack: Stack, tmp_path: Path) -> None:
    """With the policy that comes with the app: pictures packed, a private destination made, weights written."""
    folder = tmp_path / "faces"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.png").write_bytes(painted(200 + number))
    (folder / "1.txt").write_text("a portrait of KNGFSHR", encoding="utf-8")
    await grant(stack.app.deps, "trainer", 1000, grant_id="welcome")
    argv = ("train", str(folder), "--user", "trainer", "--id", "tr1", "--training-steps", "250", "--trigger-word")
    made = ("KNGFSHR", "--destination", "darkroom-local/kingfishers", "--create", "--hardware", "cpu", "--yes")
    said = await ok(stack, *argv, *made, "--into", str(tmp_path / "out"))
    assert "made darkroom-local/kingfishers, private" in said
    assert "darkroom-local/kingfishers:" in said.splitlines()[-1]
    with tarfile.open(tmp_path / "out" / "tr1.tar") as weights:
        assert [name for name in weights.getnames() if name.endswith(".safetensors")]
    generation = (await stack.app.store.load(Key("trainer", "tr1"))).generation
    assert generation is not None
    assert generation.state is State.SUCCEEDED
    assert {record.subject: record.allowed for record in generation.screenings}["input archive"]
