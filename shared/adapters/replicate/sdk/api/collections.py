"""Collections of models that Replicate curates."""

from collections.abc import AsyncGenerator

from shared.adapters.replicate.sdk.calling import Caller
from shared.adapters.replicate.sdk.types import Collection


class Collections:
    """Operations on collections."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def list(self) -> AsyncGenerator[Collection, None]:
        """All collections, without their models."""
        return self._caller.pages(Collection.read, "collections.list")

    async def get(self, slug: str) -> Collection:
        """One collection with its models."""
        return await self._caller.one(Collection.read, "collections.get", slug)
