"""Content safety: the screener of texts and images."""

from collections.abc import Sequence
from typing import Protocol

from shared.core.safety.moderation import Assessment


class Screener(Protocol):
    """Assesses texts and images. An incomplete or unreadable answer raises Unavailable, and is never "allowed"."""

    async def text(self, text: str, plan: str = "") -> Assessment:
        """The assessment of a text by all screeners together, for the policy of a plan."""

    async def image(self, image: bytes, plan: str = "") -> Assessment:
        """The same for an image of at most 4 MB and 7,200 pixels a side."""

    async def several(self, images: Sequence[bytes], plan: str = "") -> Sequence[Assessment | None]:
        """The assessments of a few images at once, in their order. None stands for one that a screener cannot read."""
