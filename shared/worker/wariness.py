"""Protection from a message that was lost again and again: one of its pictures may have killed the workers.

Rules of this file:
1. A killed worker saves nothing. Only the broker's delivery count survives, and it starts again with each deferred
   copy of a message. So a copy carries the count of its original's lost deliveries (``Envelope.lost``). A delivery
   that was completed, even by a deferral, was not lost.
2. After the first loss, no picture of the message is decoded in a worker: each is decoded in a process of its own, with
   a memory limit. Waiting for the third loss would be too late: a generation has several messages (news, checks), and
   each of them would kill three workers with everything else they were processing.
3. After three losses an input picture is not decoded at all: nothing is paid yet, and each try costs others their time.
   An output, which is paid for, is still decoded, in its own process.
4. The count does not show which of a worker's messages was to blame. By rule 2 an innocent message loses a fifth of a
   second. By rule 3 its user is asked to send it again, and nothing is charged.
"""

from shared.core.reasons import Reason, Refusal
from shared.core.values import replace
from shared.ports import Dependencies, Envelope

#: Lost deliveries after which an input is refused: well below ten, at which the broker dead-letters the message.
LOST_DELIVERIES = 3

#: The refusal of an input that is not decoded any more (rule 3).
NOT_LOOKED_AT = Refusal(
    Reason.INPUT_INVALID,
    "The input image could not be read in three tries. Save it again as a PNG or JPEG, and send it with a new id.",
)


def with_wariness(deps: Dependencies, envelope: Envelope) -> Dependencies:
    """The dependencies for this message: the same object, or with isolated image decoding if deliveries were lost."""
    if not envelope.lost:
        return deps
    return replace(deps, wary=envelope.lost >= LOST_DELIVERIES, images=deps.images.alone())
