"""The machines that models and deployments can run on."""

from shared.adapters.replicate.reading import several
from shared.adapters.replicate.sdk.calling import Caller
from shared.adapters.replicate.sdk.types import Hardware


class Machines:
    """Operations on hardware."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def list(self) -> tuple[Hardware, ...]:
        """All machines. Replicate answers with a bare list, not with pages."""
        return await self._caller.one(
            lambda raw: several(raw, Hardware.read) if isinstance(raw, list) else None, "hardware.list"
        )
