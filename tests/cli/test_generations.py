"""submit, cancel, show, open."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

from shared.core.generation import State
from shared.core.messages import CancelRequest, GenerationRequest, Key
from tests.cli.counter import Counter
from tests.fakes.messenger import REQUESTS
from tests.fakes.world import KEY

PROMPT = "A lighthouse at night"


def request_of(counter: Counter) -> GenerationRequest:
    """The one request that was sent."""
    message = counter.sent().message
    assert isinstance(message, GenerationRequest)
    return message


def test_submit_sends_what_the_app_would_send(counter: Counter) -> None:
    """Every option is in the message, under its field's name; nothing was opened by the command itself."""
    options: dict[str, Any] = {
        "--model": "flux-dev",
        "--width": "1024",
        "--height": "768",
        "--aspect-ratio": "4:3",
        "--num-outputs": "2",
        "--seed": "0",
        "--format": "png",
        "--negative-prompt": "fog",
        "--quality": "standard",
        "--max-credits": "4",
        "--id": "one",
    }
    argv = [part for pair in options.items() for part in pair]
    called = counter.call("submit", PROMPT, "--user", "ada", *argv, "--no-fallback")
    assert called.code == 0
    assert "darkroom show one --user ada" in called.out
    assert counter.sent().queue == REQUESTS
    assert request_of(counter) == GenerationRequest(
        key=KEY,
        prompt=PROMPT,
        model="flux-dev",
        width=1024,
        height=768,
        aspect_ratio="4:3",
        num_outputs=2,
        seed=0,
        output_format="png",
        negative_prompt="fog",
        quality="standard",
        max_credits=4,
        allow_fallback=False,
    )
    assert counter.records.saved_generations == {}


def test_submit_gives_each_generation_an_id_of_its_own(counter: Counter) -> None:
    """What was not said is not in the message, and neither ids nor message ids repeat."""
    for _ in range(2):
        assert counter.call("submit", PROMPT, "--user", "ada").code == 0
    first, second = counter.messenger.sent
    assert first.message.key != second.message.key
    assert first.envelope.message_id != second.envelope.message_id
    assert first.message == GenerationRequest(key=first.message.key, prompt=PROMPT)


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (("--width", "5"), "width must be a whole number from 64 to 8192"),
        (("--seed", "-1"), "seed must be a whole number from 0"),
        (("--id", "a/b"), "the generation must be 1 to 128"),
        (("--model", "x" * 201), "model must be a text of at most 200"),
    ],
)
def test_a_bad_value_is_refused_before_anything_is_sent(counter: Counter, argv: tuple[str, ...], says: str) -> None:
    """With the corridor's own reason."""
    called = counter.call("submit", PROMPT, "--user", "ada", *argv)
    assert (called.code, called.out) == (2, "")
    assert says in called.err
    assert counter.messenger.sent == []


def test_a_blank_prompt_is_refused(counter: Counter) -> None:
    """So is a user that is none."""
    assert "prompt is needed" in counter.call("submit", "  ", "--user", "ada").err
    assert "the user must be" in counter.call("submit", PROMPT, "--user", "").err
    assert counter.messenger.sent == []


def test_submit_waits_for_the_picture(counter: Counter) -> None:
    """With --wait it shows the generation once it has ended."""
    called = counter.call("submit", PROMPT, "--user", "ada", "--id", "one", "--wait")
    assert called.code == 0
    assert re.search(r"^state +succeeded$", called.out, re.MULTILINE)
    assert counter.generation().state is State.SUCCEEDED
    counter.at_rest()


def test_submit_says_when_it_ended_without_one(counter: Counter) -> None:
    """Exit code 1, and the reason."""
    called = counter.call("submit", PROMPT, "--user", "bob", "--wait")
    assert called.code == 1
    assert re.search(r"^reason +NO_CREDITS: ", called.out, re.MULTILINE)


def test_submit_does_not_wait_for_ever(counter: Counter) -> None:
    """After two minutes it says so; the generation goes on."""
    counter.works = False
    before = counter.time
    called = counter.call("submit", PROMPT, "--user", "ada", "--id", "one", "--wait")
    assert called.code == 1
    assert "not ended within 120 s" in called.err
    assert (counter.time - before).total_seconds() == 120
    assert counter.generation().state is State.RUNNING


def test_cancel_sends_a_cancel(counter: Counter) -> None:
    """And changes nothing itself."""
    counter.have_asked(KEY)
    called = counter.call("cancel", "one", "--user", "ada")
    assert called.code == 0
    assert counter.sent().message == CancelRequest(KEY)
    assert counter.generation().state is State.RUNNING
    asyncio.run(counter.pump())
    assert counter.generation().state is State.CANCELED


def test_cancel_of_what_has_ended_or_is_not_there(counter: Counter) -> None:
    """Sends nothing."""
    counter.have_made(KEY)
    assert "ended already: succeeded" in counter.call("cancel", "one", "--user", "ada").err
    called = counter.call("cancel", "two", "--user", "ada")
    assert called.code == 1
    assert "no generation 'two'" in called.err
    assert counter.messenger.sent == []


def test_show_tells_what_was_asked_sent_and_paid(counter: Counter) -> None:
    """Found by its id alone; the prompt is not told."""
    counter.have_made(KEY, width=1024, height=768, prompt="A secret garden")
    called = counter.call("show", "one")
    assert called.code == 0
    lines = dict(line.split(maxsplit=1) for line in called.out.splitlines())
    assert lines["user"].strip() == "ada"
    assert lines["asked"].strip() == "1024 x 768"
    assert lines["sent"].strip() == "aspect_ratio 4:3, megapixels 1"
    assert lines["prediction"].strip() == counter.replicate.only_id
    assert lines["credits"].strip() == "1 held, of these 1 captured and 0 released"
    assert lines["output"].strip().startswith("outputs/ada/one/1-0.png, image/png, ")
    assert lines["ended"].strip().startswith("2026-11-21 12:00:00Z")
    assert "garden" not in called.out


def test_show_tells_the_prompt_only_when_asked(counter: Counter) -> None:
    """What could steer a terminal arrives as an escape, and nothing is read as markup."""
    counter.have_asked(KEY, prompt="A [bold]red\x1b[31m lake :smile:")
    assert "lake" not in counter.call("show", "one", "--json").out
    assert "A [bold]red\\x1b[31m lake :smile:" in counter.call("show", "one", "--prompt").out
    assert json.loads(counter.call("show", "one", "--prompt", "--json").out)["prompt"].startswith("A [bold]red\x1b")


def test_show_as_json(counter: Counter) -> None:
    """Every fact under its name."""
    counter.have_made(KEY, width=1024, height=768, seed=0)
    told = json.loads(counter.call("show", "one", "--user", "ada", "--json").out)
    assert (told["state"], told["reason"], told["model"], told["attempts"], told["seed"]) == (
        "succeeded",
        None,
        "flux-schnell",
        1,
        0,
    )
    assert told["asked"] == {"width": 1024, "height": 768}
    assert told["sent"] == {"aspect_ratio": "4:3", "megapixels": "1"}
    assert told["credits"] == {"held": 1, "captured": 1, "released": 0}
    assert told["outputs"][0]["name"] == "ada/one/1-0.png"
    assert told["announced"] is True
    assert told["ended_at"] == "2026-11-21T12:00:00+00:00"


def test_show_of_an_open_generation(counter: Counter) -> None:
    """Nothing is captured yet, and it says when the timer looks."""
    counter.have_asked(KEY)
    called = counter.call("show", "one")
    assert re.search(r"^credits +1 held$", called.out, re.MULTILINE)
    assert re.search(r"^timer looks +2026-11-21 12:00:\d\dZ, in \d+ s$", called.out, re.MULTILINE)
    assert json.loads(counter.call("show", "one", "--json").out)["announced"] is False


def test_show_of_an_id_that_two_users_have(counter: Counter) -> None:
    """Asks whose is meant."""
    counter.have_asked(KEY)
    counter.have_asked(Key("bob", "one"))
    called = counter.call("show", "one")
    assert called.code == 1
    assert "--user: ada, bob" in called.err
    assert re.search(r"^user +bob$", counter.call("show", "one", "--user", "bob").out, re.MULTILINE)


def test_show_of_what_is_not_there(counter: Counter) -> None:
    """Is the answer no."""
    assert counter.call("show", "one").code == 1
    assert "no generation 'one'" in counter.call("show", "one", "--user", "ada").err
    assert counter.call("show", "one/two").code == 2


def test_show_saves_the_outputs(counter: Counter, tmp_path: Path) -> None:
    """As files in a folder that is made for them; stdout stays what it was."""
    counter.have_made(KEY)
    called = counter.call("show", "one", "--json", "--save", str(tmp_path / "new" / "folder"))
    assert called.code == 0
    assert (tmp_path / "new" / "folder" / "one-1-0.png").read_bytes() == b"a picture"
    assert json.loads(called.out)["state"] == "succeeded"
    assert "saved" in called.err


def test_show_cannot_save_what_is_not_there(counter: Counter, tmp_path: Path) -> None:
    """No outputs, a lost blob, a folder that cannot be made: each is one line."""
    counter.have_asked(Key("ada", "two"))
    assert "no outputs" in counter.call("show", "two", "--save", str(tmp_path)).err
    asyncio.run(counter.make())
    (tmp_path / "file").touch()
    called = counter.call("show", "two", "--save", str(tmp_path / "file" / "below"))
    assert called.code == 1
    assert "cannot be written" in called.err
    counter.blobs.outputs.clear()
    assert "not there any more" in counter.call("show", "two", "--save", str(tmp_path)).err


def test_open_lists_what_is_not_finished(counter: Counter) -> None:
    """Due or not; what has ended and was announced is not among them."""
    counter.have_made(Key("ada", "done"))
    counter.have_asked(KEY)
    counter.pass_time(90)
    called = counter.call("open")
    assert called.code == 0
    row = r"^ada +one +\d+ s ago +2026-11-21 13:00:\d\dZ, in 58 min \d+ s +1 min 30 s$"
    assert re.search(row, called.out, re.MULTILINE)
    assert "done" not in called.out


def test_open_says_when_there_may_be_more(counter: Counter) -> None:
    """And when there is nothing."""
    assert counter.call("open").out == "Nothing is open.\n"
    counter.have_asked(KEY)
    counter.have_asked(Key("ada", "two"))
    called = counter.call("open", "--limit", "1")
    assert len(called.out.splitlines()) == 2
    assert "may be more" in called.err
