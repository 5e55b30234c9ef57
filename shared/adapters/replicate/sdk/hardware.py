"""The prices and the memory of Replicate's machines. They are data here, because the API gives neither.

Source: replicate.com/pricing, on PRICED_ON. A machine that is not listed here has no known price.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

#: The day of the prices below.
PRICED_ON = date(2026, 7, 1)


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine: its memory for models, over all its GPUs, and the price of a second."""

    sku: str
    vram_gb: int
    usd_micros_per_s: int

    @property
    def usd_micros_per_hour(self) -> int:
        """The price of an hour."""
        return self.usd_micros_per_s * 3600


MACHINES: Mapping[str, Machine] = MappingProxyType(
    {
        machine.sku: machine
        for machine in (
            Machine("cpu-small", 0, 25),
            Machine("cpu", 0, 100),
            Machine("gpu-t4", 16, 225),
            Machine("gpu-l40s", 48, 975),
            Machine("gpu-l40s-2x", 96, 1950),
            Machine("gpu-l40s-4x", 192, 3900),
            Machine("gpu-l40s-8x", 384, 7800),
            Machine("gpu-a100-large", 80, 1400),
            Machine("gpu-a100-large-2x", 160, 2800),
            Machine("gpu-a100-large-4x", 320, 5600),
            Machine("gpu-a100-large-8x", 640, 11_200),
            Machine("gpu-h100", 80, 1525),
            Machine("gpu-h100-2x", 160, 3050),
            Machine("gpu-h100-4x", 320, 6100),
            Machine("gpu-h100-8x", 640, 12_200),
        )
    }
)
