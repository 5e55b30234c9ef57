"""Data URIs (RFC 2397), read as browsers read them (fetch.spec.whatwg.org/#data-urls).

Rules of this file:
1. Line ends, tabs and surrounding blanks are not part of an address; a fragment is not part of its content.
   ``;base64`` may have blanks before it. Base64 may contain line breaks and escapes (``%3D``) and may lack its
   padding.
2. What no browser would read gives None. It is never taken as literal text.
3. Content that is surely too large is refused before it is decoded.
"""

import base64
import binascii
import re
from urllib.parse import unquote_to_bytes

_SCHEME = "data:"
_BASE64 = re.compile(r";[ \t\n\f\r]*base64[ \t\n\f\r]*$", re.IGNORECASE)
_BLANKS = b" \t\n\f\r"


class TooLargeError(Exception):
    """The content is larger than allowed."""


def content_of(uri: str, most_bytes: int) -> bytes | None:
    """The content of a data URI, or None if it is not a readable data URI.

    Raises:
        TooLargeError: it has more than ``most_bytes``.
    """
    head, comma, body = uri.partition(",")
    if not comma or head.strip()[: len(_SCHEME)].lower() != _SCHEME:
        return None
    body = body.partition("#")[0]
    # A byte takes 4/3 characters in base64, or three when escaped. There may be as many blanks again.
    if len(body) > 8 * most_bytes + 1024:
        raise TooLargeError
    in_base64 = _BASE64.search(head[-256:]) is not None
    try:
        raw = body.encode("ascii") if in_base64 and "%" not in body else unquote_to_bytes(body)
    except UnicodeEncodeError:  # half of a surrogate pair, or not base64
        return None
    content = _decoded(raw, most_bytes) if in_base64 else raw.strip(b"\t\n\r")
    if content is not None and len(content) > most_bytes:
        raise TooLargeError
    return content


def _decoded(raw: bytes, most_bytes: int) -> bytes | None:
    """Decode base64 by https://infra.spec.whatwg.org/#forgiving-base64-decode."""
    packed = raw if not any(blank in raw for blank in _BLANKS) else raw.translate(None, _BLANKS)
    if len(packed) * 3 // 4 > most_bytes + 2:  # 2 bytes of padding at most
        raise TooLargeError
    if missing := -len(packed) % 4:
        packed += b"=" * missing
    try:
        return base64.b64decode(packed, validate=True)
    except (binascii.Error, ValueError):
        return None
