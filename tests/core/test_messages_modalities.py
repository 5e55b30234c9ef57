"""Messages with the fields of every modality: their bounds, their forms, and the owner of each file."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.events.generation_event import ChosenBy, GenerationEvent, Output, PassedOver
from shared.core.keys import Key
from shared.core.reasons import Reason
from shared.core.requests.fields import MODALITIES
from shared.core.requests.messages import GenerationRequest, Malformed
from shared.core.requests.parsing import parse_request

KEY = Key("ada@x.org", "gen-1")
BASE = {"generation_id": "gen-1", "user_id": "ada@x.org", "prompt": "A lighthouse at night"}
#: Everything that came with the modalities; some of it makes no sense together, which is the catalogue's matter.
FULL = BASE | {
    "modality": "training",
    "system_prompt": "You are a keeper of lighthouses.",
    "max_tokens": 1,
    "temperature": 0.0,
    "duration_s": 5,
    "resolution": "720p",
    "continuation": False,
    "input_file": "ada@x.org/ada@x.org/voices/horn 1 (new).wav",
    "destination": "ada/light-houses.v1",
    "trigger_word": "LGHT",
    "training_steps": 1000,
}


def read(body: object) -> GenerationRequest | Malformed:
    """The request in a JSON body."""
    message = parse_request(json.dumps(body).encode())[0]
    assert isinstance(message, (GenerationRequest, Malformed))
    return message


def test_every_field_is_read_and_written_back() -> None:
    """0 degrees and a false flag are values, not absent."""
    message = read(FULL)
    assert isinstance(message, GenerationRequest)
    assert (message.temperature, message.continuation, message.max_tokens) == (0.0, False, 1)
    assert message.to_json() == FULL | {"allow_fallback": True, "metadata": {}}
    assert read(message.to_json()) == message


def test_what_is_not_said_is_not_written() -> None:
    """A message without the new fields is written as in the version before."""
    message = read(BASE)
    assert isinstance(message, GenerationRequest)
    assert message.to_json() == BASE | {"allow_fallback": True, "metadata": {}}


@pytest.mark.parametrize(
    ("field", "lowest", "highest"),
    [
        ("max_tokens", 1, 1_000_000),
        ("duration_s", 1, 3600),
        ("training_steps", 1, 100_000),
        ("temperature", 0, 10),
    ],
)
def test_numbers_have_inclusive_bounds(field: str, lowest: int, highest: int) -> None:
    """The bound is taken, and a value beyond it is refused by name, as is NaN."""
    for good in (lowest, highest):
        assert isinstance(read(BASE | {field: good}), GenerationRequest)
    for bad in (lowest - 1, highest + 1, str(lowest), True, [lowest]):
        message = read(BASE | {field: bad})
        assert isinstance(message, Malformed)
        assert message.text.startswith(f"{field} must be ")
        assert message.key == KEY


@pytest.mark.parametrize("field", ["max_tokens", "duration_s", "training_steps"])
def test_halves_are_no_whole_numbers(field: str) -> None:
    """Half a token is refused."""
    assert isinstance(read(BASE | {field: 1.5}), Malformed)


@pytest.mark.parametrize(
    ("field", "most"),
    [("system_prompt", 20_000), ("resolution", 20), ("trigger_word", 60)],
)
def test_texts_have_a_longest(field: str, most: int) -> None:
    """The refusal names the field and does not quote the text."""
    assert isinstance(read(BASE | {field: "x" * most}), GenerationRequest)
    message = read(BASE | {field: "x" * (most + 1)})
    assert isinstance(message, Malformed)
    assert message.text == f"{field} must be a text of at most {most} characters"


@pytest.mark.parametrize("modality", MODALITIES)
def test_a_modality_is_one_of_five(modality: str) -> None:
    """Each is read by its name."""
    message = read(BASE | {"modality": modality})
    assert isinstance(message, GenerationRequest)
    assert message.modality == modality


@pytest.mark.parametrize("bad", ["Image", "music", "image ", 7])
def test_another_modality_is_refused(bad: object) -> None:
    """The text lists the modalities."""
    message = read(BASE | {"modality": bad})
    assert isinstance(message, Malformed)
    assert "modality" in message.text


@pytest.mark.parametrize("field", ["modality", "destination", "input_file", "system_prompt", "trigger_word"])
def test_an_empty_text_says_nothing(field: str) -> None:
    """It counts as absent, because apps send empty form fields."""
    message = read(BASE | {field: ""})
    assert message == read(BASE)


@pytest.mark.parametrize("good", ["ada/lora", "a/b", "0a.b_c-d/x.1", "a" * 64 + "/" + "b" * 64])
def test_a_destination_is_a_model(good: str) -> None:
    """It is owner/name, as Replicate writes it."""
    message = read(BASE | {"destination": good})
    assert isinstance(message, GenerationRequest)
    assert message.destination == good


@pytest.mark.parametrize(
    "bad",
    [
        "lora",
        "ada/",
        "/lora",
        "ada/lora/x",
        "Ada/lora",
        "ada/lora:1",
        "../lora",
        "ada/.lora",
        "ada /lora",
        "ada/lora\n",
    ],
)
def test_what_is_no_model_is_no_destination(bad: str) -> None:
    """It never becomes part of an address or of a charge."""
    message = read(BASE | {"destination": bad})
    assert isinstance(message, Malformed)
    assert message.text.startswith("destination must be owner/name")


@pytest.mark.parametrize(
    "good", ["ada@x.org/ada@x.org/a.zip", "ada@x.org/ada@x.org/a/b/c d+e=(1)@2-3_4.tar.gz", "ada@x.org/ada@x.org/..a"]
)
def test_a_file_in_the_users_own_folder_is_taken(good: str) -> None:
    """Its name may have folders, spaces and other usual characters."""
    message = read(BASE | {"input_file": good})
    assert isinstance(message, GenerationRequest)
    assert message.input_file == good


@pytest.mark.parametrize(
    "bad",
    [
        "a.zip",
        "bob/a.zip",
        "ada@x.org",
        "ada@x.org/ada@x.org/",
        "ada@x.org/ada@x.org//a.zip",
        "/ada@x.org/ada@x.org/a.zip",
        "./ada@x.org/ada@x.org/a.zip",
        "ada@x.org/ada@x.org/../bob/a.zip",
        "ada@x.org/ada@x.org/a/../../bob/a.zip",
        "ada@x.org/ada@x.org/..",
        "ada@x.org/ada@x.org/.",
        "ada@x.org/ada@x.org/.../a.zip",
        "ada@x.org/ada@x.org/a/",
        "ada@x.org/a.zip",
        "ada@x.org/bob/a.zip",
        "bob/ada@x.org/a.zip",
        "ADA@x.org/ada@x.org/a.zip",
        "ada@x.org/ADA@x.org/a.zip",
        "ada@x.org/ada@x.orgg/a.zip",
        "ada@x.org/ada@x.or/a.zip",
        "ada@x.org\\a.zip",
        "ada@x.org/ada@x.org/..\\bob\\a.zip",
        "ada@x.org/ada@x.org/%2e%2e/bob/a.zip",
        "ada@x.org/ada@x.org/a?b.zip",
        "ada@x.org/ada@x.org/a#b.zip",
        "ada@x.org/ada@x.org/a\nb.zip",
        "ada@x.org/ada@x.org/a.zip\n",
        "ada@x.org/ada@x.org/ä.zip",
        "ada@x.org/ada@x.org/a:b.zip",
        "ada@x.org/ada@x.org/" + "x" * 201,
        "ada@x.org/ada@x.org/" + "/".join(["x" * 100] * 5),
        "https://uploads.example/a.zip",
        7,
    ],
)
def test_a_file_of_somebody_else_or_nowhere_is_refused(bad: object) -> None:
    """No path may leave the user's folder or name no file."""
    message = read(BASE | {"input_file": bad})
    assert isinstance(message, Malformed)
    assert message.text.startswith("input_file must be ")
    assert message.key == KEY


#: Of accounts and users: one's own, another's, and none.
FOLDERS = st.sampled_from(["ada@x.org", "ada@x.org", "bob", "..", ""])


@given(FOLDERS, FOLDERS, st.text(alphabet="ab/\\.% ~\x00\n", max_size=9))
def test_whatever_is_taken_stays_in_the_folder(account: str, user: str, rest: str) -> None:
    """For any name the first parts are account and user, and no part is empty or consists of dots."""
    message = read(BASE | {"input_file": f"{account}/{user}/{rest}"})
    if isinstance(message, GenerationRequest) and message.input_file is not None:
        account, user, *parts = message.input_file.split("/")
        assert (account, user) == (KEY.account_id, KEY.user_id)
        assert parts
        assert not [part for part in parts if not part.strip(".")]


@pytest.mark.parametrize(
    "said", [{"modality": "training"}, {"destination": "ada/lora"}, {"modality": "training", "prompt": ""}]
)
def test_a_training_needs_no_prompt(said: dict[str, str]) -> None:
    """A training needs its archive, and is the same after it was written to the queue and read again."""
    body = {name: value for name, value in BASE.items() if name != "prompt"} | said
    message = read(body)
    assert isinstance(message, GenerationRequest)
    assert message.prompt == ""
    assert read(message.to_json()) == message


@pytest.mark.parametrize("modality", [None, *[name for name in MODALITIES if name != "training"]])
@pytest.mark.parametrize("prompt", [None, "", " \n"])
def test_everything_else_needs_one(modality: str | None, prompt: str | None) -> None:
    """This holds even if the file has more text than a prompt could."""
    message = read(BASE | {"modality": modality, "prompt": prompt, "input_file": "ada@x.org/ada@x.org/a.wav"})
    assert isinstance(message, Malformed)
    assert message.text.startswith("prompt is needed")


@pytest.mark.parametrize("bad", [7, ["a"], "a\x00b", "\ud800"])
def test_a_trainings_prompt_is_a_text_all_the_same(bad: object) -> None:
    """If it is given, it must be fit to be screened."""
    message = read(BASE | {"modality": "training", "prompt": bad})
    assert isinstance(message, Malformed)
    assert "prompt" in message.text


@pytest.mark.parametrize("bad", ["true", 1, 0, []])
def test_continuation_is_a_flag(bad: object) -> None:
    """It is true, false or absent."""
    message = read(BASE | {"continuation": bad, "input_file": "ada@x.org/ada@x.org/a.wav"})
    assert isinstance(message, Malformed)
    assert message.text == "continuation must be true or false"


def test_to_go_on_needs_something_to_go_on_from() -> None:
    """Continuation true needs a file; false needs none."""
    message = read(BASE | {"continuation": True})
    assert isinstance(message, Malformed)
    assert message.text.startswith("continuation needs an input_file")
    assert isinstance(read(BASE | {"continuation": False}), GenerationRequest)
    assert isinstance(read(BASE | {"continuation": True, "input_file": "ada@x.org/ada@x.org/a.wav"}), GenerationRequest)


_VALUES = st.none() | st.text() | st.integers() | st.floats() | st.booleans() | st.lists(st.text())


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(FULL, _VALUES)))
def test_no_value_breaks_the_reader(change: dict[str, object]) -> None:
    """Each field may hold anything; what is read can be written and read again."""
    message = parse_request(json.dumps(FULL | change).encode())[0]
    if isinstance(message, GenerationRequest):
        assert read(message.to_json()) == message


EVENT = GenerationEvent(
    key=KEY,
    outcome="succeeded",
    at=datetime(2026, 11, 21, tzinfo=UTC),
    opened_at=datetime(2026, 11, 21, tzinfo=UTC),
    model="llama-4-scout",
    held_credits=3,
    captured_credits=1,
    outputs=(
        Output(
            container="outputs",
            name="ada@x.org/ada@x.org/gen-1/2-0.txt",
            content_type="text/plain; charset=utf-8",
            size_bytes=5,
            width=0,
            height=0,
            text="a söt",
        ),
    ),
    refused_outputs=0,
    reason=None,
    text="",
    attempts=2,
    metadata={},
    ignored_fields=(),
    chosen_by=ChosenBy.FALLBACK,
    passed_over=(PassedOver("llama-405b", Reason.MODEL_RETIRED), PassedOver("llama-70b", Reason.PROVIDER_FAILED)),
)


def test_the_event_says_which_model_answered_and_why_and_what_it_said() -> None:
    """All of it survives JSON."""
    data = json.loads(json.dumps(EVENT.to_json()))["data"]
    assert (data["model"], data["chosen_by"]) == ("llama-4-scout", "fallback")
    assert data["passed_over"] == [
        {"model": "llama-405b", "reason": "MODEL_RETIRED"},
        {"model": "llama-70b", "reason": "PROVIDER_FAILED"},
    ]
    assert data["outputs"][0]["text"] == "a söt"


def test_the_event_of_what_never_opened_names_no_model_and_no_reason_for_one() -> None:
    """No model was chosen."""
    event = replace(EVENT, model="", chosen_by=None, passed_over=(), outputs=())
    data = json.loads(json.dumps(event.to_json()))["data"]
    assert (data["model"], data["chosen_by"], data["passed_over"]) == (None, None, [])
