"""Tries a model with one cheap prediction, to see whether its entry is right.

Rules of this file:
1. One prediction is created, and never a second. It has a Cancel-After, and is canceled if it does not end in time.
2. The request is the cheapest that the entry takes: one output, the least steps, seconds, tokens and sides.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import repeat
from typing import Any

from shared.adapters.replicate.sdk.api import ReplicateApi
from shared.adapters.replicate.sdk.api.predictions import NewPrediction
from shared.adapters.replicate.sdk.errors import ReplicateError, TimedOutError
from shared.adapters.replicate.sdk.types import FullPrediction
from shared.adapters.replicate.sdk.waiting import Wait
from shared.core.catalog.catalog import Model
from shared.core.catalog.mapping import Input, inputs_of
from shared.core.keys import Key
from shared.core.modality import InputKind
from shared.core.provider.prediction import Status
from shared.core.reasons import Refusal
from shared.core.requests.messages import GenerationRequest

#: Seconds between two reads.
_PAUSE_S = 1.0

_PROMPT = "A lighthouse at night"


@dataclass(frozen=True, slots=True)
class Tried:
    """What a try showed. ``error`` is empty if the prediction succeeded. ``shape`` is that of its output."""

    prediction_id: str
    inputs: Mapping[str, Any]
    error: str = ""
    shape: str = ""
    extension: str = ""
    run_s: float = 0.0


def cheapest(model: Model, picture: str = "", file: str = "") -> Mapping[str, Any] | Refusal:
    """The inputs of the cheapest request that the entry takes. ``picture`` and ``file`` are https addresses."""
    least, most = model.prompt_characters
    given: dict[str, Any] = {}
    for item in model.inputs.values():
        if item.field and (value := _least(item, picture, file)) is not None:
            given[item.field] = value
    prompt = (_PROMPT * (least // len(_PROMPT) + 1))[: max(least, min(most, len(_PROMPT)))]
    request = GenerationRequest(key=Key("operator", "try"), **{"prompt": prompt, **given})
    mapped = inputs_of(model, request, seed=0)
    return mapped if isinstance(mapped, Refusal) else mapped.inputs


def _least(item: Input, picture: str, file: str) -> Any:
    """The least that a field may be; None leaves it out."""
    if item.kind.is_picture:
        return (picture or None) if item.required or picture else None
    if item.kind.is_file:
        return (file or None) if item.required or file else None
    if item.kind not in (InputKind.WHOLE, InputKind.REAL) or item.field == "seed":
        return None
    if item.field not in ("num_inference_steps", "duration_s", "max_tokens", "width", "height", "training_steps"):
        return None
    numbers = [each for each in item.choices if isinstance(each, int)]
    return min(numbers) if numbers else max(1, int(item.low))


async def try_once(api: ReplicateApi, model: Model, inputs: Mapping[str, Any]) -> Tried:
    """Create one prediction and wait for its end. Raises ReplicateError if Replicate refuses or does not answer."""
    new = NewPrediction(inputs=inputs, cancel_after_s=model.cancel_after_s)
    name, _, version = model.target.partition(":")
    created = await (api.predictions.create(version, new) if version else api.predictions.create_by_model(name, new))
    deadline = time.monotonic() + model.cancel_after_s
    wait = Wait(
        "predictions.get",
        api.predictions.get,
        created.id,
        bound_s=model.cancel_after_s,
        deadline=deadline,
        pauses=repeat(_PAUSE_S),
    )
    try:
        ended = await wait.end()
    except TimedOutError:
        await _cancel(api, created.id)
        return Tried(created.id, inputs, f"it did not end within {model.cancel_after_s} s, and was canceled")
    return _tried(ended, inputs)


async def _cancel(api: ReplicateApi, prediction_id: str) -> None:
    try:
        await api.predictions.cancel(prediction_id)
    except ReplicateError:
        return  # Cancel-After ends it


def _tried(ended: FullPrediction, inputs: Mapping[str, Any]) -> Tried:
    if ended.status is not Status.SUCCEEDED:
        return Tried(ended.id, inputs, ended.error or f"it ended as {ended.status}")
    seconds = ended.metrics.get("predict_time")
    run_s = float(seconds) if isinstance(seconds, (int, float)) and not isinstance(seconds, bool) else 0.0
    first = next(iter(ended.outputs), "")
    ending = first.partition("?")[0].rpartition(".")[2].lower() if first.startswith("http") else ""
    return Tried(ended.id, inputs, "", _shape(ended.output), ending if ending.isalnum() else "", run_s)


def _shape(output: object) -> str:
    """The shape of an output, in the catalogue's words. Empty if it is another form."""
    match output:
        case [str(first), *_]:
            return "list" if first.startswith(("https://", "http://", "data:")) else "chunks"
        case str():
            return "single"
        case dict():
            return "object"
        case _:
            return ""
