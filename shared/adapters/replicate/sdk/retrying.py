"""Which operations are repeated, and after which pause: one table and one function, both pure.

Rules of this file:
1. A write is never repeated. Replicate has no idempotency keys, so a write that is sent twice may be done, and paid,
   twice.
2. The second pause is three times the first. Each is shortened at random by up to a half, so that many clients do not
   return at once.
3. A longer wait is the caller's: the error carries the hint, and the caller can defer its work.
4. A 401 is handled by ``statuses.sent_with_fresh_token``: it has no side effect, so any operation is repeated once with
   a fresh token.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from shared.adapters.replicate.sdk.errors import RateLimitError, ReplicateError, TimedOutError, TransientError


class Kind(StrEnum):
    """The effect of sending an operation twice."""

    READ = "read"  # nothing
    CANCEL = "cancel"  # nothing: a finished prediction stays as it is
    WRITE = "write"  # perhaps something twice: a second prediction, a second release, a 404 that says "deleted"


#: The whole policy. An error that is not listed here is never followed by a repeat.
TRIED_AGAIN: Mapping[Kind, tuple[type[ReplicateError], ...]] = MappingProxyType(
    {
        Kind.READ: (TransientError, TimedOutError, RateLimitError),
        Kind.CANCEL: (TransientError, TimedOutError, RateLimitError),
        Kind.WRITE: (),
    }
)

#: The pauses before the second and the third try, in seconds, each multiplied by a random 0.5 to 1.
PAUSES_S = (0.4, 1.2)
#: No try begins later than this many seconds after the first one: an Azure function that waits costs as much as one
#: that works.
TRYING_S = 5.0


def pause_s(kind: Kind, trouble: ReplicateError, tries: int, spent_s: float, chance: float) -> float | None:
    """The seconds to wait before the next try, or None if there is none.

    Args:
        kind: the operation's kind.
        trouble: the error of the last try.
        tries: how many tries were made, at least 1.
        spent_s: seconds since the first try began.
        chance: a number from 0 to 1.
    """
    if not isinstance(trouble, TRIED_AGAIN[kind]) or tries > len(PAUSES_S):
        return None
    hint_s = trouble.retry_after_s or 0.0
    longest_s = PAUSES_S[tries - 1]
    if hint_s > PAUSES_S[-1] or spent_s + longest_s > TRYING_S:
        return None
    return max(longest_s * (0.5 + chance / 2), hint_s)
