"""Usage: what ran in a period, how long it took, and what it cost at least.

Rules of this file:
1. Replicate has no operation for usage or for money. The predictions of the period are read and counted.
2. A cost is reckoned where the machine is known: of a deployment, and of a model that this connector created. It is the
   price of the runs. Idle time and cold starts of these cost too, so the sum is the least. Elsewhere the cost is None,
   because an official model's price is on its page, and not in the API.
3. A latency is from a success's creation to its end, the wait in the queue and the cold start with it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from shared.adapters.replicate.sdk.api import ReplicateApi
from shared.adapters.replicate.sdk.connector.session import Session
from shared.adapters.replicate.sdk.errors import NotFoundError, ValidationError
from shared.adapters.replicate.sdk.hardware import MACHINES
from shared.adapters.replicate.sdk.types import Deployment, FullPrediction
from shared.core.provider.prediction import Status

#: The most predictions that are read by default: a hundred pages.
MOST_PREDICTIONS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRow:
    """What one model or one deployment did. ``name`` is owner/name; a deployment's runs are in its own row only."""

    name: str
    is_deployment: bool
    predictions: int
    succeeded: int
    failed: int
    canceled: int
    run_s: float
    latency_ms_median: int | None
    latency_ms_95: int | None
    hardware: str | None
    usd_micros_at_least: int | None
    usd_micros_per_idle_hour: int | None

    @property
    def usd_at_least(self) -> float | None:
        """The cost in dollars, to show."""
        return None if self.usd_micros_at_least is None else self.usd_micros_at_least / 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """A period's usage, the most predictions first. If not ``complete``, older ones of the period were left out."""

    since: datetime
    until: datetime
    rows: Sequence[UsageRow]
    complete: bool

    @property
    def predictions(self) -> int:
        """How many predictions were counted."""
        return sum(row.predictions for row in self.rows)

    @property
    def usd_micros_at_least(self) -> int:
        """What is known of the cost."""
        return sum(row.usd_micros_at_least or 0 for row in self.rows)


@dataclass(slots=True)
class _Tally:
    predictions: int = 0
    ends: dict[Status, int] = field(default_factory=dict)
    run_s: float = 0.0
    latencies_s: list[float] = field(default_factory=list)

    def count(self, prediction: FullPrediction) -> None:
        """Add a prediction."""
        self.predictions += 1
        self.ends[prediction.status] = self.ends.get(prediction.status, 0) + 1
        self.run_s += _seconds(prediction.metrics.get("predict_time"))
        if prediction.status is Status.SUCCEEDED:
            self.latencies_s.append(_seconds(prediction.metrics.get("total_time")))


class Usages(Session):
    """The verb on usage."""

    async def get_usage(
        self, since: datetime | None = None, until: datetime | None = None, *, most: int = MOST_PREDICTIONS
    ) -> Usage:
        """The usage of a period, by model and by deployment.

        Args:
            since: its beginning; by default a day before its end.
            until: its end; by default now.
            most: how many predictions are read at most.
        """
        api = self.connected("get_usage")
        end = _aware("until", until) or datetime.now(UTC)
        begin = _aware("since", since) or end - timedelta(days=1)
        tallies: dict[tuple[str, bool], _Tally] = {}
        read = 0
        async for prediction in api.predictions.list(created_after=begin, created_before=end):
            if read == most:
                break
            read += 1
            named = (prediction.deployment or prediction.model or prediction.version, bool(prediction.deployment))
            tallies.setdefault(named, _Tally()).count(prediction)
        else:
            read = -1
        rows = [await self._row(api, name, tally, deployed=deployed) for (name, deployed), tally in tallies.items()]
        rows.sort(key=lambda row: (-row.predictions, row.name))
        return Usage(since=begin, until=end, rows=tuple(rows), complete=read < 0)

    async def _row(self, api: ReplicateApi, name: str, tally: _Tally, *, deployed: bool) -> UsageRow:
        deployment = await _deployment(api, name) if deployed else None
        hardware = deployment.hardware if deployment else self._learned.hardware.get(name)
        machine = MACHINES.get(hardware or "")
        at_least = math.ceil(machine.usd_micros_per_s * tally.run_s) if machine else None
        kept = deployment.min_instances * machine.usd_micros_per_hour if deployment and machine else None
        return UsageRow(
            name=name,
            is_deployment=deployed,
            predictions=tally.predictions,
            succeeded=tally.ends.get(Status.SUCCEEDED, 0),
            failed=tally.ends.get(Status.FAILED, 0),
            canceled=tally.ends.get(Status.CANCELED, 0) + tally.ends.get(Status.ABORTED, 0),
            run_s=round(tally.run_s, 3),
            latency_ms_median=_ms_at(tally.latencies_s, 50),
            latency_ms_95=_ms_at(tally.latencies_s, 95),
            hardware=hardware,
            usd_micros_at_least=at_least,
            usd_micros_per_idle_hour=kept,
        )


async def _deployment(api: ReplicateApi, name: str) -> Deployment | None:
    """The deployment as it is now. None if it is deleted, so that its past runs have no known machine."""
    try:
        return await api.deployments.get(name)
    except NotFoundError:
        return None


def _aware(name: str, at: datetime | None) -> datetime | None:
    if at is not None and at.tzinfo is None:
        raise ValidationError("predictions.list", f"{name} must have a time zone", {name: "format"})
    return at


def _seconds(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) and value > 0 else 0.0


def _ms_at(latencies_s: Sequence[float], percent: int) -> int | None:
    """The latency that so many percent of the successes did not exceed."""
    if not latencies_s:
        return None
    return round(sorted(latencies_s)[math.ceil(len(latencies_s) * percent / 100) - 1] * 1000)
