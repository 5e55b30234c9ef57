"""Who runs the models."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import BinaryIO, Protocol

from shared.core.keys import Key
from shared.core.lifecycle.attempt import Attempt
from shared.core.provider.prediction import CreateOutcome, Prediction


class Provider(Protocol):
    """Replicate."""

    async def create(self, key: Key, attempt: Attempt) -> CreateOutcome:
        """POST the attempt's prediction, or training, once, with its webhook address and ``Cancel-After``."""

    async def get(self, prediction_id: str, *, training: bool = False) -> Prediction | None:
        """The prediction, or the training, as it is now; None if Replicate does not know it."""

    async def cancel(self, prediction_id: str, *, training: bool = False) -> Prediction | None:
        """Cancel it, if it still runs, and say how it stands; None if Replicate does not know it."""

    def recent(self, since: datetime, *, training: bool = False) -> AsyncIterator[Prediction]:
        """The account's predictions, or its trainings, created after ``since``, newest first."""

    async def upload(self, name: str, file: BinaryIO) -> str:
        """Give Replicate a file for a day; returns its address, for an input. OutputUnfit if it is too large."""

    def fetch(self, uri: str, most_bytes: int) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Stream one output. OutputUnfit if it is gone, larger than ``most_bytes``, or not at Replicate's own host."""
