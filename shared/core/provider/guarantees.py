"""Which providers there are, and what each promises of what it creates: what the rules may rely on.

Rules of this file:
1. A guarantee is something that a decision about money rests on. What a provider does sometimes is none.
2. An attempt takes its guarantees from here when it is made, and they are saved with it: it is judged by what was
   promised then.
3. A provider's name is saved too, so that it never changes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import NewType

ProviderName = NewType("ProviderName", str)

REPLICATE = ProviderName("replicate")


class Kind(StrEnum):
    """What is created: the two are asked for at different addresses, and may have different guarantees."""

    PREDICTION = "prediction"
    TRAINING = "training"


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarantees:
    """What a provider promises of one kind.

    ``cancel_after``: it ends by itself at the bound that its create has named. ``listed``: it is in a list of what was
    created lately. ``echoes_callback``: each entry of that list has the callback of its create. ``idempotent``: the
    same create again is the same prediction.
    """

    cancel_after: bool = False
    listed: bool = False
    echoes_callback: bool = False
    idempotent: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The names of those that hold."""
        return tuple(each.name for each in fields(self) if getattr(self, each.name))

    @classmethod
    def of(cls, names: tuple[str, ...]) -> "Guarantees":
        """The guarantees of these names. TypeError for one that there is not."""
        return cls(**dict.fromkeys(names, True))


@dataclass(frozen=True, slots=True)
class PredictionRef:
    """Which prediction is meant: whose, and what it is."""

    provider: ProviderName
    prediction_id: str
    kind: Kind


Providers = Mapping[ProviderName, Mapping[Kind, Guarantees]]

#: Replicate has no idempotency key, echoes a callback in some lists only, and lets a training run as long as it likes.
PROVIDERS: Providers = {
    REPLICATE: {
        Kind.PREDICTION: Guarantees(cancel_after=True, listed=True),
        Kind.TRAINING: Guarantees(listed=True),
    }
}
