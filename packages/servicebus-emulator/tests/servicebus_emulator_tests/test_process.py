"""The emulator as a process: ready line, ways to end, and nothing lost when it is killed."""

import gc
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from azure.servicebus import ServiceBusClient, ServiceBusMessage, ServiceBusReceiver
from azure.servicebus.exceptions import MessageLockLostError

pytestmark = pytest.mark.stack

ROOT = Path(__file__).parents[2]


@pytest.fixture
def entities(tmp_path: Path) -> Path:
    """A file with one queue."""
    path = tmp_path / "entities.json"
    path.write_text(json.dumps({"queues": [{"name": "q"}]}))
    return path


@contextmanager
def _process(entities: Path, *arguments: str) -> Iterator[tuple["subprocess.Popen[str]", dict[str, str]]]:
    """A running emulator and its ready line; killed at the end if it still runs."""
    command = [sys.executable, "-m", "servicebus_emulator", "--entities", str(entities), *arguments]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield process, json.loads(process.stdout.readline() or "{}")
        finally:
            process.kill()


def _receive_all(receiver: ServiceBusReceiver, count: int) -> list[tuple[int, str]]:
    got: list[tuple[int, str]] = []
    while len(got) < count:
        for message in receiver.receive_messages(count - len(got)):
            assert message.sequence_number is not None
            got.append((message.sequence_number, str(message)))
            receiver.complete_message(message)
    return got


def _live_through_a_kill(entities: Path, db: Path) -> list[tuple[int, str]]:
    """Send, complete some, kill and restart the emulator, go on with the same client; what was completed."""
    with _process(entities, "--db", str(db)) as (first, ready):
        client = ServiceBusClient.from_connection_string(ready["connection_string"], retry_backoff_factor=0.1)
        with (
            client,
            client.get_queue_sender("q") as sender,
            client.get_queue_receiver("q", max_wait_time=5) as receiver,
        ):
            sender.send_messages([ServiceBusMessage(f"batch {number}") for number in range(50)])
            for number in range(20):
                sender.send_messages(ServiceBusMessage(f"single {number}"))
            soon = datetime.now(UTC) + timedelta(seconds=0.5)
            sender.schedule_messages(ServiceBusMessage("scheduled"), soon)
            completed = _receive_all(receiver, 30)
            [locked] = receiver.receive_messages(1)
            first.send_signal(signal.SIGKILL)
            first.wait()
            with _process(entities, "--port", str(ready["port"]), "--db", str(db)):
                with pytest.raises(MessageLockLostError):
                    receiver.complete_message(locked)
                sender.send_messages(ServiceBusMessage("after"))
                completed += _receive_all(receiver, 42)
                assert receiver.receive_messages(1, max_wait_time=0.3) == []
    return completed


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # the SDK forgets sockets that were cut
def test_nothing_is_lost_and_nothing_comes_twice_when_it_is_killed(entities: Path, tmp_path: Path) -> None:
    """The same client goes on after SIGKILL and a restart on the same port and file."""
    completed = _live_through_a_kill(entities, tmp_path / "bus.db")
    gc.collect()  # so that the warnings come here, where they are ignored
    numbers = {text: number for number, text in completed}
    early = {f"batch {number}" for number in range(50)} | {f"single {number}" for number in range(20)}
    assert len(completed) == 72
    assert set(numbers) == early | {"scheduled", "after"}
    assert numbers["after"] > max(numbers[text] for text in early)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_cleanly_on_a_signal(entities: Path, number: signal.Signals) -> None:
    """Exit code 0, one line on standard output, none on standard error."""
    with _process(entities) as (process, ready):
        assert ready["ready"] == "servicebus"
        assert f"sb://127.0.0.1:{ready['port']};" in ready["connection_string"]
        process.send_signal(number)
        assert process.communicate(timeout=5) == ("", "")
        assert process.returncode == 0


def test_it_ends_with_the_pipe_of_its_parent(entities: Path) -> None:
    """The pipe closes however the parent ended, and the emulator ends."""
    with _process(entities, "--exit-with-stdin") as (process, _ready):
        assert process.communicate(timeout=5) == ("", "")
        assert process.returncode == 0


def test_it_says_what_is_wrong_with_its_entities(entities: Path) -> None:
    """One line on standard error, no traceback, exit code 2."""
    entities.write_text('{"queues": [{"name": "q", "lock": 5}]}')
    with _process(entities) as (process, ready):
        _out, error = process.communicate(timeout=5)
    assert ready == {}
    assert process.returncode == 2
    assert "unknown lock" in error
    assert "Traceback" not in error
