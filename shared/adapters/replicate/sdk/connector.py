"""The connector: Replicate in the few verbs that an app needs, on top of the whole API.

    async with ReplicateConnector(ReplicateApi.at(FixedToken(token))) as replicate:
        answer = await replicate.inference("meta/meta-llama-3-8b-instruct", {"prompt": "Hello"})
        print(answer.text, answer.latency_ms)

Rules of this file:
1. Nothing is created twice. A create is sent once, and a lost answer raises OutcomeUnknownError.
2. A prediction that outlasts its time is canceled.
3. A prediction that failed or was canceled is an answer, not an exception. One that took too long always raises
   TimedOutError, whether this process noticed it first or Replicate did (``Cancel-After``).
4. A time-out bounds the whole verb, even if the server never answers. The cancel after it may take a little more: four
   tenths of the time-out, at least 0.3 s, at most 5 s.
"""

import asyncio
import math
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from types import TracebackType
from typing import Any, Self

from shared.adapters.replicate.sdk.api import NewPrediction, ReplicateApi
from shared.adapters.replicate.sdk.api.files import Content
from shared.adapters.replicate.sdk.api.naming import seconds
from shared.adapters.replicate.sdk.errors import (
    AuthenticationError,
    NotFoundError,
    NotOfferedError,
    ReplicateError,
    TimedOutError,
    ValidationError,
)
from shared.adapters.replicate.sdk.hardware import MACHINES, PRICED_ON, Machine
from shared.adapters.replicate.sdk.retrying import TRIED_AGAIN, Kind
from shared.adapters.replicate.sdk.types import Account, Deployment, File, FullPrediction, Training
from shared.adapters.replicate.sdk.waiting import CANCEL_AFTER_S, WAIT_S, Wait, pauses_s
from shared.core.provider.prediction import Status

#: The first and the longest pause between two reads of a prediction, in seconds. Each is half as long again as the one
#: before, and is multiplied by a random 0.5 to 1.
_LOOKS_S = (1.0, 15.0)
#: The first pause if the output is there already and only the end is missing.
_SOON_S = 0.1

#: How many seconds before the time-out Replicate's own ``Cancel-After`` may have ended the prediction.
_EARLY_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """A machine that the account can use. ``machine`` is None if its memory and price are not known."""

    sku: str
    name: str
    machine: Machine | None
    priced_on: date = PRICED_ON

    @property
    def vram_gb(self) -> int | None:
        """The memory for models, over all its GPUs. None if not known."""
        return self.machine.vram_gb if self.machine else None

    @property
    def usd_micros_per_hour(self) -> int | None:
        """The price of an hour. None if not known."""
        return self.machine.usd_micros_per_hour if self.machine else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Inference:
    """A finished prediction: the text of a language model, the outputs of any other, and how long it took in all."""

    prediction: FullPrediction = field(repr=False)
    latency_ms: int

    @property
    def succeeded(self) -> bool:
        """Whether it succeeded. If not, ``prediction.status`` and ``prediction.error`` say why."""
        return self.prediction.status is Status.SUCCEEDED

    @property
    def text(self) -> str:
        """The output, its chunks joined."""
        return self.prediction.text

    @property
    def outputs(self) -> tuple[str, ...]:
        """The output as a tuple of texts or addresses. An address is valid for an hour."""
        return self.prediction.outputs


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Whether Replicate answers this token, how fast, and what is wrong if it does not."""

    healthy: bool
    latency_ms: int
    problem: str = ""


class ReplicateConnector:
    """Replicate for one account. ``disconnect`` closes the connections of ``api``, so nothing else should use these."""

    def __init__(self, api: ReplicateApi) -> None:
        self.api = api
        self._account: Account | None = None

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.disconnect()

    # The connection.

    async def connect(self) -> Account:
        """Check the token: first its form, then by reading its account.

        Raises:
            AuthenticationError: it is not set, is not a Replicate token, has stray characters, or is refused.
        """
        self._account = await self.api.owner.get()
        return self._account

    async def verify_connection(self) -> bool:
        """Whether the token is valid. False only if it is refused; any other error is raised."""
        try:
            await self.connect()
        except AuthenticationError:
            return False
        return True

    async def disconnect(self) -> None:
        """Close the connections. A later call opens new ones."""
        self._account = None
        await self.api.close()

    async def health_check(self, *, timeout_s: float = 10) -> Health:
        """One small read, timed. Raises a ReplicateError only for a malformed ``timeout_s``."""
        began, problem = time.monotonic(), ""
        bound_s = seconds("account.get", timeout_s)
        try:
            async with asyncio.timeout(bound_s):
                await self.api.owner.get()
        except ReplicateError as trouble:
            problem = str(trouble)
        except TimeoutError:
            problem = f"account.get: no answer within {bound_s:g} s"
        return Health(healthy=not problem, latency_ms=_ms_since(began), problem=problem)

    # The account's own models.

    async def deploy_model(
        self,
        name: str,
        model: str,
        *,
        hardware: str,
        version: str | None = None,
        min_instances: int = 0,
        max_instances: int = 1,
    ) -> Deployment:
        """Deploy a version of a model, by default the latest. An existing deployment of that name gets a new release.

        With ``min_instances`` above 0 it costs all the time, used or not.
        """
        account = self._account or await self.connect()
        version = version or await self._latest_version(model)
        sizes = {"min_instances": min_instances, "max_instances": max_instances}
        deployed = f"{account.username}/{name}"
        try:
            current = await self.api.deployments.get(deployed)
        except NotFoundError:
            return await self.api.deployments.create(name, model=model, version=version, hardware=hardware, **sizes)
        if current.model != model:
            raise ValidationError("deployments.update", f"{deployed} deploys another model", {"model": "unchangeable"})
        return await self.api.deployments.update(deployed, version=version, hardware=hardware, **sizes)

    async def create_model_version(self, model: str) -> None:
        """Never possible: Replicate has no such operation.

        Raises:
            NotOfferedError: always; it names the two ways to make a version.
        """
        raise NotOfferedError(
            "models.versions.create",
            "versions cannot be created over HTTP.",
            f"Start a training with train(trainer, destination={model!r}, inputs=...): the version is its result. "
            f"Or push one with Cog: cog push r8.im/{model}",
        )

    async def train(
        self,
        trainer: str,
        *,
        destination: str,
        inputs: Mapping[str, Any],
        webhook: str | None = None,
        events: Sequence[str] = (),
    ) -> Training:
        """Start a training that makes the next version of ``destination``; ``trainer`` is owner/name[:version]."""
        model, _, version = trainer.partition(":")
        version = version or await self._latest_version(model)
        return await self.api.trainings.create(
            model, version, destination=destination, inputs=inputs, webhook=webhook, events=events
        )

    async def upload_artifact(
        self, content: Content, *, filename: str = "", content_type: str = "application/octet-stream"
    ) -> File:
        """Upload a file of at most 100 MiB; its ``url`` is an input for a day.

        Args:
            content: a path, or its bytes, or an open binary file.
            filename: its name; by default that of the path.
            content_type: its media type.

        Raises:
            FileNotFoundError: there is no file at that path.
        """
        return await self.api.files.create(content, filename=filename, content_type=content_type)

    # Machines and prices.

    async def list_resources(self) -> tuple[Resource, ...]:
        """The machines that the account can use, with memory and price if these are known."""
        listed = await self.api.hardware.list()
        return tuple(Resource(sku=each.sku, name=each.name, machine=MACHINES.get(each.sku)) for each in listed)

    @staticmethod
    def get_pricing(sku: str) -> Machine:
        """A machine's price as of ``hardware.PRICED_ON``. ValidationError if its price is not known."""
        if sku not in MACHINES:
            raise ValidationError("pricing", f"hardware must be one of {', '.join(MACHINES)}", {"hardware": "enum"})
        return MACHINES[sku]

    # Predictions.

    async def inference(self, model: str, inputs: Mapping[str, Any], *, timeout_s: float = 60) -> Inference:
        """Run a model and wait for its end.

        Args:
            model: owner/name, or owner/name:version, or a version. Of a model that is not official the latest version
                is looked up.
            inputs: the inputs, by the model's names.
            timeout_s: how long it may take, at most a day. It goes to Replicate too, so that the prediction ends even
                if this process does.

        Raises:
            TimedOutError: it took longer, and was canceled; or the create was not answered in time.
        """
        began, operation = time.monotonic(), "predictions.create"
        bound_s = seconds(operation, timeout_s, most_s=CANCEL_AFTER_S[1])
        life_s = max(CANCEL_AFTER_S[0], math.ceil(bound_s))
        # Replicate waits for less than the whole time: without the prediction's id we could not cancel it.
        held_s = min(WAIT_S[1], math.floor(bound_s) - 1)
        new = NewPrediction(inputs=inputs, wait_s=held_s if held_s > 0 else None, cancel_after_s=life_s)
        try:
            async with asyncio.timeout(bound_s):
                prediction = await self._create(model, new)
        except TimeoutError:
            unknown = f"no answer within {bound_s:g} s; if it was created, Replicate ends it {life_s} s later"
            raise TimedOutError(operation, unknown) from None
        if not prediction.status.finished:
            # Replicate answers as soon as there is an output, a moment before the end.
            first_look_s = _SOON_S if prediction.output else _LOOKS_S[0]
            prediction = await self._wait(prediction.id, bound_s, began + bound_s, first_look_s)
        stopped = prediction.status in (Status.CANCELED, Status.ABORTED)
        if stopped and time.monotonic() - began > bound_s - _EARLY_S:
            raise _too_long(prediction.id, bound_s, "canceled")
        return Inference(prediction=prediction, latency_ms=_ms_since(began))

    async def wait_for_prediction(
        self, prediction_id: str, *, timeout_s: float = 300, first_look_s: float = _LOOKS_S[0]
    ) -> FullPrediction:
        """The prediction as it ended: succeeded, failed, canceled, or aborted before it started.

        A transient error while reading is waited out.

        Raises:
            TimedOutError: it had not ended after ``timeout_s``, and was canceled.
        """
        bound_s = seconds("predictions.get", timeout_s)
        first_s = seconds("predictions.get", first_look_s, field="first_look_s")
        return await self._wait(prediction_id, bound_s, time.monotonic() + bound_s, first_s)

    async def _create(self, model: str, new: NewPrediction) -> FullPrediction:
        """Create a prediction by the model's name; if Replicate refuses the name, by its latest version.

        The refusal has created nothing, so the second create does not make a second prediction.
        """
        create = self.api.predictions.create
        try:
            return await create(model, new)
        except (NotFoundError, ValidationError) as refused:
            named = "/" in model and ":" not in model and refused.status in (404, 422)
            if not named or (isinstance(refused, ValidationError) and set(refused.fields) - {"version"}):
                raise
            version = await self._latest_version(model)
        return await create(f"{model}:{version}", new)

    async def _wait(self, prediction_id: str, bound_s: float, deadline: float, first_look_s: float) -> FullPrediction:
        """The prediction as it ended. At the deadline, ``bound_s`` after the beginning, it is canceled."""
        pauses = pauses_s(first_look_s, _LOOKS_S[1], 1.5)
        read = self.api.predictions.get
        with suppress(TimedOutError):
            return await Wait(
                "predictions.get", read, prediction_id, bound_s=bound_s, deadline=deadline, pauses=pauses
            ).end()
        canceled, done = None, "it could not be canceled, and may still run"
        with suppress(TimeoutError, *TRIED_AGAIN[Kind.CANCEL]):
            async with asyncio.timeout(min(max(0.4 * bound_s, 0.3), 5.0)):
                canceled, done = await self.api.predictions.cancel(prediction_id), "canceled"
        if canceled is not None and canceled.status in (Status.SUCCEEDED, Status.FAILED):  # it ended just now
            return canceled
        raise _too_long(prediction_id, bound_s, done)

    async def _latest_version(self, model: str) -> str:
        version = (await self.api.models.get(model)).latest_version
        if version is None:
            raise NotFoundError("models.get", f"{model} has no version yet")
        return version.id


def _too_long(prediction_id: str, bound_s: float, done: str) -> TimedOutError:
    return TimedOutError("predictions.get", f"prediction {prediction_id} took over {bound_s:g} s: {done}")


def _ms_since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)
