"""One attempt of a generation: the prediction that is wanted, how long it may take, how it is recognised.

Rules of this file:
1. An attempt says what is sent and what is known of it; it never changes itself. What becomes of it is decided in
   generation.py, the only file in which a generation changes state.
2. What it costs and how long it may take is written down when it is made: the catalogue may change while it runs.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.core.catalog import Catalog, Inputs, inputs_of
from shared.core.messages import GenerationRequest, Key, Output
from shared.core.prediction import Prediction
from shared.core.reasons import Reason, Refusal
from shared.core.record import Record
from shared.core.webhook import Callback, named_callback


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long the house waits. Seconds; a local stack runs on shorter ones."""

    #: After the expected run time of a model: how long its webhook may be late before the timer asks.
    check_after_s: int = 30
    #: How long a create may be missing in Replicate's list of predictions before its absence means something.
    list_grace_s: int = 30
    #: How long a HELD generation is tried again before it is given up.
    give_up_after_s: int = 6 * 3600
    #: Replicate deletes the outputs of a prediction one hour after it finished.
    output_life_s: int = 3600
    #: Added to ``Cancel-After`` before its passing is taken as proved: POST time-out, clocks, their scheduler.
    cancel_grace_s: int = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One prediction that is wanted: what is sent, and what is known of it.

    ``tries`` counts the times that SUBMITTING was saved for this attempt: its POSTs, for each follows one save.
    ``own_seed`` says that we chose the seed: it is then unique and recognises the prediction in a list.
    """

    number: int
    tries: int
    model: str
    replicate: str
    inputs: Inputs
    seed: int
    own_seed: bool
    outputs: int
    unit_credits: int
    price_usd_micros: int
    expected_s: int
    cancel_after_s: int
    submitted_at: datetime
    retry_at: datetime | None = None
    prediction_id: str | None = None

    def canceled_at(self, timing: Timing) -> datetime:
        """When Replicate has provably cancelled whatever this attempt created."""
        return self.submitted_at + timedelta(seconds=self.cancel_after_s + timing.cancel_grace_s)


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of a finished prediction's outputs: those stored, how many were refused or unusable, and why."""

    outputs: tuple[Output, ...] = ()
    refused: Refusal | None = None
    refused_outputs: int = 0
    problem: Refusal | None = None
    verdicts: tuple[Record, ...] = ()


def attempt_on(
    catalog: Catalog, request: GenerationRequest, model_name: str, *, number: int, seed: int, now: datetime
) -> Attempt | Refusal:
    """A first try on a model with the request's seed, or with ``seed`` where the user gave none (0 is a seed)."""
    model = catalog.models.get(model_name)
    if model is None:
        return Refusal.of(Reason.UNKNOWN_MODEL)
    used_seed = seed if request.seed is None else request.seed
    mapped = inputs_of(model, request, seed=used_seed)
    if isinstance(mapped, Refusal):
        return mapped
    return Attempt(
        number=number,
        tries=1,
        model=model.name,
        replicate=model.replicate,
        inputs=mapped.inputs,
        seed=used_seed,
        own_seed=request.seed is None and "seed" in model.inputs,
        outputs=mapped.outputs,
        unit_credits=model.credits,
        price_usd_micros=model.price_usd_micros,
        expected_s=model.expected_s,
        cancel_after_s=model.cancel_after_s,
        submitted_at=now,
    )


def created(attempt: Attempt, key: Key, prediction: Prediction) -> bool:
    """Whether a prediction in Replicate's list is one that this attempt created.

    The echoed webhook address decides where it is there. Otherwise only a seed that we chose does, for it is
    unique: two requests of a user may well share a seed of the user's.
    """
    if prediction.webhook:
        return named_callback(prediction.webhook) == Callback(key.user_id, key.generation_id, attempt.number)
    same_model = not prediction.model or prediction.model == attempt.replicate
    return attempt.own_seed and same_model and prediction.seed == attempt.seed
