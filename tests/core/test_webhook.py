"""The webhook's locks, against published vectors and everything a stranger may send."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.keys import Key
from shared.core.provider.standard_webhooks import TOLERANCE_S, SignatureError, sign, verify
from shared.core.provider.webhook import Callback, callback_url, named_callback, read_callback

# The vector of Svix and of Replicate's own documentation.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
BODY = b'{"test": 2432232314}'
NOW = datetime.fromtimestamp(1614265330, tz=UTC)
GOOD = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
CALLBACK = Callback(Key("ada@example.com", "g-1", "acme"), 2)


def test_the_published_vector_verifies() -> None:
    """The signature of the documentation's example is accepted."""
    verify(GOOD, BODY, [SECRET], NOW)


def test_the_second_vector_verifies() -> None:
    """So is one with the documentation's sample secret."""
    headers = {
        "webhook-id": "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W",
        "webhook-timestamp": "1674087231",
        "webhook-signature": "v1,bPUfTkrIeap3vi02/o/J0sO+lzXzik4utYdPom3teOo=",
    }
    body = (
        b'{"id":"ufawqhfynnddngldkgtslldrkq","status":"succeeded","output":["https://replicate.delivery/x/out-0.webp"]}'
    )
    verify(headers, body, [OTHER], datetime.fromtimestamp(1674087231, tz=UTC))


def test_one_good_signature_among_several_is_enough() -> None:
    """During a rotation of theirs several signatures come in one header."""
    headers = GOOD | {
        "webhook-signature": "v1,bm9ldHUjKzFob2VudXRob2VodWUzMjRvdWVvdW9ldQo= "
        + GOOD["webhook-signature"]
        + " v2,MzJsNDk4MzI0K2VvdSMjMTEjQEBAQDEyMzMzMzEyMwo="
    }
    verify(headers, BODY, [SECRET], NOW)


def test_the_previous_secret_is_accepted_beside_the_current() -> None:
    """During a rotation of ours both secrets hold."""
    verify(GOOD, BODY, [OTHER, SECRET], NOW)


@pytest.mark.parametrize("offset_s", [-TOLERANCE_S, TOLERANCE_S])
def test_the_tolerance_is_inclusive_either_way(offset_s: int) -> None:
    """Five minutes of difference are still now."""
    verify(GOOD, BODY, [SECRET], datetime.fromtimestamp(1614265330 + offset_s, tz=UTC))


@pytest.mark.parametrize(
    ("headers", "body", "secrets", "at"),
    [
        ({}, BODY, [SECRET], NOW),
        ({name: value for name, value in GOOD.items() if name != "webhook-id"}, BODY, [SECRET], NOW),
        (GOOD, BODY + b" ", [SECRET], NOW),
        (GOOD | {"webhook-id": "msg_other"}, BODY, [SECRET], NOW),
        (GOOD | {"webhook-timestamp": "1614265331"}, BODY, [SECRET], NOW),
        (GOOD | {"webhook-timestamp": "soon"}, BODY, [SECRET], NOW),
        (GOOD | {"webhook-timestamp": "٣"}, BODY, [SECRET], NOW),
        (GOOD | {"webhook-signature": "garbage"}, BODY, [SECRET], NOW),
        (GOOD | {"webhook-signature": "v1,a"}, BODY, [SECRET], NOW),
        (GOOD | {"webhook-signature": GOOD["webhook-signature"].replace("v1", "v2")}, BODY, [SECRET], NOW),
        (GOOD, BODY, [OTHER], NOW),
        (GOOD, BODY, [], NOW),
        (GOOD, BODY, ["", "whsec_", "whsec_!!"], NOW),
        (GOOD, BODY, [SECRET], datetime.fromtimestamp(1614265330 + TOLERANCE_S + 1, tz=UTC)),
        (GOOD, BODY, [SECRET], datetime.fromtimestamp(1614265330 - TOLERANCE_S - 1, tz=UTC)),
    ],
)
def test_whatever_is_wrong_is_one_error(headers: dict[str, str], body: bytes, secrets: list[str], at: datetime) -> None:
    """Unsigned, changed, old, of another secret, or without a secret: always SignatureError, without the secret."""
    with pytest.raises(SignatureError) as caught:
        verify(headers, body, secrets, at)
    assert not any(secret and secret in str(caught.value) for secret in secrets)


def test_an_empty_secret_refuses_every_webhook() -> None:
    """What was signed with an empty key is not accepted under an empty secret."""
    headers = GOOD | {"webhook-signature": sign("whsec_", GOOD["webhook-id"], 1614265330, BODY)}
    with pytest.raises(SignatureError):
        verify(headers, BODY, ["whsec_"], NOW)


@given(st.dictionaries(st.sampled_from(list(GOOD)), st.text()), st.binary())
def test_no_stranger_gets_another_error(headers: dict[str, str], body: bytes) -> None:
    """Random headers and bodies never verify and never raise anything but SignatureError."""
    with pytest.raises(SignatureError):
        verify(headers, body, [SECRET], NOW)


def query_of(url: str) -> dict[str, str]:
    """What an address says after its question mark."""
    from urllib.parse import parse_qs, urlsplit  # noqa: PLC0415  # only here

    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def test_the_callback_is_read_back_from_its_address() -> None:
    """Account, user, generation and attempt survive the query string, odd characters included."""
    url = callback_url("https://app.example/api/webhooks/replicate", CALLBACK, SECRET)
    assert read_callback(query_of(url), [OTHER, SECRET]) == CALLBACK
    assert named_callback(url) == CALLBACK


@pytest.mark.parametrize(
    "change", [{"account": "eve"}, {"user": "eve"}, {"generation": "g-2"}, {"attempt": "3"}, {"digest": ""}]
)
def test_a_changed_address_is_not_ours(change: dict[str, str]) -> None:
    """Each part of the address is under the digest."""
    query = query_of(callback_url("https://app.example/hook", CALLBACK, SECRET)) | change
    with pytest.raises(SignatureError):
        read_callback(query, [SECRET])


@pytest.mark.parametrize("attempt", ["", "-1", "1.5", "x", "٣", "9" * 7])
def test_an_attempt_that_is_no_number_is_not_ours(attempt: str) -> None:
    """What is no small number is refused before anything is computed."""
    query = query_of(callback_url("https://app.example/hook", CALLBACK, SECRET)) | {"attempt": attempt}
    with pytest.raises(SignatureError):
        read_callback(query, [SECRET])


def test_the_digest_needs_a_secret() -> None:
    """Without a secret no address is ours, not even one with the digest of an empty key."""
    query = query_of(callback_url("https://app.example/hook", CALLBACK, "whsec_"))
    with pytest.raises(SignatureError):
        read_callback(query, ["whsec_"])


@pytest.mark.parametrize("url", ["", "https://elsewhere.example/hook", "https://x/?user=a&generation=b&attempt=c"])
def test_an_address_that_names_no_callback(url: str) -> None:
    """Other people's webhook addresses in a list are not mistaken for ours."""
    assert named_callback(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "https://[",
        "https://[::1",
        "https://a\uff0f@b/?user=u&generation=g&attempt=1",
        "//[?user=u&generation=g&attempt=1",
        f"https://a/?user=u&generation=g&attempt={'9' * 5000}",
        "https://a/?user=u&generation=g&attempt=1234567",
        "https://a/?user=u&generation=g&attempt=\u0661",
        "https://a/?user=u&generation=g&attempt=-1",
        "https://a/?user=u&generation=g&attempt=" + "1" * 100_000,
        "https://a/?" + "user=u&" * 100_000,
        "\ud800",
        "",
    ],
)
def test_an_address_that_cannot_be_read_names_nothing(url: str) -> None:
    """It may be anybody's who shares the account: it is looked at, and never raises."""
    assert named_callback(url) is None


@given(st.text(max_size=200))
def test_no_address_raises(url: str) -> None:
    """Whatever it is."""
    for each in (url, f"https://{url}", f"https://a/?user=u&generation=g&attempt={url}"):
        found = named_callback(each)
        assert found is None or isinstance(found, Callback)


GOOD_ONE = GOOD["webhook-signature"]


@pytest.mark.parametrize(
    "signatures",
    [
        f"{GOOD_ONE},v1,AAAA",
        f"v1,AAAA,{GOOD_ONE}",
        f"{GOOD_ONE}, v1,AAAA",
        f"v1,AAAA\t{GOOD_ONE}",
        f"\t {GOOD_ONE}\t",
        f"v1,AAAA  {GOOD_ONE}",
        f"v1, {GOOD_ONE.removeprefix('v1,')}",
        " ".join(["v1,AAAA"] * 16 + [GOOD_ONE]),
        ",".join(["v1,AAAA"] * 300 + [GOOD_ONE]),
        f"v1a,AAAA {GOOD_ONE}",
        f"v1,v1,{GOOD_ONE}",
        f"v1,!!,{GOOD_ONE},,",
        f"garbage {GOOD_ONE}",
    ],
)
def test_a_good_signature_is_found_however_a_proxy_wrote_the_header(signatures: str) -> None:
    """Doubled headers are joined by a comma, blanks become tabs, and nobody counts the entries."""
    verify(GOOD | {"webhook-signature": signatures}, BODY, [SECRET], NOW)


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp"])
def test_the_same_value_twice_is_that_value(name: str) -> None:
    """A header that was doubled on the way and joined; two different ones are no value."""
    verify(GOOD | {name: f"{GOOD[name]}, {GOOD[name]}\t"}, BODY, [SECRET], NOW)
    with pytest.raises(SignatureError):
        verify(GOOD | {name: f"{GOOD[name]},{GOOD[name]}1"}, BODY, [SECRET], NOW)


def test_a_header_has_a_bound() -> None:
    """What stands behind the first 16 KiB was not written by Replicate; half a million entries cost no time."""
    with pytest.raises(SignatureError):
        verify(GOOD | {"webhook-signature": "v1,AAAA " * 500_000 + GOOD_ONE}, BODY, [SECRET], NOW)


def test_half_a_character_is_no_signature() -> None:
    """A header that no text can be made of is refused as any other."""
    with pytest.raises(SignatureError):
        verify(GOOD | {"webhook-id": "\ud800"}, BODY, [SECRET], NOW)
