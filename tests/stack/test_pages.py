"""The README and the docs: every example and every command line works on the local stack as the page has it."""

import asyncio
import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from dev import disguises, events, running, samples
from dev.app import App
from dev.commands import COMMANDS
from dev.entities import SUBSCRIPTION
from dev.stack import ROOT, Running, Stack
from shared import worker
from shared.adapters.net.tls import tls_context
from shared.cli.main import run
from shared.core.keys import Key
from shared.core.money.limits import Effect, Limit
from shared.core.money.settings import Settings
from shared.core.money.windows import Span
from shared.core.safety.policy_file import parse_policy
from shared.worker.accounts import Command
from tests.stack.road import Ground, set_out

pytestmark = [pytest.mark.stack, pytest.mark.asyncio(loop_scope="module")]

PAGES = {file.name: file.read_text(encoding="utf-8") for file in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))}

#: What a line's words in capitals stand for here; NAME is a dead letter's, GENERATION one that was made.
MEANT = {"USER": "ada", "ACCOUNT": "ada", "FILE": "portraits.zip", "ID": "ticket-1"}

#: Lines that may fail: a dead letter that is no message is not sent again, one user's file and destination exist
#: already, and the generation waits for no approval.
MAY_SAY_NO = ("dead-letters replay", "upload ", "shared.cli approve ", "destination create ", "version delete")

#: The sentences of Debian's packages are not in a plain clone. Without them the command must say so and end with 1.
#: What it measures is asserted by tests/core/test_disguises.py, which skips aloud.
HARMLESS = "--harmless"

#: What is not one command: `...` stands for more, Azure's own login comes first, or it runs for minutes.
SHOWN_ONLY = ("...", "azd", "ngrok")

#: Commands of `dev` that run until they are ended, or for minutes: their words are read, not run.
LONG = {
    *("bench", "budget", "chaos", "check", "coverage", "crash_points", "crowd", "demo", "events", "fairness"),
    *("fuzz", "outage", "simulate", "test", "up"),
}


def blocks(language: str) -> Iterator[tuple[str, str]]:
    """The code blocks of a language, with their pages."""
    for page, text in PAGES.items():
        for said, block in re.findall(r"^```(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
            if said == language:
                yield page, block


#: The page whose examples are account commands.
COMMANDS_PAGE = "accounts-commands.md"

#: The pages whose JSON is a message. The others' are of other kinds: a test of their own reads them.
MESSAGES, OWN_TESTS = (
    ("README.md", "requests.md", COMMANDS_PAGE),
    {
        "ledger.md": "tests/core/test_chain.py",
        "models.md": "tests/cli/test_models_walk.py",
        "receipts.md": "tests/core/test_receipt.py",
    },
)

REQUESTS = [
    block
    for page, block in blocks("json")
    if page in MESSAGES and page != COMMANDS_PAGE and '"specversion"' not in block
]
COMMANDED = [block for page, block in blocks("json") if '"command_id"' in block and "specversion" not in block]

#: The commands that decide about a generation: they need one that waits.
DECISIONS = [block for block in COMMANDED if json.loads(block)["type"] in ("approve", "deny")]
ACCOUNT_COMMANDS = [block for block in COMMANDED if block not in DECISIONS]


def lines() -> list[str]:
    """Every line that calls the command line or `dev`, in a block or in the text."""
    found = [line for _, block in blocks("") for line in block.splitlines()]
    found += [line for text in PAGES.values() for line in re.findall(r"^    (\S.*)$", text, re.MULTILINE)]
    found += [line for text in PAGES.values() for line in re.findall(r"`([A-Z_]*=?[^`\n]*python3 -m [^`\n]+)`", text)]
    found = [re.sub(r'^eval "\$\((.*)\)"$', r"\1", line) for line in found]
    ours = [line.partition("  #")[0].partition(" # ")[0].strip() for line in found]
    called = [line for line in ours if re.search(r"python3? -m (shared\.cli|dev)\b", line)]
    bare = "python3 -m dev send"  # the object comes after it, in the text
    return [line for line in dict.fromkeys(called) if line != bare and not any(word in line for word in SHOWN_ONLY)]


def allowed_codes(line: str) -> tuple[int, ...]:
    """The exit codes with which a page's line may end here."""
    if HARMLESS in line:
        return (0,) if disguises.harmless(1, 1) else (1,)
    return (0, 1) if any(no in line for no in MAY_SAY_NO) else (0,)


@dataclass(frozen=True, slots=True)
class Place:
    """A running stack, the app in front of it, and a folder in which a line is typed."""

    stack: Stack
    app: App
    folder: Path


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(ground: Ground, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    """The stack as docs/requests.md starts it, with the account and the files that it names."""
    folder = tmp_path_factory.mktemp("pages")
    policy = {"MODERATION_FILE": str(ROOT / "dev" / "unscreened.toml")}
    patch = pytest.MonkeyPatch()
    patch.setattr(running, "RUNNING", folder / "stack.json")
    subscriptions = (SUBSCRIPTION, events.SUBSCRIPTION)
    with running.only_one(folder / "stack.json") as file:
        up = Running(
            policy, samples=True, subscriptions=subscriptions, storage=ground.storage(), starter=ground.starter
        )
        async with up as stack, App(stack) as app:
            patch.chdir(folder)
            running.record(file, stack.values)
            async with httpx.AsyncClient(base_url=stack.replicate_url, verify=tls_context()) as replicate:
                await set_out(replicate)
            samples.write(folder / ".local" / "samples")
            shutil.copyfile(folder / ".local" / "samples" / "portraits.zip", folder / "portraits.zip")
            yield Place(stack, app, folder)
    patch.undo()


async def typed(place: Place, line: str) -> int:
    """Run a line of a page and return its exit code; variables that it sets stay set."""
    words = shlex.split(line)
    before = dict(os.environ)
    env = dict(place.stack.values)
    while "=" in words[0]:
        name, _, value = words.pop(0).partition("=")
        env[name] = value
    assert re.fullmatch(r"(\.venv/bin/)?python3?", words[0]), line
    assert words[1] == "-m", line
    module, argv = words[2], words[3:]
    try:
        if module == "shared.cli":
            return await asyncio.to_thread(run, argv, env=env)
        if module != "dev":  # a tool of its own, which asks the network or writes a file of the project
            return 0 if find_spec(module) else 2
        assert argv[0] in COMMANDS, line
        if argv[0] in LONG:
            return 0
        main = import_module(f"dev.{argv[0]}").main
        code: int = await asyncio.to_thread(main, argv[1:])
        return code
    finally:
        os.environ.clear()
        os.environ.update(before)


async def test_the_examples_of_the_pages_work_with_the_accounts_they_name(place: Place) -> None:
    """The lines that come before them are typed as they stand; then every request, and each succeeds."""
    before = PAGES["requests.md"].partition("and in another terminal:")[2].partition("```\n\n")[0]
    for line in before.replace("```", "").strip().splitlines():
        if not line.startswith("eval "):  # what it sets is set for each line here
            assert await typed(place, line) == 0, line
    sent = set()
    for text in REQUESTS:
        body: dict[str, Any] = json.loads(text)
        if body["generation_id"] in sent:
            assert body["generation_id"] == "7f3c", "the README's own example is the first of docs/requests.md"
            continue
        sent.add(body["generation_id"])
        assert await typed(place, f"python3 -m dev send {shlex.quote(text)}") == 0
        event = await place.app.event(body["generation_id"], timeout_s=60)
        assert event["type"] == "darkroom.generation.succeeded", (text, event["data"]["reason"])
        assert event["data"]["ignored_fields"] == []
    assert len(sent) == 7
    heard = await place.app.event("7f3c")
    (shown,) = [json.loads(block) for page, block in blocks("json") if page == "README.md" and "specversion" in block]
    assert _shape(shown) == _shape(heard)
    same = ("model", "chosen_by", "passed_over", "credits", "refused_outputs", "reason", "attempts", "ignored_fields")
    assert {name: shown["data"][name] for name in same} == {name: heard["data"][name] for name in same}
    assert shown["data"]["size"] == heard["data"]["size"]
    assert shown["data"]["outputs"][0]["width"] == heard["data"]["outputs"][0]["width"] == 1152


def _shape(value: Any) -> Any:
    """The names in a JSON value, and in the first element of a list."""
    if isinstance(value, dict):
        return {name: _shape(each) for name, each in value.items()}
    return [_shape(each) for each in value[:1]] if isinstance(value, list) else None


async def test_the_account_commands_of_the_page_are_applied(place: Place) -> None:
    """Each as it is printed, in their order; the event that is shown is the first one's."""
    assert len(ACCOUNT_COMMANDS) == 7
    for text in ACCOUNT_COMMANDS:
        (place.folder / "command.json").write_text(text, encoding="utf-8")
        assert await typed(place, "python3 -m dev cli account command command.json") == 0, text
        event = await place.app.event(json.loads(text)["command_id"])
        assert event["type"] == "darkroom.account.command.applied", (text, event["data"]["reason"])
    (shown,) = [json.loads(block) for page, block in blocks("json") if page == COMMANDS_PAGE and "specversion" in block]
    heard = await place.app.event("order-7")
    assert shown | {"time": heard["time"]} == heard
    account, _ = await place.stack.app.deps.store.load_account("acme")
    assert account is not None
    assert (account.available, account.limits) == (800, ())


async def test_the_decisions_of_the_page_are_applied(place: Place) -> None:
    """Of two requests that wait for an approval one is approved and succeeds, the other is denied."""
    deps, account = place.stack.app.deps, "acme"
    await worker.grant(deps, account, 100, grant_id="for-approvals")
    await worker.set_account(deps, account, Settings(approvers=("eve",)), Command(command_id="who"))
    limit = Limit(limit_id="daily", window=Span.DAY, amount=0, effect=Effect.APPROVE)
    await worker.set_limit(deps, account, limit, Command(command_id="asks"))
    assert [json.loads(text)["type"] for text in DECISIONS] == ["approve", "deny"]
    for text, outcome in zip(DECISIONS, ("succeeded", "rejected"), strict=True):
        command = json.loads(text)
        ids = {name: command[name] for name in ("generation_id", "user_id", "account_id")}
        await place.app.send({**ids, "prompt": "A lighthouse"})
        asked = await place.app.event(ids["generation_id"], timeout_s=60)
        assert (asked["type"], asked["data"]["approvers"]) == ("darkroom.approval.needed", ["eve"])
        (place.folder / "command.json").write_text(text, encoding="utf-8")
        assert await typed(place, "python3 -m dev cli account command command.json") == 0
        answer = await place.app.event(command["command_id"], timeout_s=60)
        assert answer["type"] == "darkroom.account.command.applied", answer["data"]["reason"]
        ended = await place.app.event(ids["generation_id"], 60, 2)
        assert ended["type"] == f"darkroom.generation.{outcome}", ended["data"]["reason"]
    assert ended["data"]["reason"] == {"code": "APPROVAL_DENIED", "text": "Not this quarter."}
    await worker.remove_limit(deps, account, "daily", Command(command_id="asks-no-more"))


async def test_a_picture_is_made_from_the_sample_picture(place: Place) -> None:
    """The page's own address, which is nobody's on the internet, leads to a sample here and nowhere else."""
    assert {samples.HOST} == {re.findall(r"https://([a-z.]+)/", text)[0] for text in REQUESTS if "https://" in text}
    message = {"generation_id": "elsewhere", "user_id": "ada", "prompt": "A lighthouse", "quality": "standard"}
    await place.app.send({**message, "image_url": f"https://127.0.0.1:{place.stack.host_url.rpartition(':')[2]}/x"})
    event = await place.app.event("elsewhere")
    assert event["data"]["reason"]["code"] == "INPUT_INVALID"


async def test_every_command_line_of_the_pages_works(place: Place) -> None:
    """They run one after the other, with real values for the words in capitals."""
    if "7f3c" not in place.app.events:
        assert await typed(place, "python3 -m dev cli grant ada 1000") == 0
        assert await typed(place, "python3 -m dev cli account plan ada basic") == 0
        await place.app.send(REQUESTS[0].encode())
        await place.app.event("7f3c", timeout_s=60)
    assert await typed(place, "python3 -m dev cli grant acme 100") == 0
    await place.app.send(b"no message")
    for _ in range(600):  # a minute, on a machine that has others
        dead_letters = await place.stack.app.dead_letters.list_dead_letters("", 1)
        if dead_letters:
            break
        await asyncio.sleep(0.1)
    found = (await place.stack.app.store.load(Key("ada", "7f3c"))).generation
    receipt = await worker.receipt(place.stack.app.deps, found) if found else None
    (place.folder / "receipt.json").write_bytes(receipt or b"")
    keys = await worker.public_keys(place.stack.app.deps)
    (place.folder / "keys.json").write_bytes(worker.keys_document(keys))
    (place.folder / "bill.csv").write_text(
        "Amount,Model,Prediction\n0.003,black-forest-labs/flux-schnell,abc\n", encoding="utf-8"
    )
    meant = MEANT | {"NAME": dead_letters[0].name, "GENERATION": "7f3c"}
    wrong = []
    for line in lines():
        own = {"CATALOG_FILE": "shared/core/catalog/catalog.toml", "PLANS_FILE": "shared/core/catalog/plans.toml"}
        of = own.get(line.partition("=")[0], "dev/unscreened.toml")
        shutil.copyfile(ROOT / of, place.folder / "new.toml")
        (place.folder / "command.json").write_text(ACCOUNT_COMMANDS[0], encoding="utf-8")
        said = re.sub(r"\b[A-Z]+\b(?!=|_)", lambda word: shlex.quote(meant.get(word[0], word[0])), line)
        code = await typed(place, said)
        if code not in allowed_codes(line):
            wrong.append((line, code))
    assert wrong == []
    assert len(lines()) > 25


async def test_the_command_line_runs_by_whichever_python(place: Place) -> None:
    """One without the packages goes on in the project's own environment: help, and no traceback."""
    python = shutil.which("python3", path="/usr/local/bin:/usr/bin") or shutil.which("python3") or ""
    called = await asyncio.to_thread(
        subprocess.run, [python, "-m", "shared.cli", "--help"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (called.returncode, called.stderr) == (0, "")
    assert "Operate a running Darkroom" in called.stdout
    assert place.stack.host_url


async def test_every_page_with_json_has_a_test() -> None:
    """A page's JSON is sent here, or a test that names the page reads it."""
    pages = {page for page, _ in blocks("json")}
    assert pages - set(MESSAGES) == set(OWN_TESTS)
    for page, test in OWN_TESTS.items():
        assert f'"{page}"' in (ROOT / test).read_text(encoding="utf-8")


async def test_the_policy_for_trying_is_the_apps_own_but_for_what_it_lets_pass() -> None:
    """So that it does not grow old beside it."""
    own = (ROOT / "shared" / "core" / "safety" / "moderation.toml").read_text(encoding="utf-8")
    trying = (ROOT / "dev" / "unscreened.toml").read_text(encoding="utf-8")
    rule = re.compile(r"^(version|unscreened) = .*$", re.MULTILINE)
    _, _, own_rules = rule.sub("", own).partition("\n\n")
    _, _, trying_rules = rule.sub("", trying).partition("\n\n")
    assert own_rules.strip() == trying_rules.strip()
    assert parse_policy(trying, "unscreened.toml").version != parse_policy(own, "moderation.toml").version
