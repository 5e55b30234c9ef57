"""Predictions: one run of a model each. A create is sent once; every other operation may be repeated."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from shared.adapters.replicate.sdk import streaming
from shared.adapters.replicate.sdk.api.naming import owner_and_name, seconds
from shared.adapters.replicate.sdk.calling import Caller
from shared.adapters.replicate.sdk.errors import OutcomeUnknownError, ValidationError
from shared.adapters.replicate.sdk.types import FullPrediction
from shared.adapters.replicate.sdk.waiting import CANCEL_AFTER_S, WAIT_S, runs_on

_LOOK = "Look for it in predictions.list before you create it again, because the second one costs too."


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPrediction:
    """The inputs and options of a create.

    Args:
        inputs: the inputs, by the model's names.
        webhook: an https address that Replicate calls.
        events: when it calls: start, output, logs, completed. Replicate's default is output and completed.
        wait_s: Replicate waits 1 to 60 seconds for the end before it answers. The answer may still be unfinished.
        cancel_after_s: Replicate ends the prediction 5 seconds to a day after its creation, started or not.
    """

    inputs: Mapping[str, Any] = field(repr=False)
    webhook: str | None = None
    events: tuple[str, ...] = ()
    wait_s: int | None = None
    cancel_after_s: int | None = None

    def body(self) -> dict[str, Any]:
        """The request's body, the same for all three ways to create."""
        body: dict[str, Any] = {"input": dict(self.inputs)}
        if self.webhook is not None:
            body["webhook"] = self.webhook
        if self.events:
            body["webhook_events_filter"] = list(self.events)
        return body

    def headers(self, operation: str) -> dict[str, str]:
        """The request's headers. ValidationError if a number of seconds is out of its bounds."""
        headers = {}
        if self.wait_s is not None:
            headers["Prefer"] = f"wait={_within(operation, 'wait_s', self.wait_s, WAIT_S)}"
        if self.cancel_after_s is not None:
            seconds = _within(operation, "cancel_after_s", self.cancel_after_s, CANCEL_AFTER_S)
            headers["Cancel-After"] = f"{seconds}s"
        return headers


class Predictions:
    """Operations on predictions."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def create(self, version: str, new: NewPrediction) -> FullPrediction:
        """Run a version: 64 hex digits, owner/name:64 hex digits, or an official model's owner/name."""
        return await self._create("predictions.create", new, body={"version": version})

    async def create_by_model(self, model: str, new: NewPrediction) -> FullPrediction:
        """Run an official model, owner/name. NotFoundError for any other: those need a version."""
        name = "models.predictions.create"
        return await self._create(name, new, *owner_and_name(name, model))

    async def create_by_deployment(self, deployment: str, new: NewPrediction) -> FullPrediction:
        """Run a deployment, owner/name."""
        name = "deployments.predictions.create"
        return await self._create(name, new, *owner_and_name(name, deployment, "deployment"))

    async def get(self, prediction_id: str) -> FullPrediction:
        """One prediction as it is now."""
        return await self._caller.one(FullPrediction.read, "predictions.get", prediction_id)

    def list(
        self, *, created_after: datetime | None = None, created_before: datetime | None = None, web_only: bool = False
    ) -> AsyncGenerator[FullPrediction, None]:
        """The account's predictions, the newest first. ``web_only``: only those made by hand in the last 14 days."""
        params = {name: _written(at) for name, at in _given(created_after, created_before)}
        if web_only:
            params["source"] = "web"
        return self._caller.pages(FullPrediction.read, "predictions.list", params=params)

    async def cancel(self, prediction_id: str) -> FullPrediction:
        """End a prediction if it still runs; return it as it is then."""
        return await self._caller.one(FullPrediction.read, "predictions.cancel", prediction_id)

    def stream(
        self, prediction: FullPrediction, *, timeout_s: float = streaming.LONGEST_S
    ) -> AsyncGenerator[streaming.StreamEvent, None]:
        """The output in parts while the model writes it, then the prediction as it ended; see streaming.py."""
        seconds("predictions.stream", timeout_s)
        return streaming.stream(self._caller, self.get, prediction, timeout_s)

    async def _create(
        self, name: str, new: NewPrediction, *places: str, body: Mapping[str, Any] | None = None
    ) -> FullPrediction:
        try:
            return await self._caller.one(
                FullPrediction.read,
                name,
                *places,
                json={**new.body(), **(body or {})},
                headers=new.headers(name),
                extra_s=new.wait_s or 0,
            )
        except OutcomeUnknownError as lost:
            perhaps = f"A prediction may have been created, and may run on {runs_on(new.cancel_after_s)}. "
            raise lost.with_advice(perhaps + _LOOK) from lost.__cause__


def _given(after: datetime | None, before: datetime | None) -> list[tuple[str, datetime]]:
    return [(name, at) for name, at in (("created_after", after), ("created_before", before)) if at is not None]


def _written(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _within(operation: str, name: str, value: object, bounds: tuple[int, int]) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not bounds[0] <= value <= bounds[1]:
        raise ValidationError(
            operation, f"{name} must be a whole number from {bounds[0]} to {bounds[1]}, not {value}", {name: "range"}
        )
    return value
