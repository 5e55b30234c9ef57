"""Timer triggers: six-field NCRONTAB in UTC, one run of a function at a time."""

import asyncio
import contextlib
from datetime import UTC, datetime

from azure.functions.timer import TimerRequest
from croniter import croniter

from dev.host.index import Function
from dev.host.invocation import Invocations
from dev.host.settings import HostError


class Timer:
    """Runs one function by its schedule. A run that takes longer than the interval delays the next one."""

    def __init__(self, function: Function, invocations: Invocations) -> None:
        self._function = function
        self._invocations = invocations
        self._schedule = str(function.trigger["schedule"])
        check_schedule(function)

    async def run(self, stopping: asyncio.Event) -> None:
        """Run until stopping is set; a run that has begun is finished."""
        if self._function.trigger.get("runOnStartup"):
            await self._call()
        while not stopping.is_set():
            wait_s = (next_run(self._schedule, datetime.now(UTC)) - datetime.now(UTC)).total_seconds()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), max(wait_s, 0))
                return
            await self._call()

    async def _call(self) -> None:
        with contextlib.suppress(Exception):  # the call has logged it; the next run starts as scheduled
            await self._invocations.call(self._function, TimerRequest(past_due=False, schedule_status={}, schedule={}))


def check_schedule(function: Function) -> None:
    """Raise HostError when the function's schedule is not a cron expression with six fields."""
    schedule = str(function.trigger["schedule"])
    if len(schedule.split()) != 6 or not croniter.is_valid(schedule, second_at_beginning=True):
        raise HostError(
            f"function {function.name!r}: {schedule!r} is no cron expression with six fields, seconds first"
        )


def next_run(schedule: str, after: datetime) -> datetime:
    """The first time after `after` (aware, UTC) in the schedule."""
    # day_or=False: NCRONTAB needs day of month AND day of week, other crons one of them
    moment: datetime = croniter(schedule, after, day_or=False, second_at_beginning=True).get_next(datetime)
    return moment
