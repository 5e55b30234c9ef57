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
from shared.views.generation import Seen
from tests.adapters import examples
from tests.cli.counter import Counter

PROMPT = "A lighthouse at night"


def test_cancel_sends_a_cancel(counter: Counter) -> None:
    """The command itself changes nothing."""
    counter.request(KEY)
    called = counter.call("cancel", "one", "--user", "ada")
    assert called.code == 0
    assert counter.sent().message == CancelRequest(KEY)
    assert counter.generation().state is State.RUNNING
    asyncio.run(counter.pump())
    assert counter.generation().state is State.CANCELED


def test_cancel_of_an_ended_or_missing_generation(counter: Counter) -> None:
    """It sends nothing."""
    counter.generate(KEY)
    assert "ended already: succeeded" in counter.call("cancel", "one", "--user", "ada").err
    called = counter.call("cancel", "two", "--user", "ada")
    assert called.code == 1
    assert "no generation 'two'" in called.err
    assert counter.messenger.sent == []


def test_show_prints_the_request_the_inputs_and_the_credits(counter: Counter) -> None:
    """The id alone is enough to find it, and the prompt is not printed."""
    counter.generate(KEY, width=1024, height=768, prompt="A secret garden")
    called = counter.call("show", "one")
    assert called.code == 0
    lines = dict(line.split(maxsplit=1) for line in called.out.splitlines())
    assert lines["user"].strip() == "ada"
    assert lines["request"].strip() == "1024 x 768, model flux-schnell"
    assert lines["inputs"].strip() == "aspect_ratio 4:3, megapixels 1"
    assert lines["prediction"].strip() == counter.replicate.only_id
    assert lines["credits"].strip() == "1 held, of these 1 captured and 0 released"
    assert lines["output"].strip().startswith("outputs/ada/ada/one/1-0.png, image/png, ")
    assert lines["ended"].strip().startswith("2026-11-21 12:00:00Z")
    assert "garden" not in called.out


def test_show_prints_the_prompt_only_with_its_option(counter: Counter) -> None:
    """Control characters are printed as escapes, and nothing is read as markup."""
    counter.request(KEY, prompt="A [bold]red\x1b[31m lake :smile:")
    assert "lake" not in counter.call("show", "one", "--json").out
    assert "A [bold]red\\x1b[31m lake :smile:" in counter.call("show", "one", "--prompt").out
    assert json.loads(counter.call("show", "one", "--prompt", "--json").out)["prompt"].startswith("A [bold]red\x1b")


def test_show_names_a_queue_or_a_boot_apart_from_a_run(counter: Counter) -> None:
    """Replicate is asked while it works on the generation, and its status page is shown beside it."""
    counter.request(KEY)
    counter.operations.seen = Seen("starting", "major: API errors")
    lines = dict(line.split("  ", 1) for line in counter.call("show", "one").out.splitlines())
    assert lines["at replicate"].strip() == "starting: it is queued, or its model boots"
    assert lines["status page"].strip() == "major: API errors"
    printed = json.loads(counter.call("show", "one", "--json").out)
    assert (printed["prediction_status"], printed["status_page"]) == ("starting", "major: API errors")
    assert counter.operations.looked == [counter.replicate.only_id] * 2
    counter.operations.seen = Seen("processing")
    assert "running" in counter.call("show", "one").out.split("at replicate")[1].splitlines()[0]


def test_show_asks_nobody_about_what_has_ended(counter: Counter) -> None:
    """Its row says all."""
    counter.generate(KEY)
    assert "at replicate" not in counter.call("show", "one").out
    assert counter.operations.looked == []


def test_show_as_json(counter: Counter) -> None:
    """Each fact has its name."""
    counter.generate(KEY, width=1024, height=768, seed=0)
    printed = json.loads(counter.call("show", "one", "--user", "ada", "--json").out)
    assert (printed["state"], printed["reason"], printed["model"], printed["attempts"], printed["seed"]) == (
        "succeeded",
        None,
        "flux-schnell",
        1,
        0,
    )
    assert printed["request"] == {"model": "flux-schnell", "width": 1024, "height": 768}
    assert printed["inputs"] == {"aspect_ratio": "4:3", "megapixels": "1"}
    assert printed["credits"] == {"held": 1, "captured": 1, "released": 0}
    assert printed["outputs"][0]["name"] == "ada/ada/one/1-0.png"
    assert printed["announced"] is True
    assert [(each["step"], each["times"]) for each in printed["history"]] == [
        ("credits_held", 1),
        ("prediction_created", 1),
        ("captured", 1),
    ]
    assert {each["at"] for each in printed["history"]} == {"2026-11-21T12:00:00+00:00"}
    assert printed["ended_at"] == "2026-11-21T12:00:00+00:00"


def test_show_prints_the_model_and_why_it_was_chosen(counter: Counter) -> None:
    """It also prints the provider's cost and metrics. A metric that is a word is printed without its value."""
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
        r"inputs +steps 28, guidance 3\.5, raw False",
    ):
        assert re.search(rf"^{line}$", called.out, re.MULTILINE), line
    printed = json.loads(counter.call("show", "one", "--json").out)
    assert (printed["chosen_by"], printed["cost_usd_micros"]) == ("fallback", 1_234_567)
    assert printed["passed_over"][0] == {"model": "flux-dev", "reason": "MODEL_RETIRED"}
    assert printed["metrics"] == metrics | {"note": None}


def test_show_prints_a_text_only_with_its_option(counter: Counter, tmp_path: Path) -> None:
    """It always prints the length, and saves the text's file as any other."""
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
    printed = json.loads(counter.call("show", "one", "--text", "--prompt", "--json").out)
    assert printed["outputs"][0]["text"] == "A secret\ngarden"
    assert (printed["system_prompt"], printed["trigger_word"]) == ("Be a gardener.", "GRDN")


def test_show_prints_no_word_that_a_user_wrote(counter: Counter) -> None:
    """No text field is printed without its option. Names of files are printed."""
    texts: dict[str, Any] = {name: f"secret-{name}" for name in WRITTEN}
    request = GenerationRequest(key=KEY, input_file="ada/ada/a.zip", metadata={"note": "secret-note"}, **texts)
    inputs: dict[str, Any] = {
        "words": "secret-words",
        "image": "input:secret",
        "pages": ["secret-page"],
        "resolution": "720p",
    }
    full = examples.full_generation(KEY)
    counter.records.put_generation(replace(full, request=request, attempt=replace(full.attempt, inputs=inputs)))
    printed = counter.call("show", "one").out + counter.call("show", "one", "--json").out
    assert "secret" not in printed
    assert "ada/ada/a.zip" in printed
    assert "720p" in printed


def test_show_of_an_open_generation(counter: Counter) -> None:
    """Nothing is captured yet, and it prints the time of the next check."""
    counter.request(KEY)
    called = counter.call("show", "one")
    assert re.search(r"^credits +1 held$", called.out, re.MULTILINE)
    assert re.search(r"^next check +2026-11-21 12:00:\d\dZ, in \d+ s$", called.out, re.MULTILINE)
    assert json.loads(counter.call("show", "one", "--json").out)["announced"] is False


def test_show_of_an_id_that_two_users_have(counter: Counter) -> None:
    """It asks for the user."""
    counter.request(KEY)
    counter.request(Key("bob", "one"))
    called = counter.call("show", "one")
    assert called.code == 1
    assert "--user: ada, bob" in called.err
    assert re.search(r"^user +bob$", counter.call("show", "one", "--user", "bob").out, re.MULTILINE)


def test_show_of_a_missing_generation(counter: Counter) -> None:
    """The exit code is 1; an impossible id is 2."""
    assert counter.call("show", "one").code == 1
    assert "no generation 'one'" in counter.call("show", "one", "--user", "ada").err
    assert counter.call("show", "one/two").code == 2


def test_show_saves_the_outputs(counter: Counter, tmp_path: Path) -> None:
    """They are files in a new folder, and stdout has only the facts."""
    counter.generate(KEY)
    called = counter.call("show", "one", "--json", "--save", str(tmp_path / "new" / "folder"))
    assert called.code == 0
    assert (tmp_path / "new" / "folder" / "one-1-0.png").read_bytes() == b"a picture"
    assert json.loads(called.out)["state"] == "succeeded"
    assert "saved" in called.err


def test_show_cannot_save_missing_outputs(counter: Counter, tmp_path: Path) -> None:
    """No outputs, a lost blob or an impossible folder are errors of one line."""
    counter.request(Key("ada", "two"))
    assert "no outputs" in counter.call("show", "two", "--save", str(tmp_path)).err
    asyncio.run(counter.make())
    (tmp_path / "file").touch()
    called = counter.call("show", "two", "--save", str(tmp_path / "file" / "below"))
    assert called.code == 1
    assert "cannot be written" in called.err
    counter.blobs.outputs.clear()
    assert "does not exist any more" in counter.call("show", "two", "--save", str(tmp_path)).err


def test_open_lists_the_generations_that_are_not_finished(counter: Counter) -> None:
    """Due or not; a generation that has ended and was announced is not listed."""
    counter.generate(Key("ada", "done"))
    counter.request(KEY)
    counter.pass_time(90)
    called = counter.call("open")
    assert called.code == 0
    row = r"^ada +one +\d+ s ago +2026-11-21 13:00:\d\dZ, in 58 min \d+ s +1 min 30 s$"
    assert re.search(row, called.out, re.MULTILINE)
    assert "done" not in called.out


def test_open_says_when_there_may_be_more(counter: Counter) -> None:
    """It also says when nothing is open."""
    assert counter.call("open").out == "Nothing is open.\n"
    counter.request(KEY)
    counter.request(Key("ada", "two"))
    called = counter.call("open", "--limit", "1")
    assert len(called.out.splitlines()) == 2
    assert "may be more" in called.err
