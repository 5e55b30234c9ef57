"""The two checks of a webhook: Replicate's signature over the body, and our digest over the callback's address.

Rules of this file:
1. The signature is Standard Webhooks v1 (standardwebhooks.com; replicate.com/docs/topics/webhooks/verify-webhook):
   base64(HMAC-SHA256(key, "{id}.{timestamp}.{raw body}")), over the raw bytes, compared in constant time.
2. ``now`` is an argument. Every problem raises ``SignatureError``, and no input raises anything else.
3. Without a secret every webhook is refused, because an empty key can be forged.
4. Replicate does not sign the URL. The generation that it names is therefore bound by a digest under a key derived from
   the same secret: a genuine body cannot be replayed onto another generation.
5. An address in a list may be a stranger's: the account's predictions include those of other programs. It is read
   within bounds, and an unreadable one names no generation.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from urllib.parse import parse_qs, urlencode, urlsplit

from shared.core.keys import Key

#: In both directions: the tolerance of Standard Webhooks. Replicate's retries come within about a minute.
TOLERANCE_S = 300

_PREFIX = "whsec_"

#: The longest callback address that is read. Ours have some 400 characters, and 1,300 if every one is escaped.
_ADDRESS_CHARACTERS = 8192

#: A bound, because a stranger writes the header: some 340 signatures, and what servers accept for all headers together.
_HEADER_CHARACTERS = 16 * 1024

_PARTS = re.compile(r"[\s,]+")


class SignatureError(Exception):
    """The delivery is not from Replicate, not complete, or not recent. The text says which, without the secret."""


@dataclass(frozen=True, slots=True)
class Callback:
    """What a callback address names: the generation, and its attempt."""

    key: Key
    attempt: int


def verify(headers: Mapping[str, str], body: bytes, secrets: Iterable[str], now: datetime) -> None:
    """Raise SignatureError unless one of ``secrets`` signed ``body`` within the tolerance of ``now``.

    ``headers`` has lower-case names. Several secrets are accepted, because a rotation keeps the old one for an hour.
    """
    message_id = _once(headers.get("webhook-id", ""))
    timestamp = _once(headers.get("webhook-timestamp", ""))
    signatures = headers.get("webhook-signature", "")
    if not (message_id and timestamp and signatures):
        raise SignatureError("unsigned: webhook-id, webhook-timestamp and webhook-signature are all needed")
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        raise SignatureError("webhook-timestamp is not a number of seconds")
    if abs(now.timestamp() - int(timestamp)) > TOLERANCE_S:
        raise SignatureError(f"webhook-timestamp is more than {TOLERANCE_S} s away from now")
    signed = f"{message_id}.{timestamp}.".encode(errors="replace") + body
    expected = [hmac.digest(key, signed, hashlib.sha256) for key in map(_key, secrets) if key]
    given = list(_v1_signatures(signatures))
    # Every pair is compared, so that the time taken does not reveal which one matched.
    matches = [hmac.compare_digest(want, have) for want in expected for have in given]
    if not any(matches):
        raise SignatureError("no signature matches: is the webhook signing secret the current one?")


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """The ``webhook-signature`` header that ``verify`` accepts; for tools and tests that act as Replicate."""
    digest = hmac.digest(_key(secret), f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256)
    return "v1," + base64.b64encode(digest).decode()


def _key(secret: str) -> bytes:
    """The key in ``whsec_<base64>``; empty if there is none."""
    try:
        return base64.b64decode(secret.strip().removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _once(header: str) -> str:
    """A header's value. A proxy that joins a header with its duplicate gives the same value twice."""
    values = {value.strip() for value in header[:_HEADER_CHARACTERS].split(",")}
    return values.pop() if len(values) == 1 else header.strip()


def _v1_signatures(header: str) -> Iterable[bytes]:
    """The decoded v1 entries of a list. Other versions and broken entries are skipped.

    Standard Webhooks separates entries by a space. A proxy may put any white space there, and one that joins duplicate
    headers puts a comma, which also separates version and value. Neither occurs in a value, so each value is what
    follows a version.
    """
    words = _PARTS.split(header[:_HEADER_CHARACTERS])
    for version, value in pairwise(words):
        if version != "v1":
            continue
        try:
            yield base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            continue


def callback_url(base_url: str, callback: Callback, secret: str) -> str:
    """The address that Replicate is given for one attempt's webhooks."""
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
    matches = [hmac.compare_digest(_digest(callback, secret).encode(), given) for secret in secrets if _key(secret)]
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
    key = hmac.digest(_key(secret), b"darkroom callback", hashlib.sha256)
    ids = (callback.key.account_id, callback.key.user_id, callback.key.generation_id)
    text = "\n".join((*ids, str(callback.attempt))).encode()
    return hmac.digest(key, text, hashlib.sha256)[:16].hex()
