"""What an answer's status means: one table, for a create of the message handler and for every operation of the library.

Rules of this file:
1. The status decides; the body only says who answered. creating.py makes an outcome of the meaning, calling.py an
   exception. Neither looks at a status itself, so that both always agree on what was done at Replicate.
2. A refusal counts only if it is Replicate's own: JSON with a ``detail``. The page of an edge or the line of a load
   balancer says nothing about a model or an input. It means that nothing was done.
3. A status that is not in the table has the meaning of its hundreds. A 4xx has done nothing and never will.
4. Whatever does not surely say that nothing was done leaves a write unknown: a time-out (408), a conflict, which is not
   documented (409), and a 5xx. A read that is answered so may be repeated.
5. A refused token (401) has done nothing, so any operation is sent once more, with a fresh token.
"""

from collections.abc import Awaitable, Callable, Mapping
from enum import Enum, auto
from types import MappingProxyType
from typing import TypeVar

from shared.adapters.replicate.sdk.retrying import Kind

T = TypeVar("T")


class Meaning(Enum):
    """What an answer means for the operation that it answers. Only DONE and PERHAPS_DONE have changed anything."""

    DONE = auto()
    TOKEN_REFUSED = auto()  # a person must replace the token
    NO_CREDIT = auto()  # a person must buy credit
    FORBIDDEN = auto()  # Replicate: this account may not do that
    BLOCKED = auto()  # a proxy: this client may not pass
    THROTTLED = auto()
    NOT_FOUND = auto()  # Replicate: it never was there, or is gone
    MISROUTED = auto()  # something else than Replicate answered: the request did not reach it
    REFUSED = auto()  # what was sent is not accepted, and never will be
    REDIRECTED = auto()  # no redirect is followed: it would take the token elsewhere
    FAILED = auto()  # a read failed: it may be repeated
    PERHAPS_DONE = auto()  # a write failed: it may have been done


#: The meaning of each status that has one of its own: of Replicate's own answer, and of anybody else's.
STATUSES: Mapping[int, tuple[Meaning, Meaning]] = MappingProxyType(
    {
        401: (Meaning.TOKEN_REFUSED, Meaning.TOKEN_REFUSED),
        402: (Meaning.NO_CREDIT, Meaning.NO_CREDIT),
        403: (Meaning.FORBIDDEN, Meaning.BLOCKED),
        404: (Meaning.NOT_FOUND, Meaning.MISROUTED),
        # These four are a proxy's that does not let a request through. A status about the request's size or form is
        # not among them: it is right whoever sends it.
        405: (Meaning.REFUSED, Meaning.MISROUTED),
        407: (Meaning.REFUSED, Meaning.MISROUTED),
        421: (Meaning.REFUSED, Meaning.MISROUTED),
        451: (Meaning.REFUSED, Meaning.MISROUTED),
        408: (Meaning.PERHAPS_DONE, Meaning.PERHAPS_DONE),
        409: (Meaning.PERHAPS_DONE, Meaning.PERHAPS_DONE),
        410: (Meaning.NOT_FOUND, Meaning.MISROUTED),
        429: (Meaning.THROTTLED, Meaning.THROTTLED),
    }
)

#: The meaning of every other status, by its hundreds.
_HUNDREDS = {2: Meaning.DONE, 4: Meaning.REFUSED, 5: Meaning.PERHAPS_DONE}


def meaning_of(status: int, kind: Kind, *, replicates: bool) -> Meaning:
    """What an answer means.

    Args:
        status: the answer's HTTP status.
        kind: the operation's kind; a create is a write.
        replicates: whether the body is Replicate's own (``answers.is_replicates``).
    """
    meanings = STATUSES.get(status)
    meaning = meanings[not replicates] if meanings else _HUNDREDS.get(status // 100, Meaning.REDIRECTED)
    return Meaning.FAILED if meaning is Meaning.PERHAPS_DONE and kind is not Kind.WRITE else meaning


def is_token_refused(status: int) -> bool:
    """Whether the token is refused, whoever says so and whatever was asked."""
    return meaning_of(status, Kind.READ, replicates=True) is Meaning.TOKEN_REFUSED


async def sent_with_fresh_token(
    send: Callable[[str], Awaitable[T]],
    is_refused: Callable[[T], bool],
    token: str,
    refresh: Callable[[], Awaitable[str]],
) -> T:
    """What ``send`` returns for ``token``; after a 401, once more, what it returns for a fresh one."""
    answer = await send(token)
    return await send(await refresh()) if is_refused(answer) else answer
