"""Secrets as people paste them: what cannot be part of a secret is removed, and what is not a secret is named.

Rules of this file:
1. Only unambiguous mistakes are repaired: invisible characters, white space, quotes around it, a word before it.
   Anything else is a ``NoSecretError``, whose text says what is wrong and never contains the value.
2. An unusable secret must be found when it is read. An empty key would refuse every webhook, and nothing else would
   look wrong.
"""

import base64
import re
import unicodedata

#: Byte order marks, zero-width characters, soft hyphens, controls, and every kind of blank: no secret has any.
_UNSEEN = {"Cc", "Cf", "Zl", "Zp", "Zs"}

_QUOTES = "\"'`\u2018\u2019\u201c\u201d\u00ab\u00bb"

#: What stands before a secret where it is copied from: a header, an .env file, a signature.
_BEFORE_A_TOKEN = ("bearer", "token", "authorization:")
_BEFORE_A_KEY = ("v1,",)

_PREFIX = "whsec_"

_BASE64 = re.compile("[A-Za-z0-9+/]*")

#: Standard Webhooks asks for 24 to 64 bytes. Anything shorter than this is part of a secret, or a word.
_KEY_BYTES = 16

#: The private key of Ed25519, and the key of keyed digests.
LEDGER_KEY_BYTES = 32

#: What the platform leaves in place of a secret that it could not fetch.
_UNRESOLVED = "@Microsoft.KeyVault("


class NoSecretError(ValueError):
    """The value is not a secret. The text says what it looks like instead."""


def token(text: str, *, setting: str = "") -> str:
    """Clean an API token. An empty value stays empty. Raises NoSecretError if it is not a token.

    ``setting`` is the name of its environment variable, which may stand before it.
    """
    found = _bare(text, (*_BEFORE_A_TOKEN, *_assigned(setting)))
    if found.lower().startswith(_PREFIX):
        raise NoSecretError("it is a webhook signing secret (whsec_...), not an API token")
    if not found.isascii():
        raise NoSecretError("it holds a character that is in no API token")
    return found


def signing_secret(text: str, *, setting: str = "", token_prefix: str = "") -> str:
    """Clean a signing secret: ``whsec_`` and base64. An empty value stays empty. Raises NoSecretError without a key.

    ``setting`` is the name of its environment variable, which may stand before it. ``token_prefix`` is how the API
    tokens of the same provider begin: a token may be valid base64.
    """
    found = _bare(text, (*_BEFORE_A_KEY, *_assigned(setting)))
    if not found:
        return ""
    if token_prefix and found.startswith(token_prefix):
        raise NoSecretError(f"it is an API token ({token_prefix}...), not a webhook signing secret")
    prefixed = found[: len(_PREFIX)].lower() == _PREFIX
    digits = (found[len(_PREFIX) :] if prefixed else found).translate(str.maketrans("-_", "+/")).rstrip("=")
    if not _BASE64.fullmatch(digits):
        raise NoSecretError("it holds a character that is in no base64")
    if len(digits) % 4 == 1:
        raise NoSecretError("a character of it is missing, or there is one too many: that is no whole base64")
    key = base64.b64decode(digits + "=" * (-len(digits) % 4), validate=True)
    if len(key) < _KEY_BYTES:
        raise NoSecretError(f"its key has {len(key)} bytes, and a signing secret has 24 or more")
    return _PREFIX + base64.b64encode(key).decode()


def _assigned(setting: str) -> tuple[str, ...]:
    """How an .env file or a YAML file begins the line of a setting."""
    return (f"{setting.lower()}=", f"{setting.lower()}:") if setting else ()


def ledger_key(text: str) -> str:
    """Clean a key of the ledger: 32 bytes in base64. An empty value stays empty. Raises NoSecretError else."""
    found = _bare(text, ())
    if not found:
        return ""
    digits = found.translate(str.maketrans("-_", "+/")).rstrip("=")
    if not _BASE64.fullmatch(digits) or len(digits) % 4 == 1:
        raise NoSecretError("it is no base64")
    key = base64.b64decode(digits + "=" * (-len(digits) % 4), validate=True)
    if len(key) != LEDGER_KEY_BYTES:
        raise NoSecretError(f"it has {len(key)} bytes in base64, and a key of the ledger has {LEDGER_KEY_BYTES}")
    return base64.b64encode(key).decode()


def _bare(text: str, before: tuple[str, ...]) -> str:
    """The text without anything that cannot be part of a secret, however many layers there are."""
    found = "".join(char for char in text if unicodedata.category(char) not in _UNSEEN)
    if found.startswith(_UNRESOLVED):
        raise NoSecretError("it is a Key Vault reference that the platform has not resolved")
    while True:
        bare = found.strip(_QUOTES)
        for word in before:
            if bare.lower().startswith(word) and len(bare) > len(word):
                bare = bare[len(word) :]
        if bare == found:
            return found
        found = bare
