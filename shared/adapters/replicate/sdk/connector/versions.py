"""Versions of a model: their history, and the two ways to a new one.

Rules of this file:
1. Replicate makes a version of a training, or of a push with Cog. There is no third way over HTTP.
2. A version's config is what the training that made it was given. Inputs that are named like a secret are left out.
3. A training that outlasts the wait runs on: it is long and paid for. The error has its id.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from shared.adapters.replicate.sdk.api import ReplicateApi
from shared.adapters.replicate.sdk.api.naming import owner_and_name, seconds
from shared.adapters.replicate.sdk.api.trainings import MAY_TRAIN
from shared.adapters.replicate.sdk.connector.models import Models
from shared.adapters.replicate.sdk.connector.results import VersionInfo, version_info
from shared.adapters.replicate.sdk.errors import (
    FailedError,
    NotFoundError,
    NotOfferedError,
    TimedOutError,
    ValidationError,
)
from shared.adapters.replicate.sdk.types import Training, Version
from shared.adapters.replicate.sdk.waiting import Bound, Wait, bounded, pauses_s
from shared.core.provider.prediction import Status
from shared.core.provider.redaction import redacted

_TRAIN, _FOLLOW = "trainings.create", "trainings.get"

#: How many of the account's latest trainings are searched for those that made a model's versions.
_TRAININGS = 300

#: The first and the longest pause between two reads of a training, in seconds.
_LOOKS_S = (2.0, 30.0)

#: What a config says of the trainer; the rest is about the version.
OF_TRAINERS = frozenset(("trainer", "input", "weights_input"))

_WEIGHTS = re.compile(r"weights|lora|adapter", re.IGNORECASE)
_SECRET = re.compile(r"token|secret|password|api_?key", re.IGNORECASE)

_BY_TRAINING = (
    'By a training: create_model_version({model!r}, version, weights_url, config={{"trainer": "owner/name", '
    '"input": {{...}}}}), or train(trainer, destination={model!r}, inputs=...). '
)
_BY_COG = (
    "With Cog: 1. pip install cog, then cog init in an empty folder. 2. Let setup() in predict.py load the base model "
    "and your adapter, and name the packages in cog.yaml. 3. cog login, then cog push r8.im/{model}. "
    "inference({model!r}, ...) runs the version that was pushed."
)


def ways_to_a_version(model_id: str, *, trains: bool = True) -> str:
    """What to do for a new version, step by step."""
    return (_BY_TRAINING if trains else "").format(model=model_id) + _BY_COG.format(model=model_id)


class Versions(Models):
    """The verbs on versions. ``version_id`` is 64 hex digits."""

    async def list_model_versions(self, model_id: str) -> list[VersionInfo]:
        """All versions of a model, the newest first, each with what it was made of."""
        api = self.connected("list_model_versions")
        versions = [each async for each in api.versions.list(model_id)]
        configs = await self._configs(api, model_id) if versions else {}
        return [version_info(each, configs.get(each.id, {})) for each in versions]

    async def get_model_version(self, model_id: str, version_id: str) -> VersionInfo:
        """One version, with what it was made of.

        Raises:
            NotFoundError: the model has no such version.
        """
        api = self.connected("get_model_version")
        version = await api.versions.get(model_id, version_id)
        return version_info(version, (await self._configs(api, model_id)).get(version.id, {}))

    async def delete_model_version(self, model_id: str, version_id: str) -> bool:
        """Delete a version of a private model; its predictions go with it. Returns whether it was there.

        Raises:
            ReplicateError: Replicate does not delete it: its model is public, or a deployment uses it.
        """
        api = self.connected("delete_model_version")
        try:
            await api.versions.delete(model_id, version_id)
        except NotFoundError:
            return False
        self._learned.targets.pop(model_id, None)
        return True

    async def create_model_version(
        self,
        model_id: str,
        version: str,
        weights_url: str | None = None,
        config: Mapping[str, Any] | None = None,
        *,
        timeout: float = 3600,
    ) -> str:
        """Make a version by a training; returns the version's id, at the training's end.

        Args:
            model_id: the model that gets it, owner/name. It must exist (``create_model``).
            version: your name for it, "v1". Only ``list_model_versions`` of this connection shows it, in the config.
            weights_url: an https address that goes to the trainer's input ``config["weights_input"]``, by default its
                only file that is called like weights.
            config: ``trainer`` (owner/name, or with :version), its ``input``, and ``weights_input``. The rest is kept.
            timeout: how long it may take in all. A training runs on if it takes longer.

        Raises:
            NotOfferedError: there is no ``trainer``. The text says how else to make the version, step by step.
            TimedOutError: the training runs on; ``prediction_id`` is its id, if Replicate has answered its create.
            FailedError: the training ended without a version.
        """
        self.connected("create_model_version")
        bound = Bound.of(seconds(_TRAIN, timeout, field="timeout"))
        return await self.make_version(model_id, version, weights_url, dict(config or {}), bound)

    async def make_version(  # each is a matter of its own
        self, model_id: str, version: str, weights_url: str | None, config: Mapping[str, Any], bound: Bound
    ) -> str:
        """As ``create_model_version``, within what is left of a bound."""
        api, trainer, sent = self.connected("create_model_version"), config.get("trainer"), False
        owner_and_name(_TRAIN, model_id)
        if not isinstance(trainer, str) or not trainer:
            raise NotOfferedError(
                "models.versions.create", "versions cannot be created over HTTP.", ways_to_a_version(model_id)
            )
        inputs = _inputs_of(config)
        async with bounded(_TRAIN, bound, lambda: MAY_TRAIN if sent else "no training was started"):
            if weights_url is not None:
                inputs[await self.weights_input(api, trainer, config.get("weights_input"))] = weights_url
            trainer = await _pinned(api, trainer)
            sent = True
            training = await self.train(trainer, destination=model_id, inputs=inputs)
        kept = {name: value for name, value in config.items() if name not in OF_TRAINERS}
        self._learned.configs[training.id] = {"version": version, **kept}
        return await _trained(api, training, bound)

    async def train(
        self,
        trainer: str,
        *,
        destination: str,
        inputs: Mapping[str, Any],
        webhook: str | None = None,
        events: Sequence[str] = (),
    ) -> Training:
        """Start a training that makes the next version of ``destination``; ``trainer`` is owner/name[:version].

        Trainings have no ``Cancel-After``: cancel one that you no longer want with ``api.trainings.cancel``.
        """
        api = self.connected("train")
        model, _, version = (await _pinned(api, trainer)).partition(":")
        training = await api.trainings.create(
            model, version, destination=destination, inputs=without_names(inputs), webhook=webhook, events=events
        )
        self._learned.targets.pop(destination, None)
        return training

    @staticmethod
    async def weights_input(api: ReplicateApi, trainer: str, named: object) -> str:
        """The trainer's input that takes weights: the named one, or the only file that is called like weights.

        Raises:
            ValidationError: it has none, or several, or not the named one. The text lists its files.
        """
        model, _, version = trainer.partition(":")
        found = await api.versions.get(model, version) if version else (await api.models.get(model)).latest_version
        files = _files_of(found)
        fitting = [name for name in files if name == named or (named is None and _WEIGHTS.search(name))]
        if len(fitting) == 1:
            return fitting[0]
        listed = ", ".join(files) or "none"
        raise ValidationError(
            _TRAIN,
            f"{trainer} has no single input for weights; its inputs that are files: {listed}",
            {"weights_input": "enum"},
            advice="Name one in weights_input, or take a trainer that begins with weights.",
        )

    async def _configs(self, api: ReplicateApi, model_id: str) -> dict[str, Mapping[str, Any]]:
        """What a model's versions were made of, by the version's id, as far as the latest trainings say."""
        found: dict[str, Mapping[str, Any]] = {}
        if model_id.partition("/")[0] != self.username("list_model_versions"):
            return found  # the trainings of others are not ours to read
        seen = 0
        async for training in api.trainings.list():
            name, _, version = training.trained_version.partition(":")
            if name == model_id and version:
                asked = self._learned.configs.get(training.id, {})
                inputs = {name: value for name, value in training.input.items() if not _SECRET.search(name)}
                trainer = f"{training.model}:{training.version}"
                found[version] = {**asked, "training_id": training.id, "trainer": trainer, "input": inputs}
            seen += 1
            if seen == _TRAININGS:
                break
        return found


async def latest_version(api: ReplicateApi, model_id: str) -> str:
    """The id of a model's latest version. NotFoundError if it has none."""
    version = (await api.models.get(model_id)).latest_version
    if version is None:
        raise NotFoundError("models.get", f"{model_id} has no version yet", advice=ways_to_a_version(model_id))
    return version.id


async def _pinned(api: ReplicateApi, trainer: str) -> str:
    """A trainer with its version: the named one, or its latest."""
    return trainer if ":" in trainer else f"{trainer}:{await latest_version(api, trainer)}"


def without_names(value: Any, depth: int = 8) -> Any:
    """Inputs in which the addresses of uploads are as Replicate gave them, without the name behind ``#``."""
    if isinstance(value, str):
        return re.sub(r"^(https?://[^\s#]{1,200}/v1/files/[\w=-]{1,200})#[^\s#]*$", r"\1", value)
    if depth and isinstance(value, Mapping):
        return {name: without_names(each, depth - 1) for name, each in value.items()}
    if depth and isinstance(value, (list, tuple)):
        return [without_names(each, depth - 1) for each in value]
    return value


def _inputs_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs that a config has for its trainer."""
    given = config.get("input") or {}
    if not isinstance(given, Mapping):
        why = 'config["input"] must be a dict of the trainer\'s inputs'
        raise ValidationError(_TRAIN, why, {"input": "type"})
    return dict(given)


def _files_of(version: Version | None) -> list[str]:
    """The names of a version's inputs that are addresses of files."""
    schema = version.schemas.get("Input") if version else None
    properties = schema.get("properties") if isinstance(schema, dict) else None
    named = properties if isinstance(properties, dict) else {}
    return [name for name, each in named.items() if isinstance(each, dict) and each.get("format") == "uri"]


async def _trained(api: ReplicateApi, training: Training, bound: Bound) -> str:
    """The id of the version that a training made, at its end."""
    pauses = pauses_s(*_LOOKS_S, 1.5)
    wait = Wait(_FOLLOW, api.trainings.get, training.id, bound_s=bound.s, deadline=bound.deadline, pauses=pauses)
    try:
        training = await wait.end()
    except TimedOutError:
        raise TimedOutError(
            _FOLLOW,
            f"training {training.id} took over {bound.s:g} s: it runs on",
            prediction_id=training.id,
            advice="Follow it with api.trainings.get, or end it with api.trainings.cancel.",
        ) from None
    version = training.trained_version.partition(":")[2]
    if training.status is not Status.SUCCEEDED or not version:
        why = redacted(training.error, (each for each in training.input.values() if isinstance(each, str)))
        ended = f"training {training.id} ended as {training.status.value}{f': {why}' if why else ''}"
        raise FailedError(_FOLLOW, ended, prediction_id=training.id, advice=f"Its logs: replicate.com/p/{training.id}")
    return version
