"""Content safety."""

from typing import Protocol

from shared.core.money.ledger import Plan
from shared.core.safety.moderation import Assessment


class Screener(Protocol):
    """Content safety. Whatever is not a whole, readable verdict is Unavailable, never "allowed"."""

    async def text(self, text: str, plan: Plan = Plan.FREE) -> Assessment:
        """What all screeners together say of a text, for the policy of a plan."""

    async def image(self, image: bytes, plan: Plan = Plan.FREE) -> Assessment:
        """The same of an image of at most 4 MB and 7200 px."""
