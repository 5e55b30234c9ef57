"""A list by pages, newest first. `next` and `previous` are absolute, and stay valid when the list grows."""

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import urlencode

from aiohttp import web

from replicate_simulator.engine import SIMULATOR
from replicate_simulator.problems import bad_request

_CURSOR: Final = re.compile(r"(r=1&)?p=(\d{1,12})")


class Numbered(Protocol):
    """A thing whose number grows from one to the next."""

    @property
    def number(self) -> int:
        """Its place in the order of creation."""


Thing = TypeVar("Thing", bound=Numbered)


def paged(
    request: web.Request, things: Sequence[Thing], size: int, shown: Callable[[Thing], dict[str, Any]]
) -> web.Response:
    """Returns the page that a request asks for, of things from the highest number to the lowest."""
    backwards, place = _cursor(request.query.get("cursor"))
    if place is None:
        page = things[:size]
    elif backwards:
        page = [thing for thing in things if thing.number > place][-size:]
    else:
        page = [thing for thing in things if thing.number < place][:size]
    return web.json_response(
        {
            "next": _link(request, page[-1:], "p", more=bool(page) and page[-1] is not things[-1]),
            "previous": _link(request, page[:1], "r=1&p", more=bool(page) and page[0] is not things[0]),
            "results": [shown(thing) for thing in page],
        }
    )


def _cursor(text: str | None) -> tuple[bool, int | None]:
    """Reads a cursor: whether it leads to newer ones, and the number from which."""
    if text is None:
        return False, None
    try:
        match = _CURSOR.fullmatch(base64.urlsafe_b64decode(text).decode())
    except (binascii.Error, ValueError):
        match = None
    if match is None:
        raise bad_request("Invalid cursor")
    return match[1] is not None, int(match[2])


def _link(request: web.Request, edge: Sequence[Numbered], direction: str, *, more: bool) -> str | None:
    """Returns the absolute URL of the page beyond the thing at this page's edge."""
    if not more:
        return None
    cursor = base64.urlsafe_b64encode(f"{direction}={edge[0].number}".encode()).decode()
    query = urlencode({**request.query, "cursor": cursor})
    return f"{request.app[SIMULATOR].base_url}{request.path}?{query}"
