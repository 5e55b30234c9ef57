"""FakeInputs: the world's pictures, by address."""

import asyncio

from shared.core.reasons import Reason, Refusal


class FakeInputs:
    """ports.Inputs in memory. ``files``: the file at each address; every other address has none."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.fetched: list[str] = []

    async def get(self, url: str) -> bytes | Refusal:
        """The file at an address."""
        await asyncio.sleep(0)
        self.fetched.append(url)
        found = self.files.get(url)
        return Refusal(Reason.INPUT_INVALID, "image_url cannot be used.") if found is None else found
