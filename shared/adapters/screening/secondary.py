"""Llama Guard on Replicate: a second opinion on texts.

Rules of this file:
1. It is asked through ``Predictions``, a port of one method, so that it needs no client of its own.
2. Whatever is not an answer of the model's (it failed, was canceled, took too long) is Unavailable; whatever the
   model did answer is read by core/safety/llama_guard.py, to which everything but ``safe`` is unsafe.
"""

from collections.abc import Mapping
from typing import Protocol

from shared.core.safety import llama_guard
from shared.core.safety.moderation import LLAMA_GUARD, Assessment, merged


class Predictions(Protocol):
    """Somebody who runs a model and waits for it."""

    async def run(self, model: str, inputs: Mapping[str, str], within_s: float) -> tuple[str, ...]:
        """The outputs of one prediction that ended well within ``within_s`` seconds. Unavailable for any other end."""


class LlamaGuard:
    """``model`` is owner/name or owner/name:version of a Llama Guard 3 or 4 that takes a ``prompt``."""

    def __init__(self, predictions: Predictions, model: str, within_s: float) -> None:
        self._predictions = predictions
        self._model = model
        self._within_s = within_s

    async def text(self, text: str) -> Assessment:
        """A verdict on a text of any length: on all of its pieces together."""
        screenings = []
        for inputs in llama_guard.questions(text):
            outputs = await self._predictions.run(self._model, inputs, self._within_s)
            screenings.append(llama_guard.read(outputs))
        whole = merged(screenings)
        return Assessment(whole.severities, whole.topics, screeners=(LLAMA_GUARD,))
