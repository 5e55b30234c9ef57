"""The providers, and what each guarantees about its creates: the facts that transitions may rely on.

Rules of this file:
1. A guarantee is a fact on which a decision about money rests. What a provider does only sometimes is not a guarantee.
2. An attempt copies its guarantees when it opens, and they are saved with it. It is judged by the guarantees of that
   time.
3. A provider's name is saved too, so it must never change.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import NewType

ProviderName = NewType("ProviderName", str)

REPLICATE = ProviderName("replicate")


class Kind(StrEnum):
    """What is created. The two kinds have different addresses at a provider, and may have different guarantees."""

    PREDICTION = "prediction"
    TRAINING = "training"


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarantees:
    """What a provider guarantees for one kind.

    ``cancel_after``: a prediction ends at the bound that its create names. ``listed``: it appears in a list of recent
    creates. ``echoes_callback``: each entry of that list has its create's callback. ``idempotent``: repeating a create
    returns the same prediction.
    """

    cancel_after: bool = False
    listed: bool = False
    echoes_callback: bool = False
    idempotent: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the guarantees that hold."""
        return tuple(each.name for each in fields(self) if getattr(self, each.name))

    @classmethod
    def of(cls, names: tuple[str, ...]) -> "Guarantees":
        """The guarantees of these names. Raises TypeError for an unknown name."""
        return cls(**dict.fromkeys(names, True))


@dataclass(frozen=True, slots=True)
class PredictionRef:
    """The reference of a prediction: its provider, its id and its kind."""

    provider: ProviderName
    prediction_id: str
    kind: Kind


Providers = Mapping[ProviderName, Mapping[Kind, Guarantees]]

#: The providers that the catalogue may name. They stand here and not in an adapter, because decisions about money rest
#: on them: they are data, as the catalogue is, and an adapter keeps what is declared here.
#: Replicate has no idempotency key, echoes a callback in some lists only, and does not bound a training's run time.
PROVIDERS: Providers = {
    REPLICATE: {
        Kind.PREDICTION: Guarantees(cancel_after=True, listed=True),
        Kind.TRAINING: Guarantees(listed=True),
    }
}
