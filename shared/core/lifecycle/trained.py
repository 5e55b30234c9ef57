"""What a training has made: a version that its account can use at once (training/versions.py)."""

from datetime import datetime

from shared.core.catalog.catalog import Catalog
from shared.core.lifecycle.attempt import Attempt
from shared.core.lifecycle.generation import Generation
from shared.core.lifecycle.steps import Happening, Step, happened
from shared.core.money.pricing import Asked, worst_cost_usd_micros
from shared.core.training.versions import TrainedVersion, is_version_of, with_version


def catalog_of(attempt: Attempt, catalog: Catalog) -> Catalog:
    """The catalogue for a next attempt on the same model: with the version that this one ran on, if it did on one."""
    return catalog if attempt.entry == attempt.model else with_version(catalog, attempt.model, attempt.entry)


def loss_of(attempt: Attempt) -> Happening:
    """The step of an attempt that was lost. Nothing ends a lost training, so operators learn what it may cost."""
    if not attempt.trains:
        return happened(Step.ATTEMPT_LOST)
    asks = Asked(outputs=1, sides=(0, 0), seconds=0, inputs=1, text_bytes=0, tokens=0, longest_s=attempt.cancel_after_s)
    return happened(Step.TRAINING_LOST, model=attempt.model, usd_micros=worst_cost_usd_micros(attempt.prices, asks))


def version_made(generation: Generation, now: datetime) -> TrainedVersion | None:
    """The version that a training has made. None if the account may not use it as a model."""
    attempt, output = generation.attempt, generation.outputs[0]
    if not (attempt.trains and attempt.inherits and is_version_of(output.text, attempt.destination)):
        return None
    return TrainedVersion(
        name=output.text,
        entry=attempt.inherits,
        trainer=attempt.model,
        key=generation.key,
        made_at=now,
        weights=output.name,
    )
