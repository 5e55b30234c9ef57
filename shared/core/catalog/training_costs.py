"""What a training costs: by the guides' durations on a machine of today's price, and by the catalogue's own trainers.

Rules of this file:
1. The durations of ``GUIDED`` are those of the guides, for their number of steps. Nobody measured them here.
2. The price of a machine's second is given by the caller, because it is data of a provider.
3. A trainer of the catalogue is reckoned by ``least_run_s`` and ``run_s`` for each begun hundred steps.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from shared.core.catalog.catalog import Catalog, CreditsPer, calculate_cost
from shared.core.modality import Modality
from shared.core.money.pricing import Unit

_HUNDRED = 100
_MINUTE_S, _HOUR_S = 60, 3600


@dataclass(frozen=True, slots=True)
class Guided:
    """A training of the guides: what, its steps, its machine, and how long it takes at least and at most."""

    what: str
    steps: int
    machine: str
    least_s: int
    most_s: int


#: The guides' table.
GUIDED: tuple[Guided, ...] = (
    Guided("LoRA for FLUX", 1000, "gpu-l40s", 30 * _MINUTE_S, 60 * _MINUTE_S),
    Guided("LoRA for FLUX", 2000, "gpu-l40s", 1 * _HOUR_S, 2 * _HOUR_S),
    Guided("LoRA for SDXL", 2000, "gpu-l40s", 45 * _MINUTE_S, 90 * _MINUTE_S),
    Guided("full fine-tuning", 5000, "gpu-a100-large", 4 * _HOUR_S, 12 * _HOUR_S),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingCost:
    """What one training takes and costs at least and at most. ``credits`` is 0 if none are charged for it here."""

    what: str
    steps: int
    machine: str
    least_s: int
    most_s: int
    least_usd_micros: int
    most_usd_micros: int
    credits: int = 0


def guided_costs(usd_micros_per_s: Mapping[str, int]) -> Iterator[TrainingCost]:
    """The guides' trainings at these prices of a machine's second. A machine without a price is left out."""
    for each in GUIDED:
        price = usd_micros_per_s.get(each.machine)
        if price is not None:
            yield TrainingCost(
                what=each.what,
                steps=each.steps,
                machine=each.machine,
                least_s=each.least_s,
                most_s=each.most_s,
                least_usd_micros=each.least_s * price,
                most_usd_micros=each.most_s * price,
            )


def trainer_costs(catalog: Catalog, steps: tuple[int, ...] = (1000, 2000)) -> Iterator[TrainingCost]:
    """The trainers on offer that are paid by the second of a machine whose run is known, for these steps."""
    for model in catalog.offered(Modality.TRAINING):
        prices = [price.usd_micros for price in model.prices if price.unit is Unit.GPU_SECOND]
        if not (prices and model.run_s and model.credits_per is CreditsPer.HUNDRED_STEPS):
            continue
        for number in steps:
            begun = -(-number // _HUNDRED)
            yield TrainingCost(
                what=model.name,
                steps=number,
                machine="its own",
                least_s=model.least_run_s * begun,
                most_s=model.run_s * begun,
                least_usd_micros=model.least_run_s * begun * sum(prices),
                most_usd_micros=model.run_s * begun * sum(prices),
                credits=calculate_cost(model, counted=number),
            )
