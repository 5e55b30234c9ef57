"""Runs a small model and waits for it, for the secondary screener.

Rules of this file:
1. The prediction may be made twice: that costs twice and gives the same answer. ``Cancel-After`` bounds its life.
2. Every end but success is Unavailable: a model that did not answer has not judged the text.
"""

import asyncio
import math
import time
from collections.abc import Callable, Mapping
from itertools import repeat
from typing import TYPE_CHECKING

from shared.adapters.replicate.sdk.errors import ReplicateError, TimedOutError
from shared.adapters.replicate.sdk.waiting import CANCEL_AFTER_S, WAIT_S, Wait
from shared.core.dependency import Dependency
from shared.core.provider.prediction import Status
from shared.ports import Unavailable

if TYPE_CHECKING:
    from shared.adapters.replicate.sdk.api import ReplicateApi

#: Seconds between two reads of a prediction that was not finished when its create was answered.
_LOOK_EVERY_S = 0.5


class ModelRunner:
    """Runs models through the API. ``api`` is called at the first use."""

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
        except (TimeoutError, TimedOutError):
            raise Unavailable(Dependency.REPLICATE, "the secondary screener did not answer in time") from None
        except ReplicateError as error:
            raise Unavailable(
                Dependency.REPLICATE, f"the secondary screener: {error.why}", error.retry_after_s
            ) from None

    async def _finished(self, model: str, inputs: Mapping[str, str], within_s: float) -> tuple[str, ...]:
        from shared.adapters.replicate.sdk.api import NewPrediction  # noqa: PLC0415  # no part of a cold start

        predictions, deadline = self._api().predictions, time.monotonic() + within_s
        new = NewPrediction(
            inputs=inputs,
            wait_s=max(WAIT_S[0], min(WAIT_S[1], math.floor(within_s))),
            cancel_after_s=max(CANCEL_AFTER_S[0], math.ceil(within_s)),
        )
        prediction = await predictions.create(model, new)
        if not prediction.status.finished:
            # Replicate answers as soon as there is an output, a moment before the end. So the read follows at once.
            await asyncio.sleep(0 if prediction.output else self._look_every_s)
            prediction = await Wait(
                "predictions.get",
                predictions.get,
                prediction.id,
                bound_s=within_s,
                deadline=deadline,
                pauses=repeat(self._look_every_s),
                waits_out=(),
            ).end()
        if prediction.status is not Status.SUCCEEDED or prediction.data_removed:
            raise Unavailable(Dependency.REPLICATE, f"the secondary screener's prediction ended as {prediction.status}")
        return prediction.outputs
