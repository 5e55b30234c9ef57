"""The address of a provider's webhooks: it names one attempt of a generation, and proves it by a digest.

Rules of this file:
1. A signature covers the body and not the URL (standard_webhooks.py). The generation that the URL names is therefore
   bound by a digest under a key derived from the same secret: a genuine body cannot be replayed onto another one.
2. A digest that does not match raises ``SignatureError``, and no input raises anything else.
3. An address in a list may be a stranger's: the account's predictions include those of other programs. It is read
   within bounds, and an unreadable one names no generation.
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, urlencode, urlsplit

from shared.core.keys import Key
from shared.core.provider.standard_webhooks import SignatureError, key_of

#: The longest callback address that is read. Ours have some 400 characters, and 1,300 if every one is escaped.
_ADDRESS_CHARACTERS = 8192


@dataclass(frozen=True, slots=True)
class Callback:
    """What a callback address names: the generation, and its attempt."""

    key: Key
    attempt: int


def callback_url(base_url: str, callback: Callback, secret: str) -> str:
    """The address that the provider is given for one attempt's webhooks."""
    query = {
        "account": callback.key.account_id,
        "user": callback.key.user_id,
        "generation": callback.key.generation_id,
        "attempt": callback.attempt,
        "digest": _digest(callback, secret),
    }
    return f"{base_url}?{urlencode(query)}"


def read_callback(query: Mapping[str, str], secrets: Iterable[str]) -> Callback:
    """The callback in a request's query, proved by its digest. Raises SignatureError if the digest does not match."""
    attempt = _attempt(query.get("attempt", ""))
    if attempt is None:
        raise SignatureError("the callback address is not one of ours: attempt is not a number")
    callback = Callback(_named(query), attempt)
    given = query.get("digest", "").encode()
    matches = [hmac.compare_digest(_digest(callback, secret).encode(), given) for secret in secrets if key_of(secret)]
    if not any(matches):
        raise SignatureError("the callback address is not one of ours: its digest does not match")
    return callback


def named_callback(url: str) -> Callback | None:
    """The callback that an address names, without proof: to recognise our own predictions in a list.

    None for an address that cannot be read: it may be a stranger's.
    """
    if len(url) > _ADDRESS_CHARACTERS:
        return None
    try:
        query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    except ValueError:  # such as "https://["
        return None
    attempt = _attempt(query.get("attempt", ""))
    if attempt is None or "user" not in query or "generation" not in query:
        return None
    return Callback(_named(query), attempt)


def _named(query: Mapping[str, str]) -> Key:
    return Key(query.get("user", ""), query.get("generation", ""), query.get("account", ""))


def _attempt(text: str) -> int | None:
    """The number of an attempt; None if the text is not a number. Python itself refuses more than 4,300 digits."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 6 else None


def _digest(callback: Callback, secret: str) -> str:
    # A derived key, because the digest must not be a signature under the secret itself. 16 bytes are enough here.
    key = hmac.digest(key_of(secret), b"darkroom callback", hashlib.sha256)
    ids = (callback.key.account_id, callback.key.user_id, callback.key.generation_id)
    text = "\n".join((*ids, str(callback.attempt))).encode()
    return hmac.digest(key, text, hashlib.sha256)[:16].hex()
