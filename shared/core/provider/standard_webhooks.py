"""The signature of a webhook by Standard Webhooks v1 (standardwebhooks.com): checked, and made for tools and tests.

Rules of this file:
1. The signature is base64(HMAC-SHA256(key, "{id}.{timestamp}.{raw body}")), over the raw bytes, compared in constant
   time. Its headers are ``webhook-id``, ``webhook-timestamp`` and
   ``webhook-signature``. A secret is ``whsec_<base64>``.
2. ``now`` is an argument. Every problem raises ``SignatureError``, and no input raises anything else.
3. Without a secret every webhook is refused, because an empty key can be forged.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import pairwise

#: In both directions: the tolerance of Standard Webhooks. Retries of a delivery come within about a minute.
TOLERANCE_S = 300

_PREFIX = "whsec_"

#: A bound, because a stranger writes the header: some 340 signatures, and what servers accept for all headers together.
_HEADER_CHARACTERS = 16 * 1024

_PARTS = re.compile(r"[\s,]+")


class SignatureError(Exception):
    """The delivery is not from the provider, not complete, or not recent. The text says which, without the secret."""


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
    expected = [hmac.digest(key, signed, hashlib.sha256) for key in map(key_of, secrets) if key]
    given = list(_v1_signatures(signatures))
    # Every pair is compared, so that the time taken does not reveal which one matched.
    matches = [hmac.compare_digest(want, have) for want in expected for have in given]
    if not any(matches):
        raise SignatureError("no signature matches: is the webhook signing secret the current one?")


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """The ``webhook-signature`` header that ``verify`` accepts; for tools and tests that act as the sender."""
    digest = hmac.digest(key_of(secret), f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256)
    return "v1," + base64.b64encode(digest).decode()


def key_of(secret: str) -> bytes:
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
