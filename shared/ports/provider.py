"""Who runs the models."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import BinaryIO, Protocol

from shared.core.keys import Key
from shared.core.lifecycle.attempt import Attempt
from shared.core.provider.guarantees import Kind, PredictionRef
from shared.core.provider.prediction import CreateOutcome, Prediction


class Provider(Protocol):
    """Whoever runs models for us, such as Replicate."""

    async def create(self, key: Key, attempt: Attempt) -> CreateOutcome:
        """POST the attempt's prediction, or training, once, with its webhook address and ``Cancel-After``.

        Where idempotency is guaranteed, the same attempt again is answered with the same prediction.
        """

    async def get(self, ref: PredictionRef) -> Prediction | None:
        """The prediction, or the training, as it is now; None if the provider does not know it."""

    async def cancel(self, ref: PredictionRef) -> Prediction | None:
        """Cancel it, if it still runs, and say how it stands; None if the provider does not know it."""

    def recent(self, since: datetime, kind: Kind = Kind.PREDICTION) -> AsyncIterator[Prediction]:
        """The account's predictions, or its trainings, created after ``since``, newest first."""

    async def upload(self, name: str, file: BinaryIO) -> str:
        """Give the provider a file for a day; returns its address, for an input. OutputUnfit if it is too large."""

    def fetch(self, uri: str, most_bytes: int) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Stream one output. OutputUnfit if it is gone, larger than ``most_bytes``, or not at its own host."""
