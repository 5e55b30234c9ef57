"""What a model's name runs: an official model by its name, any other by its version, a deployment by its own way.

Rules of this file:
1. A version that is named is the one that runs.
2. For a name of the account's own, Replicate is asked: first for the deployment, because somebody made it to be used,
   then for the model's latest version. Any other name is tried as an official model's. If Replicate refuses it, nothing
   was created, and the latest version is looked up and run instead.
3. What was looked up is kept for some minutes, and no longer than the connection. A kept version that Replicate refuses
   is looked up again, once.
"""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from shared.adapters.replicate.sdk.api import NewPrediction, ReplicateApi
from shared.adapters.replicate.sdk.api.naming import owner_and_name
from shared.adapters.replicate.sdk.connector.versions import Versions, latest_version
from shared.adapters.replicate.sdk.errors import NotFoundError, ReplicateError, ValidationError
from shared.adapters.replicate.sdk.types import FullPrediction, Version

#: How many seconds what was looked up is believed.
KEPT_S = 300.0

_VERSION = re.compile(r"(?:(?P<model>[\w.-]{1,100}/[\w.-]{1,100}):)?(?P<version>[0-9a-f]{64})")


class Way(Enum):
    """How a prediction is created."""

    NAME = auto()
    VERSION = auto()
    DEPLOYMENT = auto()


@dataclass(frozen=True, slots=True)
class Target:
    """What runs. ``model`` is empty if only a version was named. If ``pinned``, the caller named the version."""

    way: Way
    model: str
    version: str = ""
    pinned: bool = False


@dataclass(frozen=True, slots=True)
class _Kept:
    target: Target
    until: float


class Targets(Versions):
    """Finds what a name runs, and runs it."""

    async def target_of(self, api: ReplicateApi, operation: str, model_id: str, version_id: str | None) -> Target:
        """What a call names. ValidationError if it is no name; nothing is created."""
        if version_id is not None or _VERSION.fullmatch(model_id):
            return _pinned(operation, model_id, version_id)
        owner, _ = owner_and_name(operation, model_id, "model_id")
        kept = self._learned.targets.get(model_id)
        if isinstance(kept, _Kept) and time.monotonic() < kept.until:
            return kept.target
        if owner != self.username(operation):
            return Target(Way.NAME, model_id)
        try:
            deployed = await api.deployments.get(model_id)
        except NotFoundError:
            return await self._look_up(api, model_id)
        return self._keep(model_id, Target(Way.DEPLOYMENT, deployed.model, deployed.version))

    async def create_on(
        self, api: ReplicateApi, target: Target, model_id: str, new: NewPrediction
    ) -> tuple[FullPrediction, Target]:
        """Create a prediction. If Replicate refuses the name or a version that was looked up, look it up again."""
        try:
            created = await _create(api, target, model_id, new)
        except (NotFoundError, ValidationError) as refused:
            if target.pinned or target.way is Way.DEPLOYMENT or not _names_nothing(refused):
                raise
            found = await self._look_up(api, model_id)
            if found == target:
                raise
            return await _create(api, found, model_id, new), found
        if target.way is Way.NAME:
            self._keep(model_id, target)
        return created, target

    async def schema_of(self, api: ReplicateApi, target: Target) -> Mapping[str, Any]:
        """The inputs of what runs, by name. Empty if Replicate does not publish them, or if only a version is named."""
        if not target.model:
            return {}
        if target.way is Way.NAME:
            version: Version | None = (await api.models.get(target.model)).latest_version
        else:
            version = await api.versions.get(target.model, target.version)
        schema = version.schemas.get("Input") if version else None
        properties = schema.get("properties") if isinstance(schema, dict) else None
        return properties if isinstance(properties, dict) else {}

    async def _look_up(self, api: ReplicateApi, model_id: str) -> Target:
        return self._keep(model_id, Target(Way.VERSION, model_id, await latest_version(api, model_id)))

    def _keep(self, model_id: str, target: Target) -> Target:
        self._learned.targets[model_id] = _Kept(target, time.monotonic() + KEPT_S)
        return target


def _pinned(operation: str, model_id: str, version_id: str | None) -> Target:
    named = _VERSION.fullmatch(version_id if version_id is not None else model_id)
    if named is None:
        raise ValidationError(
            operation,
            "version_id must be the 64 hex digits of a version",
            {"version_id": "format"},
            advice="list_model_versions shows the ids. Replicate knows no names such as v1.",
        )
    model = named["model"] or ("" if version_id is None else model_id)
    if model:
        owner_and_name(operation, model, "model_id")
    if version_id is not None and named["model"] not in (None, model_id):
        raise ValidationError(operation, "version_id is of another model than model_id", {"version_id": "model"})
    return Target(Way.VERSION, model, named["version"], pinned=True)


async def _create(api: ReplicateApi, target: Target, model_id: str, new: NewPrediction) -> FullPrediction:
    match target.way:
        case Way.DEPLOYMENT:
            return await api.predictions.create_by_deployment(model_id, new)
        case Way.NAME:
            return await api.predictions.create(target.model, new)
        case Way.VERSION:
            named = f"{target.model}:{target.version}" if target.model else target.version
            return await api.predictions.create(named, new)


def _names_nothing(refused: ReplicateError) -> bool:
    """Whether a refusal is about the name or the version, and not about an input."""
    inputs = set(refused.fields) - {"version"} if isinstance(refused, ValidationError) else set()
    return refused.status in (404, 422) and not inputs
