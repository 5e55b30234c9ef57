"""The command line as a process, against the running local stack."""

import asyncio
import json
import os
import re
import sys
import tarfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest
import pytest_asyncio
from azure.servicebus import ServiceBusMessage
from azure.servicebus.aio import ServiceBusClient

from dev.forks import forking
from dev.process import Starter, execute
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

#: A terminal's colours are asked for, and an unclosed client would print a warning on stderr.
ENVIRONMENT = {"FORCE_COLOR": "1", "PYTHONWARNINGS": "always::ResourceWarning"}


@pytest.fixture(scope="module")
def starter() -> Iterator[Starter]:
    """Starts the stack's programs and the command, in forked processes where the system can."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRONMENT.items():  # the fork server has it when it imports
            patch.setenv(name, value)
        with forking() as found:
            yield found


@dataclass(frozen=True, slots=True)
class Operator:
    """Calls the command on a running stack."""

    stack: Stack
    starter: Starter

    async def call(self, *argv: str, alone: bool = False) -> Called:
        """Run ``python -m shared.cli`` with the stack's settings as its environment, through pipes.

        ``alone``: by itself, as a person does, and not in a process forked from one that has imported it.
        """
        command = [sys.executable, "-m", "shared.cli", *argv]
        start = execute if alone else self.starter
        process = await start(command, os.environ | self.stack.values | ENVIRONMENT, ROOT)
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.close()
        out, err = await asyncio.gather(process.stdout.read(), process.stderr.read())
        return Called(await process.wait(), out.decode(), err.decode())

    async def ok(self, *argv: str, alone: bool = False) -> str:
        """Run a command that must succeed; returns its stdout. It must print no colour, and nothing on stderr."""
        called = await self.call(*argv, alone=alone)
        assert (called.code, called.err) == (0, "")
        assert "\x1b" not in called.out
        return called.out


@pytest_asyncio.fixture(scope="module")
async def operator(starter: Starter) -> AsyncIterator[Operator]:
    """A running stack for these tests alone, because they count the dead letters of the archive."""
    async with Running(starter=starter) as running:
        yield Operator(running, starter)


async def until(look: Callable[[], Awaitable[T | None]]) -> T:
    """Call ``look`` until it returns something; returns that."""
    async with asyncio.timeout(20):
        while not (found := await look()):  # noqa: ASYNC110  # what is awaited happens in other processes
            await asyncio.sleep(0.1)
    return found


async def test_from_a_grant_to_a_picture(operator: Operator, tmp_path: Path) -> None:
    """An account gets credits, an image is made and saved, and the account shows the credits it cost."""
    await operator.ok("grant", "ada", "10", "--id", "welcome", alone=True)
    printed = await operator.ok("submit", "A lighthouse at night", "--user", "ada", "--id", "one", "--wait")
    assert re.search(r"^state +succeeded$", printed, re.MULTILINE)

    shown = await operator.call("show", "one", "--json", "--save", str(tmp_path))
    facts = json.loads(shown.out)
    assert (facts["user_id"], facts["credits"]["captured"], len(facts["outputs"])) == ("ada", 1, 1)
    assert (tmp_path / "one-1-0.webp").stat().st_size == facts["outputs"][0]["size_bytes"]

    account = json.loads(await operator.ok("account", "show", "ada", "--json"))
    assert (account["available"], account["held"], account["captured"]) == (9, 0, 1)
    assert {entry["move"] for entry in account["ledger"]} == {"grant", "hold", "resolve"}

    used = json.loads(await operator.ok("usage", "--user", "ada", "--since", "1h", "--json"))
    names = ("model", "generations", "succeeded", "outputs", "captured_credits", "cost_usd_micros")
    assert [tuple(line[name] for name in names) for line in used["by_model"]] == [("flux-schnell", 1, 1, 1, 1, 3000)]


async def test_a_text_is_made_and_saved(operator: Operator, tmp_path: Path) -> None:
    """Requested by modality. The text is printed only with ``--text``, and the saved file has the same text."""
    await operator.ok("grant", "tim", "10", "--id", "welcome")
    argv = ("--user", "tim", "--id", "poem", "--modality", "text", "--max-tokens", "50", "--wait")
    printed = await operator.ok("submit", "A line about the sea", *argv)
    assert re.search(r"^model +\S+, by plan$", printed, re.MULTILINE)
    shown = await operator.call("show", "poem", "--text", "--json", "--save", str(tmp_path))
    (output,) = json.loads(shown.out)["outputs"]
    assert len(output["text"]) == output["text_characters"] > 0
    assert (tmp_path / "poem-1-0.txt").read_text(encoding="utf-8") == output["text"]
    assert output["text"] not in printed


async def test_a_file_is_uploaded_for_its_user(operator: Operator, tmp_path: Path) -> None:
    """It is stored in the container of the settings. A second upload needs ``--replace``."""
    file = tmp_path / "portraits.zip"
    file.write_bytes(b"PK\x03\x04" + bytes(500_000))
    assert await operator.ok("upload", "ada", str(file)) == "ada/ada/portraits.zip\n"
    assert await operator.stack.app.uploads.upload_size("ada/ada/portraits.zip") == file.stat().st_size
    assert (await operator.call("upload", "ada", str(file))).code == 1
    await operator.ok("upload", "ada", str(file), "--replace")


async def test_garbage_among_the_dead_letters(operator: Operator) -> None:
    """It is listed and shown, and not sent again."""
    connection, queue = operator.stack.values["ServiceBus"], operator.stack.values["GENERATION_QUEUE"]
    async with ServiceBusClient.from_connection_string(connection) as bus, bus.get_queue_sender(queue) as sender:
        await sender.send_messages(ServiceBusMessage(b"garbage"))
    (dead_letter,) = await until(lambda: operator.stack.app.dead_letters.list_dead_letters("", 10))

    assert dead_letter.name in await operator.ok("dead-letters", "list")
    assert await operator.ok("dead-letters", "show", dead_letter.name, "--raw") == "garbage\n"
    refused = await operator.call("dead-letters", "replay", dead_letter.name, "--yes")
    assert (refused.code, refused.out) == (1, "")
    assert refused.err.startswith("Nothing was sent: this is not a message")


async def test_a_dead_request_is_sent_again(operator: Operator) -> None:
    """No generation was opened for it, so the replay opens one, and it succeeds."""
    key = Key("bob", "dead")
    await grant(operator.stack.app.deps, "bob", 10, grant_id="welcome")
    request = {"user_id": key.user_id, "generation_id": key.generation_id, "prompt": "A walled garden"}
    await archive(
        operator.stack.app.deps,
        json.dumps(request).encode(),
        key,
        "dead-lettered",
        operator.stack.values["GENERATION_QUEUE"],
    )
    dead_letters = await operator.stack.app.dead_letters.list_dead_letters("", 10)
    (name,) = (each.name for each in dead_letters if each.metadata.get("user_id") == "bob")

    printed = await operator.ok("dead-letters", "replay", name, "--yes")

    assert "No generation was opened for it." in printed

    async def ended() -> State | None:
        generation = (await operator.stack.app.store.load(key)).generation
        return generation.state if generation and generation.state.ended else None

    assert await until(ended) is State.SUCCEEDED


async def test_a_folder_is_trained_on_and_its_weights_come_home(operator: Operator, tmp_path: Path) -> None:
    """With the policy that comes with the app: pictures packed, a private destination made, weights written."""
    folder = tmp_path / "faces"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.png").write_bytes(painted(200 + number))
    (folder / "1.txt").write_text("a portrait of KNGFSHR", encoding="utf-8")
    await grant(operator.stack.app.deps, "trainer", 1000, grant_id="welcome")
    argv = ("train", str(folder), "--user", "trainer", "--id", "tr1", "--training-steps", "250", "--trigger-word")
    made = ("KNGFSHR", "--destination", "darkroom-local/kingfishers", "--create", "--hardware", "cpu", "--yes")
    said = await operator.ok(*argv, *made, "--into", str(tmp_path / "out"))
    assert "made darkroom-local/kingfishers, private" in said
    assert "darkroom-local/kingfishers:" in said.splitlines()[-1]
    with tarfile.open(tmp_path / "out" / "tr1.tar") as weights:
        assert [name for name in weights.getnames() if name.endswith(".safetensors")]
    generation = (await operator.stack.app.store.load(Key("trainer", "tr1"))).generation
    assert generation is not None
    assert generation.state is State.SUCCEEDED
    assert {record.subject: record.allowed for record in generation.screenings}["input archive"]
