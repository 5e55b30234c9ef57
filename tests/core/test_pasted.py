"""Secrets as they are pasted: repaired where there is one reading, named where there is none."""

import base64
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.config.replicate_secrets import api_token as token
from shared.config.replicate_secrets import signing_secret
from shared.core.provider.pasted_secrets import NoSecretError

#: 24 bytes whose base64 has both letters in which the alphabets differ, and 25 whose base64 is padded.
WHOLE = "whsec_" + base64.b64encode(bytes([251, 255, 191] * 8)).decode()
PADDED = "whsec_" + base64.b64encode(b"25 bytes, so it is padded").decode()
URL_SAFE = WHOLE.translate(str.maketrans("+/", "-_"))

TOKEN = "r8_" + "aB3" * 12 + "x"


@pytest.mark.parametrize(
    ("pasted", "secret"),
    [
        (WHOLE, WHOLE),
        (f"\ufeff{WHOLE}", WHOLE),
        (f"\u200b{WHOLE}\u200d\u2060", WHOLE),
        (f"{WHOLE[:12]}\u200b{WHOLE[12:]}", WHOLE),
        (f" {WHOLE}\u00a0\r\n", WHOLE),
        (f"{WHOLE[:20]}\n{WHOLE[20:]}", WHOLE),
        (f'"{WHOLE}"', WHOLE),
        (f"'{WHOLE}'", WHOLE),
        (f"\u201c{WHOLE}\u201d", WHOLE),
        (f"v1,{WHOLE}", WHOLE),
        (f"'v1, \"{WHOLE}\"'", WHOLE),
        (f"REPLICATE_WEBHOOK_SECRET={WHOLE}", WHOLE),
        (WHOLE.removeprefix("whsec_"), WHOLE),
        (WHOLE.replace("whsec_", "WHSEC_"), WHOLE),
        (f"whsec_{URL_SAFE.removeprefix('whsec_')}", WHOLE),
        (PADDED, PADDED),
        (PADDED.rstrip("="), PADDED),
        (f"{PADDED}=", PADDED),
        ("", ""),
        ("\ufeff \n", ""),
    ],
)
def test_a_signing_secret_is_found_in_what_was_pasted(pasted: str, secret: str) -> None:
    """Whatever cannot be part of it goes, and what is left is the key as Replicate writes it."""
    assert signing_secret(pasted) == secret


@pytest.mark.parametrize(
    ("pasted", "why"),
    [
        (TOKEN, "an API token"),
        (f'"{TOKEN}"', "an API token"),
        (WHOLE[:-1] + "$", "in no base64"),
        (WHOLE + "\u00e9", "in no base64"),
        (f"{WHOLE};{WHOLE}", "in no base64"),
        ("https://vault.vault.azure.net/secrets/replicate-webhook-secret", "base64"),
        (WHOLE[:-3], "missing"),
        ("whsec_c2VjcmV0", "has 6 bytes"),
        ("whsec_", "has 0 bytes"),
        ("@Microsoft.KeyVault(SecretUri=https://x)", "not resolved"),
    ],
)
def test_what_is_no_signing_secret_is_named(pasted: str, why: str) -> None:
    """What it looks like instead, and nothing of the value."""
    with pytest.raises(NoSecretError, match=why) as caught:
        signing_secret(pasted)
    assert pasted[6:] not in str(caught.value) or pasted == "whsec_"


@pytest.mark.parametrize(
    "pasted",
    [
        TOKEN,
        f"\ufeff{TOKEN}\u200b\n",
        f'"{TOKEN}"',
        f"Bearer {TOKEN}",
        f"Token {TOKEN}",
        f"REPLICATE_API_TOKEN='{TOKEN}'",
    ],
)
def test_a_token_is_found_in_what_was_pasted(pasted: str) -> None:
    """A header cannot hold a mark that is not seen, and would not be believed with quotes."""
    assert token(pasted) == TOKEN


@pytest.mark.parametrize(("pasted", "why"), [(WHOLE, "webhook signing secret"), ("r8_\u0430bc", "in no API token")])
def test_what_is_no_token_is_named(pasted: str, why: str) -> None:
    """The other secret, or a letter that only looks like one."""
    with pytest.raises(NoSecretError, match=why):
        token(pasted)


@given(st.binary(min_size=16, max_size=64))
def test_every_key_is_its_own_reading(key: bytes) -> None:
    """However it is written, the key is the same; a secret is never taken for another one."""
    whole = "whsec_" + base64.b64encode(key).decode()
    safe = "whsec_" + base64.urlsafe_b64encode(key).decode().rstrip("=")
    assert signing_secret(whole) == signing_secret(safe) == whole


@given(st.text())
def test_nothing_raises_anything_else(text: str) -> None:
    """Whatever stands in a setting or a vault."""
    for read in (signing_secret, token):
        with suppress(NoSecretError):
            assert text.isascii() or read(text).isascii()
