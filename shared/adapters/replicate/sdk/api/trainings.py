"""Trainings: each makes a new version of one of the account's own models."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from shared.adapters.replicate.sdk.api.naming import owner_and_name
from shared.adapters.replicate.sdk.calling import Caller
from shared.adapters.replicate.sdk.errors import OutcomeUnknownError
from shared.adapters.replicate.sdk.types import Training

#: What to do about a training that may have been started. Trainings have no Cancel-After.
MAY_TRAIN = (
    "A training may have been started, and runs until it has ended or is canceled: look for it in trainings.list "
    "before you start it again, because the second one costs too."
)


class Trainings:
    """Operations on trainings."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def create(
        self,
        trainer: str,
        version: str,
        *,
        destination: str,
        inputs: Mapping[str, Any],
        webhook: str | None = None,
        events: Sequence[str] = (),
    ) -> Training:
        """Start a training. It is sent once; see OutcomeUnknownError.

        Args:
            trainer: the model that trains, owner/name.
            version: the trainer's version, 64 hex digits.
            destination: the model that gets the new version, owner/name. It must exist (``models.create``).
            inputs: the inputs, by the trainer's names.
            webhook: an https address that Replicate calls.
            events: when it calls: start, output, logs, completed. Replicate's default is output and completed.
        """
        name = "trainings.create"
        owner_and_name(name, destination, "destination")
        body: dict[str, Any] = {"destination": destination, "input": dict(inputs)}
        if webhook is not None:
            body["webhook"] = webhook
        if events:
            body["webhook_events_filter"] = list(events)
        model = owner_and_name(name, trainer, "trainer")
        try:
            return await self._caller.one(Training.read, name, *model, version, json=body)
        except OutcomeUnknownError as lost:
            raise lost.with_advice(MAY_TRAIN) from lost.__cause__

    def list(self) -> AsyncGenerator[Training, None]:
        """The account's trainings, the newest first."""
        return self._caller.pages(Training.read, "trainings.list")

    async def get(self, training_id: str) -> Training:
        """One training as it is now."""
        return await self._caller.one(Training.read, "trainings.get", training_id)

    async def cancel(self, training_id: str) -> Training:
        """End a training if it still runs; return it as it is then."""
        return await self._caller.one(Training.read, "trainings.cancel", training_id)
