"""Addresses of outputs, which come from outside: which of them are Replicate's.

Rules of this file:
1. An address must be at the delivery host or a subdomain, with the same scheme and port. A user name in the address is
   refused, because it would become a header.
2. The object that was checked is the one to fetch, so that two parsers cannot disagree.
"""

import functools
import re
import string
from urllib.parse import quote

import yarl

#: The characters of an address that are not encoded, because a signature covers them. A space or an umlaut is.
_ADDRESS_SAFE = string.punctuation
_HOST = re.compile(r"[a-z0-9.-]+")


def own_url(uri: str, delivery_url: str) -> yarl.URL | None:
    """The address, if it is at Replicate's delivery host. None if not."""
    scheme, port, host = _origin(delivery_url)
    if not uri.isprintable():
        return None
    try:
        url = yarl.URL(quote(uri, safe=_ADDRESS_SAFE), encoded=True)
        asked, named = (url.raw_host or "").lower(), url.user is not None or url.password is not None
        same_origin = (url.scheme, url.port) == (scheme, port)
    except ValueError:
        return None
    same_host = asked == host or (asked.endswith(f".{host}") and _HOST.fullmatch(asked) is not None)
    return url if same_origin and same_host and not named else None


@functools.lru_cache(maxsize=8)
def _origin(url: str) -> tuple[str, int | None, str]:
    """The scheme, port and host of an address."""
    address = yarl.URL(url)
    return address.scheme, address.port, address.raw_host or ""
