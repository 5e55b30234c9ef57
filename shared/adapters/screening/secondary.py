"""Llama Guard on Replicate: the secondary screener of texts.

Rules of this file:
1. It is called through ``Predictions``, a port of one method, so that it needs no client of its own.
2. A prediction that failed, was canceled or took too long is Unavailable. An answer of the model is read by
   core/safety/llama_guard.py, which takes everything but ``safe`` as unsafe.
"""

from collections.abc import Mapping
from typing import Protocol

from shared.core.safety import llama_guard
from shared.core.safety.moderation import LLAMA_GUARD, Assessment, merged


class Predictions(Protocol):
    """Runs a model and waits for its outputs."""

    async def run(self, model: str, inputs: Mapping[str, str], within_s: float) -> tuple[str, ...]:
        """Run one prediction; returns its outputs. Raises Unavailable if it has not succeeded within ``within_s``."""


class LlamaGuard:
    """A screener. ``model`` is owner/name or owner/name:version of a Llama Guard 3 or 4 that takes a ``prompt``."""

    def __init__(self, predictions: Predictions, model: str, within_s: float) -> None:
        self._predictions = predictions
        self._model = model
        self._within_s = within_s

    async def text(self, text: str) -> Assessment:
        """Assess a text of any length: chunk by chunk, with the results merged into one assessment."""
        screenings = []
        for inputs in llama_guard.questions(text):
            outputs = await self._predictions.run(self._model, inputs, self._within_s)
            screenings.append(llama_guard.read(outputs))
        whole = merged(screenings)
        return Assessment(whole.severities, whole.topics, screeners=(LLAMA_GUARD,))
