"""Running a small model and waiting for it: what a second opinion on a text needs.

Rules of this file:
1. Nothing of ours depends on the prediction being made once: what is asked twice costs twice, and says the same.
   It never outlives its bound, for ``Cancel-After`` goes with it.
2. Every end but success is Unavailable: that the model did not answer is not an answer.
"""

import asyncio
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from shared.adapters.replicate.sdk.errors import ReplicateError
from shared.core.dependency import Dependency
from shared.core.provider.prediction import Status
from shared.ports import Unavailable

if TYPE_CHECKING:
    from shared.adapters.replicate.sdk.api import ReplicateApi

#: What Replicate's own bounds are: ``Prefer: wait`` at most 60 s, ``Cancel-After`` at least 5 s.
_LONGEST_WAIT_S, _SHORTEST_LIFE_S = 60, 5

#: Between two looks at a prediction that was not over when its create was answered.
_LOOK_EVERY_S = 0.5


class ModelRunner:
    """Runs models through the whole API; ``api`` is asked for at the first use."""

    def __init__(self, api: "Callable[[], ReplicateApi]", look_every_s: float = _LOOK_EVERY_S) -> None:
        self._api = api
        self._look_every_s = look_every_s

    async def run(self, model: str, inputs: Mapping[str, str], within_s: float) -> tuple[str, ...]:
        """The outputs of one prediction. Unavailable if it does not succeed within ``within_s`` seconds.

        ``model`` is an official model's owner/name, or owner/name:version.
        """
        try:
            async with asyncio.timeout(within_s):
                return await self._finished(model, inputs, within_s)
        except TimeoutError:
            raise Unavailable(Dependency.REPLICATE, "a second opinion did not come in time") from None
        except ReplicateError as error:
            raise Unavailable(Dependency.REPLICATE, f"a second opinion: {error.why}", error.retry_after_s) from None

    async def _finished(self, model: str, inputs: Mapping[str, str], within_s: float) -> tuple[str, ...]:
        from shared.adapters.replicate.sdk.api import NewPrediction  # noqa: PLC0415  # no part of a cold start

        predictions = self._api().predictions
        new = NewPrediction(
            inputs=inputs,
            wait_s=max(1, min(_LONGEST_WAIT_S, math.floor(within_s))),
            cancel_after_s=max(_SHORTEST_LIFE_S, math.ceil(within_s)),
        )
        prediction = await predictions.create(model, new)
        # An answer that was held back for the output comes a moment before the end: that is looked for at once.
        pause_s = 0.0 if prediction.output else self._look_every_s
        while not prediction.status.finished:
            await asyncio.sleep(pause_s)
            prediction, pause_s = await predictions.get(prediction.id), self._look_every_s
        if prediction.status is not Status.SUCCEEDED or prediction.data_removed:
            raise Unavailable(Dependency.REPLICATE, f"a second opinion ended as {prediction.status}")
        return prediction.outputs
