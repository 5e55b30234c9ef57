"""`dev up` and its sibling commands: an error is one sentence, and every printed line is true."""

import io
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from dev import commands, demo, env, events, local_settings, ports, run_folders, running, send, setup, up
from dev.local_settings import local_values, of_environment, real_replicate
from dev.process import StartError
from dev.stack import LOCAL, ROOT, check_store
from dev.trouble import sentences
from shared.config.settings import SettingsError
from tests.full import full

TOKEN = {"REPLICATE_API_TOKEN": "r8_secret"}


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which something listens."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


# Ports.


@pytest.mark.parametrize("chosen", ["abc", "0", "-1", "65536", "70 71", "7071.0", "9" * 5000, "\u0661"])
def test_an_invalid_host_port_is_one_sentence(chosen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence says which values are valid."""
    monkeypatch.setenv("HOST_PORT", chosen)
    with pytest.raises(StartError, match=r"^HOST_PORT must be the number of a port, from 1 to 65535, such as 7071\.$"):
        ports.of_host(7071)


def test_a_port_that_is_in_use_is_refused_or_passed_by(taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """HOST_PORT is a promise to a tunnel, so it must be free; if the default port is in use, a free one is taken."""
    monkeypatch.setenv("HOST_PORT", str(taken))
    with pytest.raises(StartError, match=f"HOST_PORT={taken} is in use"):
        ports.of_host()
    monkeypatch.delenv("HOST_PORT")
    assert ports.free_or(taken) == 0
    assert ports.of_host(taken) not in {0, taken}
    free = ports.of_host()
    assert ports.free_or(free) == free
    assert ports.of_host(free) == free


# Settings.


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "is not JSON: line 1, column 2"),
        ("", "is not JSON: line 1, column 1"),
        ("[]", 'must hold a JSON object with "Values"'),
        ('{"Values": []}', 'must hold a JSON object with "Values"'),
        ('{"Values": {"LOG_LEVEL": 3}}', 'must hold a JSON object with "Values"'),
        ("{}", 'must hold a JSON object with "Values"'),
    ],
)
def test_a_broken_settings_file_is_one_sentence(content: str, says: str, tmp_path: Path) -> None:
    """It names the file and what to do, and quotes nothing of its content."""
    file = tmp_path / "local.settings.json"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(StartError) as caught:
        local_values(file)
    assert str(file) in str(caught.value)
    assert says in str(caught.value)
    assert "or delete it" in str(caught.value)


def test_a_settings_file_is_made_from_the_example(tmp_path: Path) -> None:
    """It is then read, even with the byte order mark of Windows' editors."""
    file = tmp_path / "local.settings.json"
    assert local_values(file)["GENERATION_QUEUE"] == "generation-requests"
    file.write_text("\ufeff" + file.read_text(encoding="utf-8"), encoding="utf-8")
    assert local_values(file)["GENERATION_QUEUE"] == "generation-requests"


def test_the_environment_says_how_it_behaves_and_leads_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file's path is the shell's; an address or a key that a shell has is kept."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text("", encoding="utf-8")
    said = {
        "MODERATION_FILE": "mine.toml",
        "BLOCKLIST_FILE": "blob:settings/blocklist.toml",
        "REFUSE_HATE_FROM": "2",
        "CATALOG_FILE": "",
        "STORAGE_CONNECTION_STRING": "AccountName=real",
        "KEY_VAULT_URL": "https://real.vault.azure.net",
    }
    assert of_environment(said) == {
        "MODERATION_FILE": str(tmp_path / "mine.toml"),
        "BLOCKLIST_FILE": "blob:settings/blocklist.toml",
        "REFUSE_HATE_FROM": "2",
    }
    with pytest.raises(StartError, match=r"^CATALOG_FILE: there is no file .*none\.toml\.$"):
        of_environment({"CATALOG_FILE": "none.toml"})


@pytest.mark.parametrize(
    ("said", "says"),
    [
        (TOKEN, "REPLICATE_API_TOKEN is set, and PUBLIC_URL is not"),
        (TOKEN | {"PUBLIC_URL": "http://"}, "PUBLIC_URL must be an https address"),
        (TOKEN | {"PUBLIC_URL": "http://name.example"}, "PUBLIC_URL must be an https address"),
        (TOKEN | {"PUBLIC_URL": "https://"}, "PUBLIC_URL must be an https address"),
        (TOKEN | {"PUBLIC_URL": "https://name.example/path?x=1"}, "PUBLIC_URL must be an https address"),
        (TOKEN | {"PUBLIC_URL": "https://name.example:port"}, "PUBLIC_URL must be an https address"),
        (TOKEN | {"PUBLIC_URL": "https://["}, "PUBLIC_URL must be an https address"),
    ],
)
def test_a_token_without_an_address_is_one_sentence(said: Mapping[str, str], says: str) -> None:
    """It names what is missing or wrong, and never quotes the token."""
    with pytest.raises(StartError, match=says) as caught:
        real_replicate(said)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("public", ["http://127.0.0.1:7071", "http://localhost:7071"])
def test_a_shell_with_the_settings_of_a_stack_is_named(public: str) -> None:
    """`eval "$(python3 -m dev env)"` sets them; they are not a real Replicate's."""
    said = TOKEN | {"PUBLIC_URL": public, "REPLICATE_API_URL": "http://127.0.0.1:9/v1"}
    with pytest.raises(StartError) as caught:
        real_replicate(said)
    assert "as `python3 -m dev env` sets it" in str(caught.value)
    assert "open another shell, or unset REPLICATE_API_TOKEN and PUBLIC_URL" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_the_real_replicate_takes_a_token_and_an_address() -> None:
    """Without a token the simulator is used, whatever else is set."""
    good = TOKEN | {"PUBLIC_URL": "https://name.example"}
    assert real_replicate(good) == good | {"CHECK_AFTER_S": "20"}
    assert real_replicate({"PUBLIC_URL": "https://name.example"}) == {}


# One at a time.


def test_a_second_stack_does_not_take_over_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the running stack; the file of a killed one is ignored."""
    file = tmp_path / "stack.json"
    monkeypatch.setattr(running, "RUNNING", file)
    with running.only_one() as first:
        running.record(first, {"ServiceBus": "one"})
        with pytest.raises(StartError, match="A local stack is up already"), running.only_one():
            pass
        assert running.values() == {"ServiceBus": "one"}
    assert not file.exists()
    running.record(file, {"ServiceBus": "left behind"})
    with pytest.raises(StartError, match="No local stack is running"):
        running.values()
    with running.only_one():
        pass


def test_the_folder_of_a_killed_run_is_removed(tmp_path: Path) -> None:
    """Its settings may hold a real token. That of a run that goes on stays, and so does what has just been made."""
    mine = run_folders.make(tmp_path)
    killed = tmp_path / "run-killed"
    just, old, other = (tmp_path / name for name in ("run-just-made", "run-without-lock", "samples"))
    for folder in (killed, just, old, other):
        folder.mkdir()
        (folder / "settings.json").write_text("{}", encoding="utf-8")
    (killed / "lock").touch()
    yesterday = time.time() - 90_000
    os.utime(old, (yesterday, yesterday))
    run_folders.remove_left_behind(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([mine.path, just, other])
    mine.remove()
    assert sorted(tmp_path.iterdir()) == sorted([just, other])
    run_folders.remove_left_behind(tmp_path / "nowhere")


def test_the_siblings_say_that_nothing_is_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """They name the command that starts a stack; an invalid message is refused before."""
    monkeypatch.setattr(running, "RUNNING", tmp_path / "stack.json")
    assert [env.main([]), events.main([]), send.main(["{}"])] == [1, 1, 1]
    printed = capsys.readouterr()
    assert (printed.out, printed.err.count("Start one with: python3 -m dev up")) == ("", 3)
    for bad in ([], ["no message"], ["[]"], ["{" * 100_000], ["{}", "{}"]):
        assert send.main(bad) == 2
    assert env.main(["x"]) == 2


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["-"], "stdin is closed: there is no message to send."),
        (['{"prompt": "\udcff"}'], "The message is not text in UTF-8. Nothing was sent."),
        (['{"prompt": "' + "x" * 300_000 + '"}'], "The message has 300014 bytes, and may have at most 262144."),
    ],
)
def test_a_message_that_cannot_be_sent_is_one_sentence(
    argv: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is refused before a stack is looked for."""
    monkeypatch.setattr(sys, "stdin", None)
    assert send.main(argv) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert said in printed.err


def test_bytes_on_stdin_that_are_no_text_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are no JSON, but that is not what is wrong with them."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"prompt": "\xff"}'), encoding="utf-8"))
    assert send.main(["-"]) == 2
    assert "The message is not text in UTF-8. Nothing was sent." in capsys.readouterr().err


def test_an_answer_that_cannot_be_written_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A full disk below stdout ends a command with 1."""
    monkeypatch.setattr(running, "RUNNING", tmp_path / "stack.json")
    monkeypatch.setattr(setup, "prepare", lambda _: None)
    monkeypatch.setattr(type(setup.PROJECT), "is_running", lambda _: True)
    monkeypatch.setattr(sys, "stdout", full())
    with running.only_one() as file:
        running.record(file, {"ServiceBus": "one"})
        assert commands.main(["env"]) == 1
    assert capsys.readouterr().err.startswith("stdout cannot be written: No space left on device.")


# What is shown.


@pytest.mark.parametrize(
    ("record", "noise"),
    [
        ({"level": "INFO", "function": "reconcile", "message": "executed reconcile in 3.1 ms"}, True),
        ({"level": "ERROR", "function": "reconcile", "message": "executed reconcile in 3.1 ms"}, False),
        ({"level": "INFO", "function": "generate", "message": "executed generate in 3.1 ms"}, False),
        ({"level": "INFO", "function": "reconcile", "message": "checked"}, False),
        ({"level": "DEBUG", "logger": "darkroom.metrics", "message": "count"}, True),
        ({"level": "WARNING", "logger": "darkroom.metrics", "message": "count"}, False),
    ],
)
def test_the_timers_silence_is_not_shown(record: dict[str, str], noise: bool) -> None:
    """The timer looks every second here, so only its findings and errors are printed."""
    assert up.is_noise(record) is noise


def test_several_troubles_at_once_are_sentences(capsys: pytest.CaptureFixture[str]) -> None:
    """Several failures of one start are all reported; an invalid setting is reported as elsewhere."""
    group = ExceptionGroup(
        "x", [StartError("One."), ExceptionGroup("y", [SettingsError("Two."), OSError(98, "Three")])]
    )
    assert list(sentences(group)) == ["One.", "Two.", "The local stack could not start: OSError: [Errno 98] Three"]
    assert capsys.readouterr().err == ""


@pytest.mark.stack
@pytest.mark.parametrize(
    ("said", "says"),
    [
        ({"HOST_PORT": "abc"}, "HOST_PORT must be the number of a port"),
        (TOKEN, "PUBLIC_URL is not"),
        (TOKEN | {"PUBLIC_URL": "http://"}, "PUBLIC_URL must be an https address"),
        ({"MODERATION_FILE": "/nowhere.toml"}, "MODERATION_FILE: there is no file /nowhere.toml."),
        ({"REFUSE_HATE_FROM": "many"}, "REFUSE_HATE_FROM"),
    ],
)
def test_up_says_what_is_wrong_without_a_traceback(
    said: Mapping[str, str],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It then ends and leaves no process."""
    monkeypatch.setattr(running, "RUNNING", tmp_path / "stack.json")
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    assert up.main([]) == 1
    printed = capsys.readouterr()
    assert says in printed.err
    assert "Traceback" not in printed.err
    assert printed.out == ""


def test_the_demo_says_what_is_wrong_too(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """It says so before it starts anything."""
    monkeypatch.setenv("REPLICATE_API_TOKEN", "r8_secret")
    monkeypatch.delenv("PUBLIC_URL", raising=False)
    assert demo.main([]) == 1
    printed = capsys.readouterr()
    assert "The demo did not work: REPLICATE_API_TOKEN is set, and PUBLIC_URL is not" in printed.out
    assert printed.err == ""


def test_a_broken_store_of_messages_is_named_with_its_cure(tmp_path: Path) -> None:
    """One that is missing, empty or whole is taken."""
    file = tmp_path / "servicebus.db"
    check_store(file)
    file.touch()
    check_store(file)
    file.write_bytes(b"junk" * 100)
    with pytest.raises(StartError) as caught:
        check_store(file)
    said = (
        f"{file} cannot be read: file is not a database. Delete it: the messages that it kept are gone, nothing else."
    )
    assert str(caught.value) == said
    file.unlink()
    with sqlite3.connect(file) as store:
        store.execute("CREATE TABLE messages (id TEXT)")
    store.close()
    check_store(file)


def test_the_help_says_what_is_not_kept(capsys: pytest.CaptureFixture[str]) -> None:
    """The simulator forgets its predictions, so what ran ends as LOST."""
    with pytest.raises(SystemExit):
        up.main(["--help"])
    assert "what ran ends as LOST" in " ".join(capsys.readouterr().out.split())


#: `up`, with a place of its own, so that it meets no other one here.
_ALONE = """
import pathlib, sys
from dev import running, up
running.RUNNING = pathlib.Path(sys.argv[1]) / "stack.json"
up.LOCAL = pathlib.Path(sys.argv[1])
sys.exit(up.main(["--keep"]))
"""


@pytest.mark.stack
@pytest.mark.timeout(120)
def test_up_comes_up_says_where_and_keeps_its_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second run has the account that was granted in the first; Ctrl-C ends it with 0."""
    monkeypatch.setattr(running, "RUNNING", tmp_path / "stack.json")
    for number in range(2):
        child = subprocess.Popen(
            [sys.executable, "-c", _ALONE, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        try:
            values = _values_within(60)
            cli = [sys.executable, "-m", "shared.cli"]
            if number == 0:
                subprocess.run([*cli, "grant", "ada", "10"], cwd=ROOT, env=values, check=True, capture_output=True)
            ran = subprocess.run(
                [*cli, "account", "ada", "--json"], cwd=ROOT, env=values, check=True, capture_output=True
            )
            assert json.loads(ran.stdout)["available"] == 10
        finally:
            child.send_signal(signal.SIGINT)
            out, _ = child.communicate(timeout=40)
        assert child.returncode == 0
        for word in ("python3 -m dev events", "python3 -m dev send", "python3 -m dev env", values["ServiceBus"]):
            assert word in out
        assert f"settings          {local_settings.LOCAL_SETTINGS}" in out
        assert re.search(r"Content Safety +http://127\.0\.0\.1:\d+ \(a simulator", out)
        assert f"kept in {tmp_path / 'up'}" in out
        assert "REPLICATE_API_TOKEN=r8_" in out
        assert "executed reconcile" not in out
    assert tmp_path != LOCAL


def _values_within(seconds: float) -> dict[str, str]:
    until = time.monotonic() + seconds
    while True:
        try:
            return running.values()
        except StartError:
            assert time.monotonic() < until
            time.sleep(0.2)
