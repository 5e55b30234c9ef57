"""Decides whether a refusal is about the model or about our account.

Replicate answers 422 "The specified version does not exist (or perhaps you don't have permission to use it?)" for a
model that was deleted. It answers the same for every model if the account is unpaid or the token is another account's.
A 403 has the same two meanings. One answer cannot decide it; the answers for other models can.

Rules of this file:
1. A version that "does not exist" is gone. If a second model gets the same answer and none was created since the first,
   it is the account.
2. A 403 is the account. If another model was created lately, it is this model alone.
3. Answers are forgotten after ``REMEMBERED_S``, so that two models that are really gone do not stop all for long.
"""

from collections.abc import Callable

#: For how many seconds an answer counts for the next one.
REMEMBERED_S = 600

#: The models are those of the catalogue. If there are more than this, the oldest are forgotten.
_MOST_MODELS = 500


class Denials:
    """The models that were denied lately, and those that were created. ``now`` returns seconds, which only grow."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._denied: dict[str, float] = {}
        self._created: dict[str, float] = {}

    def created(self, model: str) -> None:
        """Record that a model was created: nothing is wrong with the account."""
        self._denied.clear()
        _note(self._created, model, self._now())

    def hits_several(self, model: str) -> bool:
        """Record that a model's version "does not exist". True if another's does not either: it is the account."""
        now = self._now()
        self._denied = {name: at for name, at in self._denied.items() if now < at + REMEMBERED_S}
        self._denied.setdefault(model, now)
        return len(self._denied) > 1

    def others_run(self, model: str) -> bool:
        """Whether another model was created lately."""
        now = self._now()
        return any(name != model and now < at + REMEMBERED_S for name, at in self._created.items())


def _note(seen: dict[str, float], model: str, at: float) -> None:
    seen.pop(model, None)
    seen[model] = at
    if len(seen) > _MOST_MODELS:
        del seen[next(iter(seen))]
