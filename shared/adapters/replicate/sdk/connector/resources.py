"""Machines and their prices. Memory and prices are data of this library (``hardware.py``): the API gives neither.

Rule: an hour costs what 3600 seconds cost. Replicate bills by the second, without a minimum.
"""

import re
from dataclasses import dataclass
from datetime import date

from shared.adapters.replicate.sdk.connector.session import Session
from shared.adapters.replicate.sdk.errors import ValidationError
from shared.adapters.replicate.sdk.hardware import MACHINES, PRICED_ON, Machine

#: The machines that Replicate has no more, and what has as much memory today.
_RETIRED = {"a40": "gpu-l40s"}

_SKU = re.compile(r"gpu-([a-z0-9]+?)(?:-large)?(?:-(\d{1,2})x)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """A machine that the account can use. What is not known of a new one is None."""

    id: str
    name: str
    gpu_type: str | None
    gpu_count: int
    vram_gb: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pricing:
    """The price of a machine in USD, as it was on ``priced_on``."""

    resource_id: str
    usd_micros_per_s: int
    currency: str = "USD"
    billing_increment_seconds: int = 1
    minimum_charge_seconds: int = 0
    priced_on: date = PRICED_ON

    @property
    def usd_micros_per_hour(self) -> int:
        """The price of an hour in millionths of a dollar, exactly."""
        return self.usd_micros_per_s * 3600

    @property
    def price_per_hour(self) -> float:
        """The price of an hour in dollars, to show. Reckon with ``usd_micros_per_hour``."""
        return self.usd_micros_per_hour / 1_000_000


class Resources(Session):
    """The verbs on machines."""

    async def list_resources(self) -> list[Resource]:
        """The machines that the account can use, with GPU and memory."""
        listed = await self.connected("list_resources").hardware.list()
        return [_resource(each.sku, each.name, MACHINES.get(each.sku)) for each in listed]

    async def get_pricing(self, resource_id: str) -> Pricing:  # a verb beside the others
        """A machine's price; ``resource_id`` is the ``id`` of a Resource. It needs no connection.

        Raises:
            ValidationError: its price is not known. The text names the machines that have one.
        """
        if resource_id not in MACHINES:
            instead = next((new for old, new in _RETIRED.items() if old in resource_id.lower()), None)
            gone = f" Replicate has no such machine any more; {instead} has as much memory." if instead else ""
            why = f"Invalid resource ID: hardware must be one of {', '.join(MACHINES)}.{gone}"
            raise ValidationError("get_pricing", why, {"hardware": "enum"}, advice="list_resources shows the ids.")
        return Pricing(resource_id=resource_id, usd_micros_per_s=MACHINES[resource_id].usd_micros_per_s)


def _resource(sku: str, name: str, machine: Machine | None) -> Resource:
    named = _SKU.fullmatch(sku)
    return Resource(
        id=sku,
        name=name,
        gpu_type=named[1].upper() if named else None,
        gpu_count=int(named[2] or 1) if named else 0,
        vram_gb=machine.vram_gb if machine else None,
    )
