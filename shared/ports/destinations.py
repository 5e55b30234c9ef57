"""Whose a training's destination is. Rows outside the accounts' partitions: a model at Replicate has one owner here."""

from datetime import datetime
from typing import Protocol


class Destinations(Protocol):
    """The accounts of destinations. A row is inserted and never updated."""

    async def owner(self, name: str) -> str | None:
        """The account that may train into ``owner/name``. None if nobody may."""

    async def give(self, name: str, account_id: str, by: str, now: datetime) -> str:
        """Give a destination to an account. Returns the account that has it: another one if it had it before."""
