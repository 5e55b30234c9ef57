"""What all commands share: settings, health, exit codes, and how they end."""

import ast
import asyncio
import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
from azure.identity.aio import DefaultAzureCredential

from shared.cli.context import OperatorsApp
from shared.cli.main import run
from shared.config.settings import NAMES, Settings
from shared.views.times import span
from tests.cli.counter import ENV, SECRETS, Counter

ROOT = Path(__file__).parents[2]


def test_help_names_every_command(counter: Counter) -> None:
    """In one screen of 80 columns."""
    called = counter.call("--help")
    assert called.code == 0
    commands = "submit upload cancel show open grant account audit correct usage settings health dead-letters catalog"
    for command in commands.split():
        assert re.search(rf"^  {command} +\w.*[^.]\.$", called.out, re.MULTILINE), command
    assert max(len(line) for line in called.out.splitlines()) <= 80


def test_settings_are_listed_without_their_values(counter: Counter) -> None:
    """Which are set, which are not, and what each should look like; never a value."""
    called = counter.call("settings", env=ENV | {"LOG_LEVEL": "loud-secret"})
    assert called.code == 2
    for name in NAMES:
        assert re.search(rf"^{name.env} +.* +{re.escape(name.shape)}$", called.out, re.MULTILINE), name.env
    assert re.search(r"^REPLICATE_API_TOKEN +set ", called.out, re.MULTILINE)
    assert re.search(r"^LOG_LEVEL +malformed ", called.out, re.MULTILINE)
    assert re.search(r"^STATE_TABLE +default: state ", called.out, re.MULTILINE)
    assert "LOG_LEVEL is malformed" in called.err
    for value in [*SECRETS.values(), "secret"]:
        assert value not in (called.out + called.err).replace(_shapes(), "")


def _shapes() -> str:
    """The one shape that has the word in it, which is no secret."""
    return next(name.shape for name in NAMES if name.env == "REPLICATE_API_TOKEN")


def test_settings_that_will_do(counter: Counter) -> None:
    """Are exit code 0."""
    assert counter.call("settings").code == 0


def test_missing_settings_are_listed_at_once(counter: Counter) -> None:
    """Exit code 2 and no traceback; no client was made."""
    called = counter.call("account", "ada", env={})
    assert (called.code, called.out) == (2, "")
    assert "6 setting(s) cannot be used:" in called.err
    assert "Traceback" not in called.err
    assert counter.rooms.closed == 0


def test_a_malformed_connection_string_is_a_setting_too(capsys: pytest.CaptureFixture[str]) -> None:
    """The real wiring refuses it when its first client is made."""
    env = ENV | {"STORAGE_CONNECTION_STRING": "not-a-connection-string"}
    assert run(["account", "ada"], env=env, open_app=OperatorsApp) == 2
    told = capsys.readouterr()
    assert "STORAGE_CONNECTION_STRING is malformed" in told.err
    assert "not-a-connection-string" not in told.err


@pytest.mark.parametrize("setting", ["MODERATION_FILE", "CATALOG_FILE", "BLOCKLIST_FILE"])
@pytest.mark.parametrize("place", ["/nowhere/file.toml", __file__])
def test_settings_reads_the_files_that_are_named(setting: str, place: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With one that is not there, or is something else, the app could not run: exit code 2, and which it is."""
    assert run(["settings"], env=ENV | {setting: place}, open_app=OperatorsApp) == 2
    assert setting in capsys.readouterr().err
    assert run(["settings"], env=ENV | {setting: "blob:config/file.toml"}, open_app=OperatorsApp) == 0


def test_a_neighbour_that_is_down_is_one_line(counter: Counter) -> None:
    """Exit code 1, and the rooms are closed all the same."""
    counter.rooms.trouble = "no connection"
    called = counter.call("account", "ada")
    assert (called.code, called.out) == (1, "")
    assert called.err == "tables is not available: no connection\n"
    assert counter.rooms.closed == 1


def test_every_command_closes_its_rooms(counter: Counter) -> None:
    """Once, also when it refuses."""
    counter.call("account", "ada")
    counter.call("account", "nobody")
    assert counter.rooms.closed == 2


def test_health_answers_as_the_door_does(counter: Counter) -> None:
    """Exit code 1 if one dependency does not answer."""
    assert counter.call("health").code == 0
    counter.rooms.answers = {"tables": "ok", "replicate": "no answer within 5 s"}
    called = counter.call("health", "--json")
    assert called.code == 1
    assert json.loads(called.out) == counter.rooms.answers
    assert re.search(r"^replicate +no answer within 5 s$", counter.call("health").out, re.MULTILINE)


def test_a_command_that_there_is_not(counter: Counter) -> None:
    """Is a wrong command line."""
    called = counter.call("destroy")
    assert (called.code, called.out) == (2, "")
    assert "No such command" in called.err


@pytest.mark.parametrize(
    ("seconds", "told"), [(0.4, "0 s"), (59, "59 s"), (60, "1 min"), (3661, "1 h 1 min"), (-90000, "1 d 1 h")]
)
def test_spans_of_time_are_told_in_two_units(seconds: float, told: str) -> None:
    """The largest two there are."""
    assert span(timedelta(seconds=seconds)) == told


def test_the_app_does_not_import_the_command_line() -> None:
    """Its packages are not installed where the app runs."""
    for file in [ROOT / "function_app.py", *(ROOT / "shared").rglob("*.py")]:
        if file.is_relative_to(ROOT / "shared" / "cli"):
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [name for name in names if name.startswith("shared.cli")], file


def test_an_operator_logs_in_with_whatever_login_there_is() -> None:
    """Where nothing but addresses is set, an operator has no managed identity, but perhaps ``az login``."""
    addresses = {
        "ServiceBus__fullyQualifiedNamespace": "darkroom.servicebus.windows.net",
        "STORAGE_TABLE_URL": "https://darkroom.table.core.windows.net",
        "STORAGE_BLOB_URL": "https://darkroom.blob.core.windows.net",
        "KEY_VAULT_URL": "https://darkroom.vault.azure.net",
        "CONTENT_SAFETY_ENDPOINT": "https://safety.example",
        "PUBLIC_URL": "https://darkroom.example",
    }

    async def log_in() -> None:
        app = OperatorsApp(Settings.from_env(addresses))
        assert app.store is not None
        assert isinstance(app.credential, DefaultAzureCredential)
        await app.close()

    asyncio.run(log_in())
