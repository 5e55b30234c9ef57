"""A case: how the first prediction ends, and how its webhooks come.

Rules of this file:
1. Whoever wants to know asks the case, with the answers that make a difference. So it is known which cases would have
   gone the same way, and only one of them is run.
"""

from enum import StrEnum


class Webhook(StrEnum):
    """How Replicate's webhooks come."""

    NONE = "no webhook"
    ONCE = "webhook once"
    TWICE = "webhook twice"
    EARLY = "webhook before the save of the prediction id"
    LATE = "webhook after the end"
    DISORDERED = "completed before start"


class End(StrEnum):
    """How the first prediction ends. ``..., next model`` has a fallback."""

    SUCCEEDED = "succeeded"
    FEWER = "fewer images"
    UNSAFE = "one image unsafe"
    TRANSIENT = "failed transient"
    TRANSIENT_NEXT = "failed transient, next model"
    CONTENT = "failed for content"
    CANCELED = "canceled"
    ABORTED = "aborted"
    ABORTED_NEXT = "aborted, next model"
    EXPIRED = "output expired"
    EXPIRES = "second output expires at the fault"


#: Every webhook with every end.
EVERY: frozenset[tuple[End, Webhook]] = frozenset((end, webhook) for end in End for webhook in Webhook)


class Case:
    """One end and one webhook, and what was asked about them.

    ``alike`` are the ends and webhooks with which all would have gone the same way so far: whoever looks at the end or
    the webhook takes out those for which the answer is another.
    """

    def __init__(self, end: End, webhook: Webhook) -> None:
        self._end = end
        self._webhook = webhook
        self.alike = EVERY

    def ends_in(self, *ends: End) -> bool:
        """Whether it is one of these, whichever it is."""
        answer = self._end in ends
        self.alike = frozenset(each for each in self.alike if (each[0] in ends) is answer)
        return answer

    def is_sent(self, *webhooks: Webhook) -> bool:
        """Whether they come in one of these ways, whichever it is."""
        answer = self._webhook in webhooks
        self.alike = frozenset(each for each in self.alike if (each[1] in webhooks) is answer)
        return answer

    def in_case(self, end: End, webhook: Webhook) -> None:
        """From here on with this end and webhook, whose state this is too; what is read is recorded anew."""
        self._end, self._webhook, self.alike = end, webhook, EVERY
