"""What is tried again, and after how long: one table and one function, both pure.

Rules of this file:
1. Replicate has no idempotency keys: a write that is sent twice may be done, and paid, twice. So none ever is.
2. A pause grows threefold and is shortened at random by up to a half, so that many clients do not come back at once.
3. Waits that are longer than a pause belong to the caller, who can put the work off: the error carries the hint.
4. A refused token is outside of this table: after a 401, which has done nothing, anything is sent once more, if a
   fresh token can be had.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from shared.adapters.replicate.sdk.errors import RateLimitError, ReplicateError, TimedOutError, TransientError


class Kind(StrEnum):
    """What sending an operation twice would do."""

    READ = "read"  # nothing
    CANCEL = "cancel"  # nothing: what has ended stays as it ended
    WRITE = "write"  # perhaps something twice: a second prediction, a second release, a 404 that says "deleted"


#: The whole policy. Whatever is not named here is never tried again.
TRIED_AGAIN: Mapping[Kind, tuple[type[ReplicateError], ...]] = MappingProxyType(
    {
        Kind.READ: (TransientError, TimedOutError, RateLimitError),
        Kind.CANCEL: (TransientError, TimedOutError, RateLimitError),
        Kind.WRITE: (),
    }
)

#: Pauses before the second and the third try, in seconds, each times a random 0.5 to 1.
PAUSES_S = (0.4, 1.2)
#: No try begins later than this after the first one: a function that waits costs as much as one that works.
TRYING_S = 5.0


def pause_s(kind: Kind, trouble: ReplicateError, tries: int, spent_s: float, chance: float) -> float | None:
    """How long to wait before the next try, or None: there is none.

    Args:
        kind: what was sent.
        trouble: how it went.
        tries: how often it was sent, at least 1.
        spent_s: since the first try began.
        chance: a number from 0 to 1.
    """
    if not isinstance(trouble, TRIED_AGAIN[kind]) or tries > len(PAUSES_S):
        return None
    hint_s = trouble.retry_after_s or 0.0
    longest_s = PAUSES_S[tries - 1]
    if hint_s > PAUSES_S[-1] or spent_s + longest_s > TRYING_S:
        return None
    return max(longest_s * (0.5 + chance / 2), hint_s)
