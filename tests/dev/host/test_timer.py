"""Schedules: six fields, seconds first, in UTC."""

from datetime import UTC, datetime
from typing import Any

import azure.functions as func
import pytest

from dev.host import index
from dev.host.settings import HostError
from dev.host.timer import check_schedule, next_run

FRIDAY = datetime(2026, 11, 20, 10, 0, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("schedule", "run"),
    [
        ("*/5 * * * * *", datetime(2026, 11, 20, 10, 0, 10, tzinfo=UTC)),
        ("0 * * * * *", datetime(2026, 11, 20, 10, 1, tzinfo=UTC)),
        ("30 0 9 * * *", datetime(2026, 11, 21, 9, 0, 30, tzinfo=UTC)),
        ("0 0 0 * * 1-5", datetime(2026, 11, 23, tzinfo=UTC)),
        ("0 0 0 1 * 1", datetime(2027, 2, 1, tzinfo=UTC)),  # the first of a month AND a Monday
    ],
)
def test_the_next_run(schedule: str, run: datetime) -> None:
    """The field order and the meaning of day fields are NCRONTAB's."""
    assert next_run(schedule, FRIDAY) == run


async def _tick(timer: Any) -> None:
    """Does nothing."""


@pytest.mark.parametrize("schedule", ["* * * * *", "00:05:00", "61 * * * * *", "often"])
def test_another_kind_of_schedule_is_refused(schedule: str) -> None:
    """Time spans are not for Flex Consumption; five fields would mean minutes first."""
    app = func.FunctionApp()
    app.function_name("tick")(app.timer_trigger("timer", schedule)(_tick))
    (function,) = index.functions_of(app, {})
    with pytest.raises(HostError, match="six fields"):
        check_schedule(function)
