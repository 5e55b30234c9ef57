"""Inference: run a model on a prompt and wait for the whole answer, or read it while the model writes.

Rules of this file:
1. A setting (``max_tokens``) goes to the model's own input of that meaning. One that the model has no input for is
   refused by name before anything is created.
2. The time-out goes to Replicate too (``Cancel-After``), so that a prediction ends even if this process does.
3. Only a success is returned. A failure raises FailedError. A time-out raises TimedOutError, also if Replicate noticed
   it first.
4. A stream whose reader stops is canceled: it costs as long as it runs.
"""

import math
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from shared.adapters.replicate.sdk.api import NewPrediction, ReplicateApi
from shared.adapters.replicate.sdk.api.naming import seconds
from shared.adapters.replicate.sdk.connector.predictions import (
    LOOKS_S,
    Predictions,
    canceled_in_time,
    kept,
    perhaps_created,
    too_long,
    wait,
)
from shared.adapters.replicate.sdk.connector.results import InferenceResult, inference_result
from shared.adapters.replicate.sdk.connector.session import ms_since
from shared.adapters.replicate.sdk.connector.versions import without_names
from shared.adapters.replicate.sdk.errors import FailedError, TimedOutError, ValidationError
from shared.adapters.replicate.sdk.streaming import StreamedText, StreamEnd
from shared.adapters.replicate.sdk.types import FullPrediction
from shared.adapters.replicate.sdk.waiting import CANCEL_AFTER_S, WAIT_S, bounded, left_s, pauses_s, runs_on
from shared.core.provider.prediction import Status
from shared.core.provider.redaction import redacted

_CREATE = "predictions.create"

#: The first pause if the output is there already and only the end is missing.
_SOON_S = 0.1

#: How many seconds before the time-out Replicate's own ``Cancel-After`` may have ended the prediction.
_EARLY_S = 1.0

#: The inputs that models have for a setting, the usual name first.
_SETTINGS = {
    "max_tokens": ("max_tokens", "max_new_tokens", "max_output_tokens", "max_completion_tokens", "max_length"),
    "stop": ("stop", "stop_sequences"),
    "system_prompt": ("system_prompt", "system"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """One call of a verb: what it runs, on what, and its bound."""

    model_id: str
    prompt: str | None
    settings: Mapping[str, Any]
    inputs: Mapping[str, Any]
    version_id: str | None
    bound_s: float
    began: float

    @property
    def life_s(self) -> int:
        """The Cancel-After: the bound, and at least Replicate's minimum."""
        return max(CANCEL_AFTER_S[0], math.ceil(self.bound_s))

    @property
    def deadline(self) -> float:
        """When the call ends, by ``time.monotonic``."""
        return self.began + self.bound_s


class Inferring(Predictions):
    """The verbs that run a model on a prompt."""

    async def inference(  # each is a matter of its own
        self,
        model_id: str,
        prompt: str | None = None,
        generation_config: Mapping[str, Any] | None = None,
        version_id: str | None = None,
        *,
        input_data: Mapping[str, Any] | None = None,
        timeout: float = 300,
    ) -> InferenceResult:
        """Run a model and wait for its end.

        Args:
            model_id: owner/name of a model or a deployment, or owner/name:version, or a version.
            prompt: goes to the model's input ``prompt``.
            generation_config: settings: ``max_tokens``, ``temperature``, ``top_p``, or any input of the model.
            version_id: the version that runs; by default the latest.
            input_data: inputs by the model's own names, sent as they are.
            timeout: how long it may take in seconds, at most a day.

        Raises:
            FailedError: the model failed, or the prediction was canceled.
            TimedOutError: it took longer, and was canceled; or the create was not answered in time.
            ValidationError: an input is not accepted; ``fields`` names it.
        """
        api = self.connected("inference")
        call = _call(model_id, prompt, generation_config, version_id, input_data, timeout)
        # Replicate waits for less than the whole time: without the prediction's id we could not cancel it.
        held_s = min(WAIT_S[1], math.floor(call.bound_s) - 1)
        prediction = await self._begin(api, call, held_s if held_s > 0 else None)
        if not prediction.status.finished:
            # Replicate answers as soon as there is an output, a moment before the end.
            pauses = pauses_s(_SOON_S if prediction.output else LOOKS_S[0], LOOKS_S[1], 1.5)
            prediction = await wait(api, prediction.id, call.bound_s, call.deadline, pauses, cancel_after_s=call.life_s)
        return inference_result(_succeeded(kept(prediction), call), ms_since(call.began))

    def stream(  # each is a matter of its own
        self,
        model_id: str,
        prompt: str | None = None,
        generation_config: Mapping[str, Any] | None = None,
        version_id: str | None = None,
        *,
        input_data: Mapping[str, Any] | None = None,
        timeout: float = 300,
    ) -> AsyncGenerator[str, None]:
        """The text of a run while the model writes it, in parts. Arguments and errors are those of ``inference``.

        A model that cannot stream gives its whole output as one part, at its end.
        """
        api = self.connected("stream")
        return self._stream(api, _call(model_id, prompt, generation_config, version_id, input_data, timeout))

    async def _stream(self, api: ReplicateApi, call: _Call) -> AsyncGenerator[str, None]:
        prediction = await self._begin(api, call, None)
        ended = False
        try:
            async with aclosing(api.predictions.stream(prediction, timeout_s=left_s(call.deadline))) as events:
                async for event in events:
                    if isinstance(event, StreamedText):
                        yield event.text
                    elif isinstance(event, StreamEnd):
                        ended = True
                        _succeeded(kept(event.prediction), call)
        except TimedOutError:
            ended = True
            canceled = await canceled_in_time(api, prediction.id, call.bound_s)
            on = f"it could not be canceled, and may run on {runs_on(call.life_s)}"
            raise too_long(prediction.id, call.bound_s, "canceled" if canceled else on) from None
        finally:
            if not ended:
                await canceled_in_time(api, prediction.id, call.bound_s)

    async def _begin(self, api: ReplicateApi, call: _Call, held_s: int | None) -> FullPrediction:
        """Create the prediction of a call. TimedOutError if Replicate does not answer within its bound."""
        sent = False
        async with bounded(_CREATE, call.bound_s, lambda: perhaps_created(call.life_s, sent=sent)):
            target = await self.target_of(api, _CREATE, call.model_id, call.version_id)
            schema = await self.schema_of(api, target) if call.settings else {}
            inputs = without_names(_inputs(call, schema))
            new = NewPrediction(inputs=inputs, wait_s=held_s, cancel_after_s=call.life_s)
            sent = True
            return (await self.create_on(api, target, call.model_id, new))[0]


def _call(  # the arguments of the verbs
    model_id: str,
    prompt: str | None,
    generation_config: Mapping[str, Any] | None,
    version_id: str | None,
    input_data: Mapping[str, Any] | None,
    timeout: float,
) -> _Call:
    return _Call(
        model_id=model_id,
        prompt=prompt,
        settings=generation_config or {},
        inputs=input_data or {},
        version_id=version_id,
        bound_s=seconds(_CREATE, timeout, field="timeout", most_s=CANCEL_AFTER_S[1]),
        began=time.monotonic(),
    )


def _inputs(call: _Call, schema: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs of a call, by the model's names. Without a schema the settings keep their own names."""
    settings = {_input_for(name, schema): value for name, value in call.settings.items()}
    inputs = {**({} if call.prompt is None else {"prompt": call.prompt}), **settings, **call.inputs}
    unknown = [name for name in inputs if schema and name not in schema]
    if unknown:
        takes = ", ".join(sorted(schema))
        raise ValidationError(
            _CREATE,
            f"{call.model_id} has no input {', '.join(sorted(unknown))}; it takes {takes}",
            dict.fromkeys(unknown, "unknown"),
            advice="Nothing was created. Leave it out, or name the model's own input in input_data.",
        )
    return inputs


def _input_for(setting: str, schema: Mapping[str, Any]) -> str:
    """The model's input for a setting; its own name if the model has none for it."""
    return next((name for name in _SETTINGS.get(setting, ()) if name in schema), setting)


def _succeeded(prediction: FullPrediction, call: _Call) -> FullPrediction:
    """The prediction, if it succeeded.

    Raises:
        TimedOutError: Replicate ended it at the call's deadline.
        FailedError: it ended otherwise.
    """
    if prediction.status is Status.SUCCEEDED:
        return prediction
    stopped = prediction.status in (Status.CANCELED, Status.ABORTED)
    if stopped and time.monotonic() > call.deadline - _EARLY_S:
        raise too_long(prediction.id, call.bound_s, "canceled")
    private = [each for each in (call.prompt, *call.inputs.values(), *call.settings.values()) if isinstance(each, str)]
    why = redacted(prediction.error, private)
    raise FailedError(
        "inference",
        f"prediction {prediction.id} ended as {prediction.status.value}{f': {why}' if why else ''}",
        prediction_id=prediction.id,
        advice=f"Its logs: replicate.com/p/{prediction.id}",
    )
