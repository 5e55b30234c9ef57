"""The provider, which runs the models."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import BinaryIO, Protocol

from shared.core.keys import Key
from shared.core.lifecycle.attempt import Attempt
from shared.core.provider.guarantees import Kind, PredictionRef
from shared.core.provider.prediction import CreateOutcome, Prediction


class Provider(Protocol):
    """Runs the models, such as Replicate. Every method may raise Unavailable."""

    async def create(self, key: Key, attempt: Attempt) -> CreateOutcome:
        """Start the attempt's prediction or training with one POST, with its webhook address and ``Cancel-After``.

        If the provider guarantees idempotency, a repeated create returns the same prediction.
        """

    async def get(self, ref: PredictionRef) -> Prediction | None:
        """The current prediction or training, or None if the provider does not know it."""

    async def cancel(self, ref: PredictionRef) -> Prediction | None:
        """Cancel it if it still runs. Returns how it stands then, or None if the provider does not know it."""

    def recent(self, since: datetime, kind: Kind = Kind.PREDICTION) -> AsyncIterator[Prediction]:
        """The predictions or trainings of the account that were created after ``since``, the newest first."""

    async def upload(self, name: str, file: BinaryIO) -> str:
        """Store a file at the provider for a day. Returns its address. Raises OutputUnfit if it is too large."""

    def fetch(self, uri: str, most_bytes: int) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Stream one output. Raises OutputUnfit if it is gone, above ``most_bytes``, or not at the provider's host."""
