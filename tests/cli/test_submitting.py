"""submit: what is sent, what is refused first, and waiting for the end."""

import re
from dataclasses import fields
from typing import Any

import pytest
import typer

from dev.fakes.messenger import REQUESTS
from dev.fakes.world import KEY
from shared.cli.main import app
from shared.cli.submitting import OPTIONS, option_name
from shared.core.lifecycle.state import State
from shared.core.requests.messages import GenerationRequest
from tests.cli.counter import Counter

PROMPT = "A lighthouse at night"


def request_of(counter: Counter) -> GenerationRequest:
    """The one request that was sent."""
    message = counter.sent().message
    assert isinstance(message, GenerationRequest)
    return message


def test_submit_sends_what_the_app_would_send(counter: Counter) -> None:
    """Each option is in the message under its field's name. The command itself opened nothing."""
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
    called = counter.call("submit", PROMPT, "--user", "ada", *argv, "--no-fallback", "--metadata", "order=a=b")
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
        metadata={"order": "a=b"},
    )
    assert counter.records.saved_generations == {}


def test_submit_sends_inputs_of_the_model_that_it_names(counter: Counter) -> None:
    """As JSON has them: a number is a number, true is true."""
    given = '{"raw": true, "image_prompt_strength": 0.5, "style": "oil"}'
    argv = ("--model", "flux-1.1-pro-ultra", "--inputs", given)
    assert counter.call("submit", PROMPT, "--user", "ada", *argv).code == 0
    assert request_of(counter).inputs == {"raw": True, "image_prompt_strength": 0.5, "style": "oil"}


def test_submit_gives_each_generation_a_new_id(counter: Counter) -> None:
    """Neither ids nor message ids repeat, and an option that was not given is not in the message."""
    for _ in range(2):
        assert counter.call("submit", PROMPT, "--user", "ada").code == 0
    first, second = counter.messenger.sent
    assert first.message.key is not None
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
        (("--modality", "smell"), "modality must be one of image, video, audio, text, training"),
        (("--input-file", "bob/voice.wav"), "input_file must be a file in the user's own folder"),
        (("--temperature", "11"), "temperature must be a number from 0 to 10"),
        (("--metadata", "order"), "--metadata must be NAME=VALUE"),
        (("--inputs", "raw=true"), '--inputs must be JSON, such as {"raw": true}'),
        (("--inputs", "[1]", "--model", "flux-dev"), "inputs must be an object of at most 20 names"),
        (("--inputs", '{"raw": true}'), "inputs needs a model"),
    ],
)
def test_a_bad_value_is_refused_before_anything_is_sent(counter: Counter, argv: tuple[str, ...], says: str) -> None:
    """With the message handler's own reason."""
    called = counter.call("submit", PROMPT, "--user", "ada", *argv)
    assert (called.code, called.out) == (2, "")
    assert says in called.err
    assert counter.messenger.sent == []


def test_a_blank_prompt_is_refused(counter: Counter) -> None:
    """So is an empty user."""
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


def test_submit_reports_an_end_without_a_picture(counter: Counter) -> None:
    """The exit code is 1, and the reason is printed."""
    called = counter.call("submit", PROMPT, "--user", "bob", "--wait")
    assert called.code == 1
    assert re.search(r"^reason +NO_CREDITS: ", called.out, re.MULTILINE)


def test_submit_never_waits_for_the_picture_of_another_request(counter: Counter) -> None:
    """The id was used before with another prompt: the request is refused, and the other's end is not its own."""
    counter.generate(KEY)
    called = counter.call("submit", "A horse", "--user", "ada", "--id", "one", "--wait")
    assert called.code == 1
    assert "IDEMPOTENCY_MISMATCH: This id was used before for another request." in called.err
    assert "succeeded" not in called.out
    counter.at_rest()


def test_submit_waits_for_what_is_sent_again(counter: Counter) -> None:
    """The same id with the same content is the same generation."""
    for _ in range(2):
        assert counter.call("submit", PROMPT, "--user", "ada", "--id", "one", "--wait").code == 0


def test_submit_does_not_wait_for_ever(counter: Counter) -> None:
    """It gives up after two minutes, and the generation continues."""
    counter.works = False
    before = counter.time
    called = counter.call("submit", PROMPT, "--user", "ada", "--id", "one", "--wait")
    assert called.code == 1
    assert "not ended within 120 s" in called.err
    assert (counter.time - before).total_seconds() == 120
    assert counter.generation().state is State.RUNNING


def test_every_field_of_a_request_has_its_option(counter: Counter) -> None:
    """A new field needs an option, and each option's help is its field's."""
    steering = {"key", "prompt", "allow_fallback", "metadata", "unknown_fields", "digest"}
    assert {option.name for option in OPTIONS} == {field.name for field in fields(GenerationRequest)} - steering
    command = typer.main.get_command(app).commands["submit"]  # type: ignore[attr-defined]  # it is a group
    helped = {name for parameter in command.params if getattr(parameter, "help", "") for name in parameter.opts}
    assert {option_name(field) for field in OPTIONS} <= helped
    helps = {parameter.name: getattr(parameter, "help", "") for parameter in command.params}
    assert [field.name for field in OPTIONS if helps[field.name] != field.help] == []


def test_submit_of_every_other_modality(counter: Counter) -> None:
    """Each option that images do not use is in the message under its field's name, with its field's type."""
    options: dict[str, Any] = {
        "--modality": "audio",
        "--num-inference-steps": "20",
        "--guidance-scale": "3.5",
        "--image-url": "https://example.com/a.png",
        "--prompt-strength": "0.5",
        "--duration": "8",
        "--resolution": "720p",
        "--system-prompt": "Be brief.",
        "--max-tokens": "100",
        "--temperature": "0.7",
        "--input-file": "ada/ada/voice.wav",
        "--destination": "ada-models/lighthouses",
        "--trigger-word": "LGHT",
        "--training-steps": "1000",
    }
    argv = [part for pair in options.items() for part in pair]
    called = counter.call("submit", PROMPT, "--user", "ada", "--id", "one", *argv, "--continuation")
    assert called.code == 0
    assert request_of(counter) == GenerationRequest(
        key=KEY,
        prompt=PROMPT,
        modality="audio",
        num_inference_steps=20,
        guidance_scale=3.5,
        image_url="https://example.com/a.png",
        prompt_strength=0.5,
        duration_s=8,
        resolution="720p",
        system_prompt="Be brief.",
        max_tokens=100,
        temperature=0.7,
        continuation=True,
        input_file="ada/ada/voice.wav",
        destination="ada-models/lighthouses",
        trigger_word="LGHT",
        training_steps=1000,
    )


def test_a_training_needs_no_prompt(counter: Counter) -> None:
    """Any other modality needs one. A negative flag is in the message."""
    argv = ("--user", "ada", "--id", "one", "--no-continuation")
    assert "prompt is needed" in counter.call("submit", *argv).err
    assert counter.call("submit", *argv, "--modality", "training").code == 0
    assert request_of(counter) == GenerationRequest(key=KEY, modality="training", continuation=False)


def test_submit_waits_as_long_as_within_says(counter: Counter) -> None:
    """A video takes longer than an image."""
    counter.works = False
    before = counter.time
    called = counter.call("submit", PROMPT, "--user", "ada", "--wait", "--within", "300")
    assert called.code == 1
    assert "not ended within 300 s" in called.err
    assert (counter.time - before).total_seconds() == 300
