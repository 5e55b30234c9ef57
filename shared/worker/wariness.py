"""A message that was lost again and again: what it brings may be what ended the workers that had it.

Rules of this file:
1. A worker that is killed writes nothing down. What survives is the broker's count of deliveries, and it begins again
   with each copy of a message that is deferred; so a copy carries what its original had lost (``Envelope.lost``).
   A delivery that was answered, by a deferral too, was not lost.
2. After so many, nothing of the message is decoded in a worker any more. What a user sent is refused: nothing is paid
   yet, and it costs others their time. What was paid for is decoded alone, in a process with a limit of memory.
3. The count cannot tell who of the messages that a worker had was to blame. So the innocent may be refused too, at the
   third death of a worker that they happen to share; they are told to send it again, and nothing is charged.
"""

from dataclasses import replace

from shared.core.reasons import Reason, Refusal
from shared.ports import Envelope, House

#: Deliveries that may be lost before: the broker gives a message up after ten.
LOST_DELIVERIES = 3

#: What the user of an input is told that is not decoded any more.
NOT_LOOKED_AT = Refusal(
    Reason.INPUT_INVALID,
    "The input image could not be looked at, at three tries. Save it anew as a PNG or JPEG and send it with a new id.",
)


def warned(house: House, envelope: Envelope) -> House:
    """The house for this message: as it is, or wary of the message's pictures."""
    if envelope.lost < LOST_DELIVERIES:
        return house
    return replace(house, wary=True, images=house.images.alone())
