"""One attempt of a generation: the prediction that is wanted, how long it may take, how it is recognised.

Rules of this file:
1. An attempt says what is sent and what is known of it; it never changes itself. What becomes of it is decided in
   generation.py, the only file in which a generation changes state.
2. What it costs and how long it may take is written down when it is made: the catalogue may change while it runs.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.core.catalog.catalog import Catalog, Model, asked, unit_credits
from shared.core.catalog.mapping import Inputs, inputs_of, references, seed_of
from shared.core.events.generation_event import Output
from shared.core.keys import Key
from shared.core.modality import Modality
from shared.core.money.pricing import Made, Price, canceled_cost_usd_micros, cost_usd_micros
from shared.core.provider.guarantees import Guarantees, Kind, PredictionRef, ProviderName
from shared.core.provider.outputs import files_of
from shared.core.provider.prediction import Prediction, Status
from shared.core.provider.webhook import Callback, named_callback
from shared.core.reasons import Reason, Refusal
from shared.core.requests.messages import GenerationRequest
from shared.core.safety.screening_record import ScreeningRecord

#: The signs by which an address says another sign than itself.
_ESCAPES = frozenset("%+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long the house waits. Seconds; a local stack runs on shorter ones."""

    #: After the expected run time of a model: how long its webhook may be late before the timer asks.
    check_after_s: int = 30
    #: How long a create may be missing in Replicate's list of predictions before its absence means something.
    list_grace_s: int = 30
    #: How long a WAITING generation is tried again before it is given up.
    give_up_after_s: int = 6 * 3600
    #: Replicate deletes the outputs of a prediction one hour after it finished.
    output_life_s: int = 3600
    #: Added to ``Cancel-After`` before its passing is taken as proved: POST time-out, clocks, their scheduler.
    cancel_grace_s: int = 60

    @property
    def missing_s(self) -> int:
        """How long Replicate must not know a prediction before that means something: reads lag and differ."""
        return 10 * self.list_grace_s

    @property
    def output_wait_s(self) -> int:
        """How long an output that is not there is waited for: less than its life, which is also that of the others.

        Clocks may be five minutes apart, and the last try takes its time.
        """
        return self.output_life_s * 5 // 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One prediction that is wanted: what is sent, and what is known of it.

    ``posts`` counts the times that SUBMITTING was saved for this attempt: its POSTs, for each follows one save.
    ``target`` is the model's name at its ``provider``, which promises ``guarantees`` of what it creates.
    ``own_seed`` says that we chose the seed: it is then unique and recognises the prediction in a list.
    ``seconds`` is the duration that was asked for (0: none), ``output_bytes`` the most that an output may have
    (0: as all). A training has a ``destination``: the model that gets the new version, owner/name.
    ``missing_since``: Replicate has said since then that it does not know the prediction (None: it was known when last
    asked for). ``promised``: it has said that there are outputs, which it has not shown yet.
    """

    number: int
    posts: int
    model: str
    provider: ProviderName
    target: str
    kind: Kind
    guarantees: Guarantees
    modality: Modality = Modality.IMAGE
    inputs: Inputs
    seed: int
    own_seed: bool
    outputs: int
    unit_credits: int
    prices: tuple[Price, ...] = ()
    seconds: int = 0
    output_bytes: int = 0
    destination: str = ""
    expected_s: int
    cancel_after_s: int
    submitted_at: datetime
    retry_at: datetime | None = None
    prediction_id: str | None = None
    missing_since: datetime | None = None
    promised: bool = False

    @property
    def trains(self) -> bool:
        """Whether it is a training."""
        return self.kind is Kind.TRAINING

    def ref(self, prediction_id: str) -> PredictionRef:
        """A prediction of this attempt, as its provider is asked for it."""
        return PredictionRef(self.provider, prediction_id, self.kind)

    def canceled_at(self, timing: Timing) -> datetime:
        """When its provider has provably cancelled whatever it created, if it promises to."""
        return self.submitted_at + timedelta(seconds=self.cancel_after_s + timing.cancel_grace_s)


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of a finished prediction's outputs: those stored, how many were refused or unusable, and why."""

    outputs: tuple[Output, ...] = ()
    refused: Refusal | None = None
    refused_outputs: int = 0
    problem: Refusal | None = None
    screenings: tuple[ScreeningRecord, ...] = ()


def attempt_on(
    catalog: Catalog, request: GenerationRequest, model_name: str, *, number: int, seed: int, now: datetime
) -> Attempt | Refusal:
    """A first try on a model with the request's seed, or with ``seed`` where the user gave none (0 is a seed)."""
    model = catalog.models.get(model_name)
    if model is None:
        return Refusal.of(Reason.UNKNOWN_MODEL)
    used_seed = seed_of(model, request, seed)
    mapped = inputs_of(model, request, seed=used_seed)
    if isinstance(mapped, Refusal):
        return mapped
    if refusal := without_destination(model, request):
        return refusal
    kind = Kind.TRAINING if model.modality is Modality.TRAINING else Kind.PREDICTION
    return Attempt(
        number=number,
        posts=1,
        model=model.name,
        provider=model.provider,
        target=model.target,
        kind=kind,
        guarantees=catalog.providers[model.provider][kind],
        modality=model.modality,
        inputs=mapped.inputs,
        seed=used_seed,
        own_seed=request.seed is None and "seed" in model.inputs,
        outputs=mapped.outputs,
        unit_credits=unit_credits(model, request),
        prices=model.prices,
        seconds=asked(model, request, "duration_s"),
        output_bytes=model.output_bytes,
        destination=(request.destination or "") if kind is Kind.TRAINING else "",
        expected_s=model.expected_s,
        cancel_after_s=model.cancel_after_s,
        submitted_at=now,
    )


def without_destination(model: Model, request: GenerationRequest) -> Refusal | None:
    """Why a training cannot start: it does not say which model gets the new version. None: it does, or is none."""
    if model.modality is not Modality.TRAINING or request.destination:
        return None
    return Refusal(Reason.INVALID_REQUEST, f"destination is needed for {model.name}: the model to train, owner/name")


def cost_of(attempt: Attempt, prediction: Prediction, delivery: Delivery | None = None) -> int:
    """What a finished prediction cost at the provider, in USD micros, as far as can be told.

    ``delivery`` is there where it succeeded. What failed, or never started, costs nothing.
    """
    if prediction.status is Status.CANCELED:
        return canceled_cost_usd_micros(attempt.prices, prediction.measured)
    if delivery is None:
        return 0
    # What was refused had been made too. A picture that is not stored counts as the others do.
    outputs = (
        len(files_of(prediction.outputs, prediction.labels, attempt.modality))
        if attempt.modality is Modality.IMAGE
        else 1
    )
    pictures = [output for output in delivery.outputs if output.width]
    megapixels = sum(output.width * output.height for output in pictures) / 1_000_000
    made = Made(
        outputs=outputs,
        megapixels=megapixels / len(pictures) * outputs if pictures else 0.0,
        seconds=attempt.seconds,
        inputs=len(references(attempt.inputs)),
    )
    return cost_usd_micros(attempt.prices, prediction.measured, made)


def created(attempt: Attempt, key: Key, prediction: Prediction) -> bool:
    """Whether a prediction in a provider's list is one that this attempt created.

    The echoed callback decides where it is there, and where it is promised. Otherwise only a seed that we chose does:
    it is unique, while two requests of a user may well share a seed of the user's.
    """
    if prediction.webhook or attempt.guarantees.echoes_callback:
        # Most of a list are not this one. An address without escapes says its ids as they are: no need to parse it.
        if key.generation_id not in prediction.webhook and not _ESCAPES.intersection(prediction.webhook):
            return False
        return named_callback(prediction.webhook) == Callback(key, attempt.number)
    same_model = not prediction.model or prediction.model == attempt.target.partition(":")[0]
    return attempt.own_seed and same_model and prediction.seed == attempt.seed
