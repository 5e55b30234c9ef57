"""Messages: what is read, what is refused, and that nothing breaks the reader."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.keys import Key
from shared.core.provider.prediction import Prediction, Status
from shared.core.requests.messages import CancelRequest, Check, GenerationRequest, Malformed, PredictionEvent
from shared.core.requests.parsing import REQUEST_BYTES, parse_event, parse_request

KEY = Key("user-1", "gen-1")
#: The message of the FLUX guide, as it stands there.
GUIDE = {
    "generation_id": "gen-1",
    "user_id": "user-1",
    "prompt": "A beautiful sunset over mountains, highly detailed",
    "width": 1024,
    "height": 768,
}
FULL = GUIDE | {
    "model": "flux-dev",
    "negative_prompt": "people",
    "aspect_ratio": "4:3",
    "num_outputs": 2,
    "num_inference_steps": 20,
    "guidance_scale": 3.5,
    "seed": 0,
    "image_url": "https://example.com/a.png",
    "prompt_strength": 0.5,
    "output_format": "png",
    "quality": "premium",
    "max_credits": 0,
    "allow_fallback": False,
    "metadata": {"screen": "home"},
}


def read(body: object) -> GenerationRequest | CancelRequest | Malformed:
    """The message in a JSON body."""
    return parse_request(json.dumps(body).encode())[0]


def test_the_message_of_the_guide_is_read() -> None:
    """The minimum an app sends."""
    assert read(GUIDE) == GenerationRequest(key=KEY, prompt=str(GUIDE["prompt"]), width=1024, height=768)


def test_every_documented_field_is_read_and_written_back() -> None:
    """A deferred copy equals the original; seed 0 and 0 credits are not "absent"."""
    message = read(FULL)
    assert isinstance(message, GenerationRequest)
    assert (message.seed, message.max_credits, message.allow_fallback) == (0, 0, False)
    assert read(message.to_json()) == message
    assert message.to_json() == FULL


def test_unknown_fields_are_kept_out_and_named() -> None:
    """A misspelled name is reported, and made harmless before it reaches a log."""
    message, unknown = parse_request(json.dumps(GUIDE | {"promt": "x", "a\nb" * 50: 1}).encode())
    assert isinstance(message, GenerationRequest)
    assert unknown == ("a?ba?ba?ba?ba?ba?ba?ba?ba?ba?ba?ba?ba?ba", "promt")


def test_an_address_that_is_signed_with_a_token_is_taken() -> None:
    """The limit is 8,192 characters, because a role's token alone has thousands."""
    address = "https://example.com/" + "a" * 8172
    message = read(GUIDE | {"image_url": address})
    assert isinstance(message, GenerationRequest)
    assert message.image_url == address


def test_a_cancel_is_read() -> None:
    """The same queue takes cancels."""
    assert read({"type": "cancel", "user_id": "user-1", "generation_id": "gen-1"}) == CancelRequest(KEY)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"[]",
        b'"text"',
        b"{",
        b"[" * 100_000,
        b'{"user_id": "u"}',
        b" " * (REQUEST_BYTES + 1),
    ],
)
def test_bytes_that_are_no_message_are_refused_without_a_key(raw: bytes) -> None:
    """The error says what the bytes are, and nothing raises."""
    message, _ = parse_request(raw)
    assert isinstance(message, Malformed)
    assert (message.key, message.raw) == (None, raw)


@pytest.mark.parametrize(
    "bad",
    ["", "a/b", "a\\b", "a#b", "a?b", "a b", "ä", "a\x00b", "+a", ".a", "a.", "..", "a%2Fb", "a;b", "x" * 129, 7, None],
)
@pytest.mark.parametrize("field", ["user_id", "generation_id"])
def test_ids_that_a_store_forbids_are_refused(field: str, bad: object) -> None:
    """Characters that Tables or Blob Storage forbid are refused when the message is read."""
    message = read(GUIDE | {field: bad})
    assert isinstance(message, Malformed)
    assert message.key is None
    assert field in message.text


#: As apps and identity providers make them: mail, Auth0, Cognito, Entra ID, Google through a federation, SAML.
GOOD_IDS = [
    *("a", "0", "A-1.b", "x" * 128, "ada@example.com", "ada+x@example.com", "o'brien@example.com"),
    *(
        "auth0|123_x",
        "google-oauth2|1138",
        "us-east-1:7f3c4a2e-0f6b-4c2e-9a53-1b1d2f3a4b5c",
        "accounts.google.com:1138",
    ),
    *("-AAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ", "_5f2e1c", "S-1-5-21-3623811015", "MDQ6VXNlcjE=", "urn:user:~7"),
]


@pytest.mark.parametrize("good", GOOD_IDS)
def test_ids_that_apps_use_are_taken(good: str) -> None:
    """Mail addresses and the subject ids of identity providers are ids."""
    message = read(GUIDE | {"user_id": good})
    assert isinstance(message, GenerationRequest)
    assert message.key.user_id == good


@pytest.mark.parametrize(
    ("field", "bad"),
    [
        ("prompt", ""),
        ("prompt", " \n\t"),
        ("prompt", None),
        ("prompt", 7),
        ("prompt", "a\x00b"),
        ("prompt", "\ud800"),
        ("width", 63),
        ("width", 8193),
        ("width", 1024.5),
        ("width", "1024"),
        ("width", True),
        ("height", 10**400),
        ("image_url", "https://example.com/" + "a" * 8173),
        ("num_outputs", 0),
        ("seed", -1),
        ("seed", 2**32),
        ("guidance_scale", -0.1),
        ("guidance_scale", "high"),
        ("prompt_strength", 1.1),
        ("max_credits", -1),
        ("allow_fallback", "yes"),
        ("metadata", []),
        ("metadata", {"a": 1}),
        ("metadata", {"a": "x" * 257}),
        ("metadata", {str(number): "x" for number in range(17)}),
        ("model", "x" * 201),
        ("negative_prompt", "x" * 2001),
        ("type", "sing"),
    ],
)
def test_a_bad_field_is_refused_by_name_with_the_ids_for_an_event(field: str, bad: object) -> None:
    """The text names the field and the key is there; the value is not quoted."""
    message = read(GUIDE | {field: bad})
    assert isinstance(message, Malformed)
    assert message.key == KEY
    assert field in message.text
    assert not isinstance(bad, str) or len(bad) < 5 or bad not in message.text


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400"])
def test_values_that_are_no_numbers_are_refused(number: str) -> None:
    """Python's JSON reads more than the standard allows; those values are refused."""
    raw = json.dumps(GUIDE)[:-1] + f', "guidance_scale": {number}}}'
    assert isinstance(parse_request(raw.encode())[0], Malformed)


@given(
    st.binary(max_size=200)
    | st.dictionaries(st.text(), st.none() | st.text() | st.integers() | st.floats()).map(
        lambda body: json.dumps(body).encode()
    )
)
def test_no_bytes_break_the_readers(raw: bytes) -> None:
    """Neither queue's reader raises, whatever the bytes."""
    parse_request(raw)
    parse_event(raw)


@given(
    st.fixed_dictionaries(
        {}, optional={name: st.none() | st.text() | st.integers() | st.floats() | st.booleans() for name in FULL}
    )
)
def test_no_value_breaks_the_reader(change: dict[str, object]) -> None:
    """Any field may hold any value; what is read can be written and read again."""
    message = read(FULL | change)
    if isinstance(message, GenerationRequest):
        assert read(message.to_json()) == message


EVENT = PredictionEvent(
    KEY, 2, Prediction(prediction_id="a" * 26, status=Status.SUCCEEDED, outputs=("https://x/0.png",))
)


@pytest.mark.parametrize("message", [EVENT, Check(KEY)])
def test_our_own_messages_are_read_back(message: PredictionEvent | Check) -> None:
    """The observe trigger reads what the other triggers write."""
    assert parse_event(json.dumps(message.to_json()).encode()) == message


@pytest.mark.parametrize("change", [{"attempt": "2"}, {"prediction": {}}, {"type": "other"}, {"user_id": "a/b"}])
def test_a_body_that_is_no_event_is_malformed(change: dict[str, object]) -> None:
    """A foreign message on the event queue is refused without an exception."""
    assert isinstance(parse_event(json.dumps(EVENT.to_json() | change).encode()), Malformed)
