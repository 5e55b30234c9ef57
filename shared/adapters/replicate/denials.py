"""Whose trouble it is when Replicate will not run a model for us: the model's, or the account's.

A 422 "The specified version does not exist (or perhaps you don't have permission to use it?)" is what a model that was
deleted gets, and what every model gets whose account is unpaid, or whose token is another account's. A 403 is one or
the other, too. One answer does not tell; the answers to other models do.

Rules of this file:
1. A version that "does not exist" is gone, until a second model is told the same and none was created since the first.
2. A 403 is the account's, unless another model was created lately: then it is about this model alone.
3. What was learned is forgotten after a while, so that two models that are really gone stop nobody for long.
"""

from collections.abc import Callable

#: For how long an answer tells something about the next one.
REMEMBERED_S = 600

#: Models that are denied and created are those of the catalogue; should it be huge, what is older is forgotten.
_MOST_MODELS = 500


class Denials:
    """Which models were denied and which were created lately. ``now`` is a clock in seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._denied: dict[str, float] = {}
        self._created: dict[str, float] = {}

    def created(self, model: str) -> None:
        """A model runs: so far nothing is wrong with the account."""
        self._denied.clear()
        _note(self._created, model, self._now())

    def hits_several(self, model: str) -> bool:
        """A model's version "does not exist": whether it is not the only one, so that it is the operator's matter."""
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
