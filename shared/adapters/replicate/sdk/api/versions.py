"""Versions of models. HTTP cannot create them: a training does, or ``cog push``."""

from collections.abc import AsyncGenerator

from shared.adapters.replicate.sdk.api.naming import owner_and_name
from shared.adapters.replicate.sdk.calling import Caller
from shared.adapters.replicate.sdk.types import Version


class Versions:
    """Operations on the versions of a model. ``model`` is owner/name, ``version`` 64 hex digits."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def list(self, model: str) -> AsyncGenerator[Version, None]:
        """All versions, the newest first."""
        name = "models.versions.list"
        return self._caller.pages(Version.read, name, *owner_and_name(name, model))

    async def get(self, model: str, version: str) -> Version:
        """One version, with the schema of its inputs and output."""
        name = "models.versions.get"
        return await self._caller.one(Version.read, name, *owner_and_name(name, model), version)

    async def delete(self, model: str, version: str) -> None:
        """Delete a version, which takes some minutes. Its predictions are deleted too.

        Replicate deletes a version only if its model is private and no other account and no deployment uses it.
        """
        name = "models.versions.delete"
        await self._caller.call(name, *owner_and_name(name, model), version)
