"""The owners of destinations in memory."""

import asyncio
from datetime import datetime


class FakeDestinations:
    """ports.Destinations. ``owners``: the account of each destination; ada has one from the start."""

    def __init__(self) -> None:
        self.owners: dict[str, str] = {"ada/lora": "ada"}

    async def owner(self, name: str) -> str | None:
        """See shared/ports/destinations.py."""
        await asyncio.sleep(0)
        return self.owners.get(name)

    async def give(self, name: str, account_id: str, by: str, now: datetime) -> str:
        """See shared/ports/destinations.py."""
        await asyncio.sleep(0)
        assert by, now
        return self.owners.setdefault(name, account_id)
