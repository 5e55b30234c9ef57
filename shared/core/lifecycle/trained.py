"""What a training has made: a version that its account can use at once (training/versions.py)."""

from datetime import datetime

from shared.core.lifecycle.generation import Generation
from shared.core.training.versions import TrainedVersion, is_version_of


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
