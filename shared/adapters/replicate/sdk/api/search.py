"""The search for models, collections and documentation. It is a beta of Replicate's and may change."""

from shared.adapters.replicate.sdk.calling import Caller
from shared.adapters.replicate.sdk.errors import ValidationError
from shared.adapters.replicate.sdk.types import Found


class Searching:
    """The search over everything. To search models alone, use ``models.search``."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def everything(self, query: str, *, limit: int = 20) -> Found:
        """What fits the query. ``limit`` is the most models, 1 to 50."""
        if not query:
            raise ValidationError("search", "query must not be empty", {"query": "required"})
        if not 1 <= limit <= 50:
            raise ValidationError("search", f"limit must be from 1 to 50, not {limit}", {"limit": "range"})
        return await self._caller.one(Found.read, "search", params={"query": query, "limit": limit})
