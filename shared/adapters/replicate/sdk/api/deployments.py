"""Deployments: a version of a model on machines of the account's own, which cost as long as they are up."""

from collections.abc import AsyncGenerator
from typing import Any

from shared.adapters.replicate.sdk.api.naming import owner_and_name
from shared.adapters.replicate.sdk.calling import Caller
from shared.adapters.replicate.sdk.errors import ValidationError
from shared.adapters.replicate.sdk.types import Deployment

#: The most instances that the API takes as a minimum, and as a maximum.
_MOST = {"min_instances": 5, "max_instances": 20}


class Deployments:
    """Operations on deployments. ``deployment`` is owner/name."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def list(self) -> AsyncGenerator[Deployment, None]:
        """The account's deployments."""
        return self._caller.pages(Deployment.read, "deployments.list")

    async def get(self, deployment: str) -> Deployment:
        """One deployment."""
        name = "deployments.get"
        return await self._caller.one(Deployment.read, name, *owner_and_name(name, deployment, "deployment"))

    async def create(
        self, name: str, *, model: str, version: str, hardware: str, min_instances: int, max_instances: int
    ) -> Deployment:
        """Deploy a version.

        Args:
            name: the deployment's name without its owner, which is the token's account.
            model: owner/name.
            version: 64 hex digits.
            hardware: the sku, from ``hardware.list``.
            min_instances: 0 to 5; above 0 it costs even while it is not used.
            max_instances: 0 to 20.
        """
        operation = "deployments.create"
        owner_and_name(operation, model)
        sizes = _counted(operation, min_instances=min_instances, max_instances=max_instances)
        body = {"name": name, "model": model, "version": version, "hardware": hardware, **sizes}
        return await self._caller.one(Deployment.read, operation, json=body)

    async def update(
        self,
        deployment: str,
        *,
        version: str | None = None,
        hardware: str | None = None,
        min_instances: int | None = None,
        max_instances: int | None = None,
    ) -> Deployment:
        """Make a new release in which the given fields are changed."""
        operation = "deployments.update"
        owner, name = owner_and_name(operation, deployment, "deployment")
        sizes = _counted(operation, min_instances=min_instances, max_instances=max_instances)
        texts = {"version": version, "hardware": hardware}
        body: dict[str, Any] = {key: value for key, value in texts.items() if value is not None} | sizes
        return await self._caller.one(Deployment.read, operation, owner, name, json=body)

    async def delete(self, deployment: str) -> None:
        """Delete a deployment that has been offline and unused for 15 minutes."""
        name = "deployments.delete"
        await self._caller.call(name, *owner_and_name(name, deployment, "deployment"))


def _counted(operation: str, **counts: int | None) -> dict[str, int]:
    """The counts that are not None. ValidationError if one is out of its bounds."""
    for name, count in counts.items():
        if count is not None and not 0 <= count <= _MOST[name]:
            raise ValidationError(operation, f"{name} must be from 0 to {_MOST[name]}, not {count}", {name: "range"})
    return {name: count for name, count in counts.items() if count is not None}
