"""A message that was lost again and again: what it brings may be what ended the workers that had it.

Rules of this file:
1. A worker that is killed writes nothing down. What survives is the broker's count of deliveries, and it begins again
   with each copy of a message that is deferred; so a copy carries what its original had lost (``Envelope.lost``).
   A delivery that was answered, by a deferral too, was not lost.
2. From the first loss on, nothing of the message is decoded in a worker: each picture has a process of its own, with
   a limit of memory. Not from the third only: a generation has several messages (news, checks), and each of them would
   end three workers, with whatever the others were just doing.
3. After three losses a picture that a user sent is not decoded at all: nothing is paid yet, and it costs others their
   time. What was paid for still is, alone.
4. The count cannot tell who of the messages that a worker had was to blame. The innocent lose a fifth of a second by
   rule 2; by rule 3 they are told to send it again, and nothing is charged.
"""

from dataclasses import replace

from shared.core.reasons import Reason, Refusal
from shared.ports import Dependencies, Envelope

#: Deliveries that may be lost before an input is refused: the broker gives a message up after ten.
LOST_DELIVERIES = 3

#: What the user of an input is told that is not decoded any more.
NOT_LOOKED_AT = Refusal(
    Reason.INPUT_INVALID,
    "The input image could not be looked at, at three tries. Save it anew as a PNG or JPEG and send it with a new id.",
)


def with_wariness(deps: Dependencies, envelope: Envelope) -> Dependencies:
    """The house for this message: as it is, or wary of the message's pictures."""
    if not envelope.lost:
        return deps
    return replace(deps, wary=envelope.lost >= LOST_DELIVERIES, images=deps.images.alone())
