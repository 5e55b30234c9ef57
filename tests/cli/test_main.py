"""What all commands share: settings, health, exit codes, and how they end."""

import ast
import asyncio
import errno
import io
import json
import re
import sys
from collections.abc import Mapping
from datetime import timedelta

import pytest
from azure.identity.aio import DefaultAzureCredential
from azure.servicebus.aio import ServiceBusClient

from dev.project_files import text_of
from shared.cli.context import OperatorsApp, is_connection_string
from shared.cli.main import run
from shared.cli.stdout import answered
from shared.composition.app import App
from shared.config.settings import NAMES, Settings
from shared.core.dependency import Dependency
from shared.core.keys import ID_RULE
from shared.ports import Unavailable
from shared.views.times import span
from tests.cli.counter import ENV, SECRETS, Counter
from tests.full import full
from tests.sources import ROOT, app, nodes


def test_help_names_every_command(counter: Counter) -> None:
    """The help has a line for each, in 80 columns."""
    called = counter.call("--help")
    assert called.code == 0
    commands = "submit upload cancel show open grant account pause resume paused audit correct usage settings health "
    commands += "dead-letters catalog"
    for command in commands.split():
        assert re.search(rf"^  {command} +\w.*[^.]\.$", called.out, re.MULTILINE), command
    assert max(len(line) for line in called.out.splitlines()) <= 80


@pytest.mark.parametrize("argv", [("settings",), ("--help",), ("grant", "ada", "5"), ("account", "ada", "--json")])
def test_an_answer_that_cannot_be_written_is_one_sentence(
    counter: Counter, argv: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit code is 1, as nobody has read the answer."""
    monkeypatch.setattr(sys, "stdout", full())
    assert run(list(argv), env=ENV, open_app=lambda _: counter.operations) == 1
    said = "stdout cannot be written: No space left on device. What the command did before that is done.\n"
    assert capsys.readouterr().err == said


def test_a_command_within_a_command_says_so_once(
    counter: Counter, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`python3 -m dev cli` is one."""
    monkeypatch.setattr(sys, "stdout", full())
    assert answered(lambda: run(["settings"], env=ENV, open_app=lambda _: counter.operations)) == 1
    assert capsys.readouterr().err.count("stdout cannot be written") == 1


def test_a_pipe_of_any_encoding_takes_every_answer(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also within another command."""
    assert counter.call("account", "set", "ada", "--name", "Zoë").code == 0
    pipe = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", pipe)
    assert answered(lambda: run(["account", "ada"], env=ENV, open_app=lambda _: counter.operations)) == 0
    pipe.seek(0)
    assert "Zo\\xeb" in pipe.read()


def test_an_error_that_is_not_of_stdout_is_not_called_so(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug stays visible."""

    async def broken() -> None:
        raise OSError(errno.EIO, "a bug")

    monkeypatch.setattr(counter.operations, "load_data_files", broken)
    with pytest.raises(OSError, match="a bug"):
        counter.call("account", "ada")


def test_settings_are_listed_without_their_values(counter: Counter) -> None:
    """The list shows which are set and what each should look like, and never a value."""
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
    """The one shape that contains the word, which is not a secret."""
    return next(name.shape for name in NAMES if name.env == "REPLICATE_API_TOKEN")


def test_complete_settings_are_accepted(counter: Counter) -> None:
    """The exit code is 0."""
    assert counter.call("settings").code == 0


def test_missing_settings_are_listed_at_once(counter: Counter) -> None:
    """The exit code is 2, without a traceback, and no client was made."""
    called = counter.call("account", "show", "ada", env={})
    assert (called.code, called.out) == (2, "")
    assert "7 setting(s) cannot be used:" in called.err
    assert "Traceback" not in called.err
    assert counter.operations.closed == 0


def test_a_malformed_connection_string_is_a_setting_too(capsys: pytest.CaptureFixture[str]) -> None:
    """The real app refuses it when it makes its first client."""
    env = ENV | {"STORAGE_CONNECTION_STRING": "not-a-connection-string"}
    assert run(["account", "show", "ada"], env=env, open_app=OperatorsApp) == 2
    printed = capsys.readouterr()
    assert "STORAGE_CONNECTION_STRING is malformed" in printed.err
    assert "not-a-connection-string" not in printed.err


@pytest.mark.parametrize(
    "text", ["Endpoint=sb://127.0.0.1:1/", "x", "Endpoint=sb://a/;SharedAccessKey=secret", "SharedAccessKey=secret"]
)
def test_a_malformed_connection_string_of_the_queue_is_a_setting_too(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is named, and shown by no error."""
    assert run(["account", "show", "ada"], env=ENV | {"ServiceBus": text}, open_app=OperatorsApp) == 2
    printed = capsys.readouterr()
    assert "ServiceBus is malformed: it should be a connection string: Endpoint=sb://" in printed.err
    assert "secret" not in printed.err
    assert "127.0.0.1" not in printed.err


@pytest.mark.parametrize("text", [ENV["ServiceBus"], "endpoint=sb://a/;SharedAccessSignature=sig"])
def test_what_service_bus_takes_is_well_formed(text: str) -> None:
    """Its own library reads a shared access signature too, and names in any case."""
    assert is_connection_string(text)
    assert ServiceBusClient.from_connection_string(text).fully_qualified_namespace


def test_a_folder_of_keys_that_cannot_be_used_is_named(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its setting: the error of the file alone says neither. A vault is no folder."""

    async def unreadable() -> None:
        raise Unavailable(Dependency.SECRETS, "the key file signing-key.key: No such file or directory")

    monkeypatch.setattr(counter.operations, "load_data_files", unreadable)
    for settings, more in (
        ({"KEYS_FOLDER": "/proc/x"}, ". The folder of the keys is /proc/x (KEYS_FOLDER).\n"),
        ({"KEY_VAULT_URL": "https://x.vault.azure.net"}, "\n"),
    ):
        counter.operations.settings = Settings.from_env(ENV | settings)
        called = counter.call("keys")
        assert called.code == 1
        assert called.err.endswith(f"the key file signing-key.key: No such file or directory{more}")


def test_the_help_has_the_rule_of_ids(counter: Counter) -> None:
    """The whole rule, as the errors have it."""
    assert ID_RULE in " ".join(counter.call("--help").out.split())


@pytest.mark.parametrize("setting", ["MODERATION_FILE", "CATALOG_FILE", "PLANS_FILE", "BLOCKLIST_FILE"])
@pytest.mark.parametrize("place", ["/nowhere/file.toml", __file__])
def test_settings_reads_the_files_that_are_named(setting: str, place: str, capsys: pytest.CaptureFixture[str]) -> None:
    """If one is missing or is not such a file, the exit code is 2 and the setting is named."""
    assert run(["settings"], env=ENV | {setting: place}, open_app=OperatorsApp) == 2
    assert setting in capsys.readouterr().err
    assert run(["settings"], env=ENV | {setting: "blob:config/file.toml"}, open_app=OperatorsApp) == 0


def test_a_dependency_that_is_down_is_reported_in_one_line(counter: Counter) -> None:
    """The exit code is 1, and the app is still closed."""
    counter.operations.trouble = "no connection"
    called = counter.call("account", "show", "ada")
    assert (called.code, called.out) == (1, "")
    assert called.err == "tables is not available: no connection\n"
    assert counter.operations.closed == 1


def test_every_command_closes_its_app(counter: Counter) -> None:
    """Once, even if the command refuses."""
    counter.call("account", "show", "ada")
    counter.call("account", "show", "nobody")
    assert counter.operations.closed == 2


def test_operators_read_why_a_file_cannot_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line has no log to look into. What anybody may ask for goes on to name the setting alone."""

    async def states(made: type[App]) -> Mapping[str, str]:
        app = made(Settings.from_env(ENV | {"PLANS_FILE": "/nowhere/plans.toml"}))
        return await app.health()

    pings = App.pings
    monkeypatch.setattr(App, "pings", lambda self: {"settings": pings(self)["settings"]})
    said = asyncio.run(states(OperatorsApp))["settings"]
    assert re.fullmatch(r"PLANS_FILE.*/nowhere/plans\.toml.*", said)
    assert asyncio.run(states(App))["settings"] == "PLANS_FILE cannot be used; the log says why"


def test_health_answers_as_the_http_route_does(counter: Counter) -> None:
    """The exit code is 1 if one dependency does not answer."""
    assert counter.call("health").code == 0
    counter.operations.answers = {"tables": "ok", "replicate": "no answer within 5 s"}
    called = counter.call("health", "--json")
    assert called.code == 1
    assert json.loads(called.out) == counter.operations.answers
    assert re.search(r"^replicate +no answer within 5 s$", counter.call("health").out, re.MULTILINE)


def test_an_unknown_command_is_refused(counter: Counter) -> None:
    """The exit code is 2, and the error says so."""
    called = counter.call("destroy")
    assert (called.code, called.out) == (2, "")
    assert "No such command" in called.err


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59, "59 s"), (60, "1 min"), (3661, "1 h 1 min"), (-90000, "1 d 1 h")]
)
def test_a_span_of_time_is_shown_in_two_units(seconds: float, text: str) -> None:
    """The two largest units that are not zero."""
    assert span(timedelta(seconds=seconds)) == text


def test_the_app_does_not_import_the_command_line() -> None:
    """The command line's packages are not installed where the app runs."""
    for file in app():
        if file.is_relative_to(ROOT / "shared" / "cli") or "shared.cli" not in text_of(file):
            continue  # it takes a second to parse the whole app
        for node in nodes(file):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [name for name in names if name.startswith("shared.cli")], file


def test_an_operator_logs_in_with_any_available_login() -> None:
    """With addresses only, an operator has no managed identity but may have used ``az login``."""
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
