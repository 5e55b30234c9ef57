"""Refuses what a simulator does not speak by its name: in the answer, and in one line of the log.

Rules: the sentence is the simulator's own, because an error that looks like the service's would be searched for in the
caller's code. A request is named by its method and path alone, because a query may hold a secret. The path is cut and
stays percent-encoded, so that no caller can write lines of the log.
"""

import logging
from typing import Final

from aiohttp import web

_LOG: Final = logging.getLogger("replicate_simulator")
_MOST_CHARACTERS: Final = 200


def name_of(request: web.Request) -> str:
    """Returns a request's method and path, as they came, in at most 200 characters."""
    # The raw path: the decoded one may hold line ends.
    name = f"{request.method} {request.rel_url.raw_path}"
    return name if len(name) <= _MOST_CHARACTERS else f"{name[: _MOST_CHARACTERS - 3]}..."


def refused(request: web.Request, hint: str = "") -> str:
    """Returns the sentence that refuses a request which no route takes, and logs it.

    Args:
        request: the request.
        hint: where what is spoken is found, for a path that has no route at all.
    """
    missing = request.match_info.http_exception
    if isinstance(missing, web.HTTPMethodNotAllowed):
        hint = f"this path takes {', '.join(sorted(missing.allowed_methods))}"
    sentence = f"The simulator does not speak {name_of(request)}{hint and f': {hint}'}."
    _LOG.warning(sentence)
    return sentence


def not_spoken(what: str, instead: str) -> str:
    """Returns the sentence that refuses a part of a request, such as a field of its body, and logs it."""
    sentence = f"The simulator does not speak {what}: {instead}."
    _LOG.warning(sentence)
    return sentence


def log_to_stderr() -> None:
    """Writes the log of this process to standard error, one line an entry."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.WARNING)
