"""One attempt of a generation: the prediction to create, its time limits, and how it is recognised.

Rules of this file:
1. An attempt says what is sent and what is known of the prediction. It is never changed in place. Only the transitions
   (opening.py, transitions.py) replace it.
2. Its prices and time limits are copied from the catalogue when it opens, because the catalogue may change while it
   runs.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.core.catalog.catalog import Catalog, Model, asked, unit_credits
from shared.core.catalog.mapping import Inputs, inputs_of, references, seed_of
from shared.core.catalog.settable import raised_prices
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

#: The characters of an address that may stand for another character (percent-encoding).
_ESCAPES = frozenset("%+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long Darkroom waits for Replicate. All in seconds; a local stack uses shorter ones."""

    #: How late a webhook may be, counted from the model's expected run time, before the timer asks Replicate.
    check_after_s: int = 30
    #: How long after a create its absence from Replicate's list of predictions proves nothing: the list lags.
    list_grace_s: int = 30
    #: How long a create of a WAITING generation is retried before the generation fails.
    give_up_after_s: int = 6 * 3600
    #: Replicate deletes the outputs of a prediction one hour after it finished.
    output_life_s: int = 3600
    #: Added to ``Cancel-After`` before we rely on the cancel: POST time-out, clock skew, Replicate's scheduler.
    cancel_grace_s: int = 60

    @property
    def missing_s(self) -> int:
        """How long Replicate must report a prediction as unknown before we believe it: its reads lag and differ."""
        return 10 * self.list_grace_s

    @property
    def output_wait_s(self) -> int:
        """How long to wait for an output that is announced but missing.

        It is shorter than ``output_life_s``, because the prediction's other outputs expire meanwhile: clocks may differ
        by five minutes, and the last fetch takes time.
        """
        return self.output_life_s * 5 // 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One prediction to create: what is sent, and what is known of it.

    ``posts`` counts how often SUBMITTING was saved for this attempt. It is also the number of its POSTs, because each
    POST follows one save.
    ``target`` is the model's name at its ``provider``. ``guarantees`` are what the provider promises of its creates.
    ``own_seed`` says that Darkroom chose the seed. Such a seed is unique, so it identifies the prediction in a list.
    ``seconds`` is the requested duration (0: none requested). ``output_bytes`` is the largest output accepted
    (0: the general bound). A training has a ``destination``: the model that gets the new version, owner/name.
    ``missing_since`` is since when Replicate has reported the prediction as unknown (None: the last read found it).
    ``promised``: Replicate has announced outputs that it has not listed yet.
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
        """Whether this attempt is a training."""
        return self.kind is Kind.TRAINING

    def ref(self, prediction_id: str) -> PredictionRef:
        """The reference under which the provider knows a prediction of this attempt."""
        return PredictionRef(self.provider, prediction_id, self.kind)

    def canceled_at(self, timing: Timing) -> datetime:
        """When the provider has certainly cancelled what this attempt created, if it guarantees ``Cancel-After``."""
        return self.submitted_at + timedelta(seconds=self.cancel_after_s + timing.cancel_grace_s)


@dataclass(frozen=True, slots=True)
class Delivery:
    """The result of handling a finished prediction's outputs.

    ``outputs`` are those stored. ``refused`` and ``refused_outputs`` say why and how many the content rules refused.
    ``problem`` says why one could not be used.
    """

    outputs: tuple[Output, ...] = ()
    refused: Refusal | None = None
    refused_outputs: int = 0
    problem: Refusal | None = None
    screenings: tuple[ScreeningRecord, ...] = ()


def attempt_on(
    catalog: Catalog, request: GenerationRequest, model_name: str, *, number: int, seed: int, now: datetime
) -> Attempt | Refusal:
    """The first post of an attempt on a model. Uses the request's seed, or ``seed`` if it has none (0 is a seed)."""
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
        prices=raised_prices(model, request.inputs, model.prices),
        seconds=asked(model, request, "duration_s"),
        output_bytes=model.output_bytes,
        destination=(request.destination or "") if kind is Kind.TRAINING else "",
        expected_s=model.expected_s,
        cancel_after_s=model.cancel_after_s,
        submitted_at=now,
    )


def without_destination(model: Model, request: GenerationRequest) -> Refusal | None:
    """The refusal of a training that does not name the model to train. None for any other request."""
    if model.modality is not Modality.TRAINING or request.destination:
        return None
    return Refusal(Reason.INVALID_REQUEST, f"destination is needed for {model.name}: the model to train, owner/name")


def cost_of(attempt: Attempt, prediction: Prediction, delivery: Delivery | None = None) -> int:
    """Estimate what a finished prediction cost at the provider, in USD micros.

    ``delivery`` is given if the prediction succeeded. A prediction that failed or never started costs nothing.
    """
    if prediction.status is Status.CANCELED:
        return canceled_cost_usd_micros(attempt.prices, prediction.measured)
    if delivery is None:
        return 0
    # Refused outputs were made too, and cost. An image that was not stored counts as the average of those stored.
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
    """Whether a prediction in a provider's list was created by this attempt.

    The echoed callback decides, if it is there or the provider guarantees it. Otherwise only a seed that Darkroom chose
    identifies the prediction: it is unique, while two requests of a user may share the user's seed.
    """
    if prediction.webhook or attempt.guarantees.echoes_callback:
        # Most entries of a list are others. An address without escapes has its ids in plain text: no need to parse it.
        if key.generation_id not in prediction.webhook and not _ESCAPES.intersection(prediction.webhook):
            return False
        return named_callback(prediction.webhook) == Callback(key, attempt.number)
    same_model = not prediction.model or prediction.model == attempt.target.partition(":")[0]
    return attempt.own_seed and same_model and prediction.seed == attempt.seed
