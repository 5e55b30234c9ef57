"""cancel, show, open."""

import asyncio
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from dev.fakes.blobs import Blob
from dev.fakes.world import KEY
from shared.core.keys import Key
from shared.core.lifecycle.state import State
from shared.core.requests.fields import WRITTEN
from shared.core.requests.messages import CancelRequest, GenerationRequest
from tests.adapters import examples
from tests.cli.counter import Counter

PROMPT = "A lighthouse at night"


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
    assert lines["asked"].strip() == "1024 x 768, model flux-schnell"
    assert lines["sent"].strip() == "aspect_ratio 4:3, megapixels 1"
    assert lines["prediction"].strip() == counter.replicate.only_id
    assert lines["credits"].strip() == "1 held, of these 1 captured and 0 released"
    assert lines["output"].strip().startswith("outputs/ada/ada/one/1-0.png, image/png, ")
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
    assert told["asked"] == {"model": "flux-schnell", "width": 1024, "height": 768}
    assert told["sent"] == {"aspect_ratio": "4:3", "megapixels": "1"}
    assert told["credits"] == {"held": 1, "captured": 1, "released": 0}
    assert told["outputs"][0]["name"] == "ada/ada/one/1-0.png"
    assert told["announced"] is True
    assert [(each["step"], each["times"]) for each in told["history"]] == [
        ("credits_held", 1),
        ("prediction_created", 1),
        ("captured", 1),
    ]
    assert {each["at"] for each in told["history"]} == {"2026-11-21T12:00:00+00:00"}
    assert told["ended_at"] == "2026-11-21T12:00:00+00:00"


def test_show_tells_who_answered_and_why(counter: Counter) -> None:
    """And what that cost at the provider, by what it measured: numbers, and of a word only that it is there."""
    full = examples.full_generation(KEY)
    metrics: dict[str, Any] = {"predict_time": 1.5, "image_count": 2, "with_audio": True, "note": "a secret garden"}
    counter.records.put_generation(replace(full, metrics=metrics, cost_usd_micros=1_234_567))
    called = counter.call("show", "one")
    for line in (
        r"model +flux-schnell, by fallback",
        r"passed over +flux-dev \(MODEL_RETIRED\), flux-0 \(PROVIDER_FAILED\)",
        r"cost +1\.234567 USD, estimated",
        r"history +\S+ \S+ \S* ?create_deferred: paced, 7 times until .+",
        r"metrics +predict_time 1\.5, image_count 2, with_audio True, note",
        r"sent +steps 28, guidance 3\.5, raw False",
    ):
        assert re.search(rf"^{line}$", called.out, re.MULTILINE), line
    told = json.loads(counter.call("show", "one", "--json").out)
    assert (told["chosen_by"], told["cost_usd_micros"]) == ("fallback", 1_234_567)
    assert told["passed_over"][0] == {"model": "flux-dev", "reason": "MODEL_RETIRED"}
    assert told["metrics"] == metrics | {"note": None}


def test_show_tells_a_text_only_when_asked(counter: Counter, tmp_path: Path) -> None:
    """How long it is, always; the file is saved as any other."""
    made = replace(examples.output(KEY, 0), name="ada/ada/one/1-0.txt", content_type="text/plain; charset=utf-8")
    made = replace(made, width=0, height=0, size_bytes=16, text="A secret\ngarden")
    request = replace(examples.full_request(KEY), system_prompt="Be a gardener.", trigger_word="GRDN")
    counter.records.put_generation(replace(examples.full_generation(KEY), outputs=(made,), request=request))
    counter.blobs.outputs[made.name] = Blob(b"A secret\ngarden", made.content_type, {})

    called = counter.call("show", "one", "--save", str(tmp_path))
    assert re.search(
        r"^output +outputs/ada/ada/one/1-0\.txt, .*, 16 bytes, text of 15 characters$", called.out, re.MULTILINE
    )
    assert (tmp_path / "one-1-0.txt").read_bytes() == b"A secret\ngarden"
    quiet = json.loads(counter.call("show", "one", "--json").out)
    assert quiet["outputs"][0]["text_characters"] == 15
    assert "garden" not in called.out + json.dumps(quiet)

    assert "A secret\\ngarden" in counter.call("show", "one", "--text").out
    told = json.loads(counter.call("show", "one", "--text", "--prompt", "--json").out)
    assert told["outputs"][0]["text"] == "A secret\ngarden"
    assert (told["system_prompt"], told["trigger_word"]) == ("Be a gardener.", "GRDN")


def test_show_tells_no_word_that_a_user_wrote(counter: Counter) -> None:
    """Not one of any text field, unless it is asked for; what names something is told."""
    texts: dict[str, Any] = {name: f"secret-{name}" for name in WRITTEN}
    request = GenerationRequest(key=KEY, input_file="ada/ada/a.zip", metadata={"note": "secret-note"}, **texts)
    inputs: dict[str, Any] = {
        "words": "secret-words",
        "image": "input:secret",
        "pages": ["secret-page"],
        "resolution": "720p",
    }
    full = examples.full_generation(KEY)
    assert full.attempt is not None
    counter.records.put_generation(replace(full, request=request, attempt=replace(full.attempt, inputs=inputs)))
    told = counter.call("show", "one").out + counter.call("show", "one", "--json").out
    assert "secret" not in told
    assert "ada/ada/a.zip" in told
    assert "720p" in told


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
