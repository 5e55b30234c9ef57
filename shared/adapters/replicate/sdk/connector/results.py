"""What the connector's verbs return: plain dicts of JSON values, with the names that Replicate uses.

Rules of this file:
1. A time is a text in RFC 3339, in UTC. None means that Replicate did not give the value.
2. ``hardware`` of a model is what this connector asked for when it made the model. Replicate does not return it.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypedDict

from shared.adapters.replicate.sdk.types import FullPrediction, Model, Version


class ModelInfo(TypedDict):
    """A model. ``latest_version`` is its version's id, None as long as it has none."""

    id: str
    owner: str
    name: str
    visibility: str
    hardware: str | None
    description: str
    url: str
    is_official: bool
    run_count: int
    latest_version: str | None


class VersionInfo(TypedDict):
    """A version. ``config`` is what it was made of.

    For a version that a training of this account made, it holds ``training_id``, ``trainer`` and the training's
    ``input``; for one that this connector was asked for, also the ``config`` and the ``version`` of that call.
    """

    id: str
    created_at: str | None
    cog_version: str
    config: dict[str, Any]
    openapi_schema: Mapping[str, Any]


class PredictionInfo(TypedDict):
    """A prediction. ``output`` is as the model gave it: a text, a list, an object, or None if there is none yet."""

    id: str
    status: str
    model: str
    version: str
    deployment: str
    input: Mapping[str, Any]
    output: Any
    logs: str
    error: str
    metrics: Mapping[str, Any]
    created_at: str | None
    started_at: str | None
    completed_at: str | None


class InferenceResult(TypedDict):
    """A finished inference. ``text`` is the output with its chunks joined; ``outputs`` are its texts or addresses."""

    text: str
    outputs: list[str]
    latency_ms: int
    prediction_id: str
    status: str
    metrics: Mapping[str, Any]
    model: str
    version: str


def model_info(model: Model, hardware: str | None) -> ModelInfo:
    """A model as a dict."""
    return {
        "id": f"{model.owner}/{model.name}",
        "owner": model.owner,
        "name": model.name,
        "visibility": model.visibility,
        "hardware": hardware,
        "description": model.description,
        "url": model.url,
        "is_official": model.is_official,
        "run_count": model.run_count,
        "latest_version": model.latest_version.id if model.latest_version else None,
    }


def version_info(version: Version, config: Mapping[str, Any]) -> VersionInfo:
    """A version as a dict."""
    return {
        "id": version.id,
        "created_at": _written(version.created_at),
        "cog_version": version.cog_version,
        "config": dict(config),
        "openapi_schema": version.openapi_schema,
    }


def prediction_info(prediction: FullPrediction) -> PredictionInfo:
    """A prediction as a dict."""
    return {
        "id": prediction.id,
        "status": prediction.status.value,
        "model": prediction.model,
        "version": prediction.version,
        "deployment": prediction.deployment,
        "input": prediction.input,
        "output": prediction.output,
        "logs": prediction.logs,
        "error": prediction.error,
        "metrics": prediction.metrics,
        "created_at": _written(prediction.created_at),
        "started_at": _written(prediction.started_at),
        "completed_at": _written(prediction.completed_at),
    }


def inference_result(prediction: FullPrediction, latency_ms: int) -> InferenceResult:
    """A success as a dict."""
    return {
        "text": prediction.text,
        "outputs": list(prediction.outputs),
        "latency_ms": latency_ms,
        "prediction_id": prediction.id,
        "status": prediction.status.value,
        "metrics": prediction.metrics,
        "model": prediction.model,
        "version": prediction.version,
    }


def _written(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z") if at else None
