"""dead-letters list, show, replay."""

import asyncio
import json

import pytest

from dev.fakes.messenger import EVENTS, REQUESTS
from dev.fakes.world import KEY
from shared.core.keys import Key
from shared.core.requests.messages import Check, GenerationRequest
from shared.worker.dead_letters import archive
from tests.cli.counter import Counter

REQUEST = json.dumps({"user_id": "ada", "generation_id": "one", "prompt": "A secret garden", "no_such": 1}).encode()


def dead_letter(counter: Counter, raw: bytes, key: Key | None = KEY, queue: str = REQUESTS) -> str:
    """Archive a raw message as the app does; returns its name."""
    before = set(counter.blobs.dead_letters)
    asyncio.run(archive(counter.deps, raw, key, "dead-lettered", queue))
    (name,) = set(counter.blobs.dead_letters) - before
    return name


def test_list_shows_each_dead_letter(counter: Counter) -> None:
    """One line each with reason, ids and name; an empty archive is a sentence."""
    assert counter.call("dead-letters", "list").out == "There are no dead letters.\n"
    name = dead_letter(counter, REQUEST)
    garbage = dead_letter(counter, b"garbage", key=None, queue=EVENTS)
    called = counter.call("dead-letters", "list")
    assert called.code == 0
    heads, first, second = (line.split() for line in called.out.splitlines())
    assert heads == ["ARCHIVED", "REASON", "USER", "GENERATION", "BYTES", "NAME"]
    assert first[2:] == ["dead-lettered", "ada", "one", str(len(REQUEST)), name]
    assert second[2:] == ["dead-lettered", "-", "-", "7", garbage]


def test_list_of_one_queue(counter: Counter) -> None:
    """A queue that is not the app's is refused, and the error names those of the app."""
    name = dead_letter(counter, REQUEST)
    dead_letter(counter, b"garbage", key=None, queue=EVENTS)
    called = counter.call("dead-letters", "list", "--queue", REQUESTS, "--limit", "1")
    assert name in called.out
    assert EVENTS not in called.out
    assert "may be more" in called.err
    called = counter.call("dead-letters", "list", "--queue", "others")
    assert called.code == 1
    assert f"{REQUESTS}, {EVENTS}" in called.err


def test_show_says_what_a_dead_letter_is_about(counter: Counter) -> None:
    """It does not print the content."""
    called = counter.call("dead-letters", "show", dead_letter(counter, REQUEST))
    assert called.code == 0
    printed = dict(line.split(maxsplit=1) for line in called.out.splitlines() if not line.startswith("generation is"))
    assert printed["message"].strip() == "the request of generation"
    assert printed["user"].strip() == "ada"
    assert "not found" in called.out
    assert "garden" not in called.out


def test_show_raw_prints_the_message(counter: Counter) -> None:
    """Any bytes are printed, and none steers the terminal."""
    assert json.loads(counter.call("dead-letters", "show", dead_letter(counter, REQUEST), "--raw").out) == json.loads(
        REQUEST
    )
    garbage = dead_letter(counter, b"\x1b[2J\xff[red]\n\x00", key=None)
    assert counter.call("dead-letters", "show", garbage, "--raw").out == "\\x1b[2J\\xff[red]\n\\x00\n"


def test_replay_sends_the_request_again(counter: Counter) -> None:
    """Each time with a new message id, and the dead letter stays in the archive."""
    name = dead_letter(counter, REQUEST)
    for _ in range(2):
        called = counter.call("dead-letters", "replay", name, "--yes")
        assert called.code == 0
        assert "No generation was opened for it." in called.out
    first, second = counter.messenger.sent
    assert first.queue == REQUESTS
    assert first.message == GenerationRequest(key=KEY, prompt="A secret garden", unknown_fields=("no_such",))
    assert first.envelope.message_id != second.envelope.message_id
    assert name in counter.blobs.dead_letters
    assert "garden" not in called.out


def test_replay_of_an_ended_generation_warns_first(counter: Counter) -> None:
    """It asks for confirmation, and without a yes nothing is sent."""
    counter.generate(KEY)
    name = dead_letter(counter, REQUEST)
    called = counter.call("dead-letters", "replay", name, answer="n\n")
    assert called.code == 1
    assert "has ended (succeeded), and sending this again changes nothing" in called.out
    assert "darkroom submit" in called.out
    assert counter.messenger.sent == []
    assert counter.call("dead-letters", "replay", name, answer="y\n").code == 0
    assert len(counter.messenger.sent) == 1


def test_replay_of_a_check_goes_to_its_own_queue(counter: Counter) -> None:
    """It says that the generation is open."""
    counter.request(KEY)
    name = dead_letter(counter, json.dumps(Check(KEY).to_json()).encode(), queue=EVENTS)
    called = counter.call("dead-letters", "replay", name, "--yes")
    assert "is open (running)" in called.out
    assert (counter.sent().queue, counter.sent().message) == (EVENTS, Check(KEY))


def test_replay_refuses_bytes_that_are_not_a_message(counter: Counter) -> None:
    """They would only be archived again."""
    called = counter.call("dead-letters", "replay", dead_letter(counter, b"garbage", key=None), "--yes")
    assert called.code == 1
    assert "not a message of the app: the message is not JSON" in called.err
    assert counter.messenger.sent == []


@pytest.mark.parametrize("command", ["show", "replay"])
def test_a_missing_dead_letter_is_refused(counter: Counter, command: str) -> None:
    """So is an impossible name, and a name of a queue that is not the app's."""
    name = f"{REQUESTS}/2026-11-21/{'0' * 32}.json"
    assert "There is no dead letter" in counter.call("dead-letters", command, name).err
    assert counter.call("dead-letters", command, "nonsense").code == 2
    other = dead_letter(counter, REQUEST, queue="others")
    assert "is not a queue of this app" in counter.call("dead-letters", command, other).err
    assert counter.messenger.sent == []
