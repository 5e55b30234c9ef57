"""Deploying: a model on machines of the account's own, or an adapter as a new version of a model of its own.

Rules of this file:
1. What cannot be done is refused before anything is created or uploaded.
2. A setting that would change what runs or what it costs is never ignored: one that is not known is refused by name.
3. A deployment with ``min_instances`` above 0 costs all the time, used or not.
"""

import asyncio
import re
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from shared.adapters.replicate.sdk.api import ReplicateApi
from shared.adapters.replicate.sdk.api.naming import owner_and_name
from shared.adapters.replicate.sdk.connector.artifacts import Artifacts
from shared.adapters.replicate.sdk.connector.models import HARDWARE
from shared.adapters.replicate.sdk.connector.versions import OF_TRAINERS, latest_version, ways_to_a_version
from shared.adapters.replicate.sdk.errors import NoFileError, NotFoundError, NotOfferedError, ValidationError

_DEPLOY = "deployments.create"

_OF_A_MODEL = ("visibility", "description", "trainer", "input", "weights_input", "version")
_OF_A_DEPLOYMENT = ("min_instances", "max_instances")
_KNOWN = ("owner", "hardware", *_OF_A_MODEL, *_OF_A_DEPLOYMENT)

_WITH_ADAPTER = (
    'With deployment_config={"trainer": "owner/name", "input": {...}} the adapter is uploaded, and that trainer makes '
    "the version of it. A base model that takes an adapter at each run needs no version: pass the address that "
    "upload_artifact returns as its input, such as lora_weights. "
)


class Deploying(Artifacts):
    """The verb that deploys."""

    async def deploy_model(
        self,
        model_name: str,
        base_model: str,
        adapter_path: str | PathLike[str] | None = None,
        deployment_config: Mapping[str, Any] | None = None,
        *,
        timeout: float = 3600,
    ) -> str:
        """Deploy a model under a name of the account's own; returns owner/name, which ``inference`` runs.

        Without ``adapter_path`` it makes a deployment of ``base_model``: machines of the account's own. A deployment of
        that name gets its next release. With ``adapter_path`` it makes the model, uploads the adapter, and lets a
        trainer make the version of it.

        Args:
            model_name: the name, without its owner.
            base_model: a model at Replicate, owner/name or owner/name:version. With an adapter it is only noted.
            adapter_path: the file or the folder of an adapter.
            deployment_config: ``owner``, ``hardware``; of a deployment ``min_instances`` and ``max_instances``; of a
                model that is made ``visibility`` and ``description``, and ``trainer``, ``input``, ``weights_input`` and
                ``version`` as ``create_model_version`` takes them.
            timeout: how long the training may take, in seconds.

        Raises:
            NotOfferedError: an adapter without a ``trainer``. The text says what to do, step by step.
            NotFoundError: Replicate has no such base model.
            ValidationError: a setting is not known, or not accepted.
        """
        api, config = self.connected("deploy_model"), dict(deployment_config or {})
        owner = config.get("owner") or self.username("deploy_model")
        deployed = "/".join(owner_and_name(_DEPLOY, f"{owner}/{model_name}", "model_name"))
        if unknown := sorted(set(config) - set(_KNOWN)):
            why = f"deployment_config has no {', '.join(unknown)}; it has {', '.join(_KNOWN)}"
            raise ValidationError(_DEPLOY, why, dict.fromkeys(unknown, "unknown"))
        if adapter_path is None:
            return await self._deploy(api, deployed, base_model, config)
        return await self._publish(api, deployed, base_model, adapter_path, config, timeout)

    async def _deploy(self, api: ReplicateApi, deployed: str, base_model: str, config: Mapping[str, Any]) -> str:
        model, _, version = base_model.partition(":")
        _check_deployment(deployed, self.username("deploy_model"), config)
        try:
            version = version or await latest_version(api, model)
        except NotFoundError as missing:
            raise NotFoundError(
                _DEPLOY,
                f"Replicate has no model {model} with a version",
                status=missing.status,
                advice=f"Look for it with api.models.search, or make it. {ways_to_a_version(deployed, trains=False)}",
            ) from None
        hardware = config.get("hardware", HARDWARE)
        sizes = {"min_instances": config.get("min_instances", 0), "max_instances": config.get("max_instances", 1)}
        self._learned.targets.pop(deployed, None)
        try:
            current = await api.deployments.get(deployed)
        except NotFoundError:
            name = deployed.partition("/")[2]
            await api.deployments.create(name, model=model, version=version, hardware=hardware, **sizes)
            return deployed
        if current.model != model:
            why = f"{deployed} deploys {current.model}, and a deployment keeps its model"
            raise ValidationError("deployments.update", why, {"model": "unchangeable"}, advice="Use another name.")
        await api.deployments.update(deployed, version=version, hardware=hardware, **sizes)
        return deployed

    async def _publish(  # each is a matter of its own
        self,
        api: ReplicateApi,
        model_id: str,
        base_model: str,
        adapter_path: str | PathLike[str],
        config: Mapping[str, Any],
        timeout: float,
    ) -> str:
        if sized := sorted(set(config) & set(_OF_A_DEPLOYMENT)):
            why = f"{', '.join(sized)} are of a deployment: deploy the version when it is made"
            raise ValidationError(_DEPLOY, why, dict.fromkeys(sized, "unknown"))
        if not await asyncio.to_thread(Path(adapter_path).exists):
            named = Path(adapter_path).name
            raise NoFileError(_DEPLOY, f"there is no file or folder {named!r}", advice="Check adapter_path.")
        trainer = config.get("trainer")
        if not isinstance(trainer, str) or not trainer:
            steps = _WITH_ADAPTER + ways_to_a_version(model_id, trains=False)
            raise NotOfferedError(_DEPLOY, "an adapter cannot become a version over HTTP; nothing was created.", steps)
        weights_input = await self.weights_input(api, trainer, config.get("weights_input"))
        await self._ensure_model(api, model_id, config)
        url = await self.upload_artifact(adapter_path, {"name": _plain(model_id), "base_model": base_model})
        made_of = {"base_model": base_model, "trainer": trainer, "input": config.get("input") or {}}
        version = str(config.get("version", "v1"))
        await self.create_model_version(
            model_id, version, url, {**made_of, "weights_input": weights_input}, timeout=timeout
        )
        return model_id

    async def _ensure_model(self, api: ReplicateApi, model_id: str, config: Mapping[str, Any]) -> None:
        try:
            await api.models.get(model_id)
        except NotFoundError:
            owner, _, name = model_id.partition("/")
            about = {key: config[key] for key in ("visibility", "hardware", "description") if config.get(key)}
            await self.create_model(owner, name, **about)


def _check_deployment(deployed: str, username: str, config: Mapping[str, Any]) -> None:
    """Refuse what a deployment cannot be."""
    if deployed.partition("/")[0] != username:
        why = f"a deployment belongs to the token's account, which is {username}"
        raise ValidationError(_DEPLOY, why, {"owner": "enum"})
    if config.get("visibility") == "public":
        why = "a deployment is seen and run by its account only"
        advice = "Leave visibility out. To publish a model, make a version of a public one."
        raise ValidationError(_DEPLOY, why, {"visibility": "enum"}, advice=advice)
    if trains := sorted(set(config) & OF_TRAINERS):
        why = f"{', '.join(trains)} need an adapter_path"
        raise ValidationError(_DEPLOY, why, dict.fromkeys(trains, "unknown"))


def _plain(model_id: str) -> str:
    return re.sub(r"[^\w.-]", "-", model_id.partition("/")[2])
