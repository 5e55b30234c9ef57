"""Windows of use: calendars of zones, the rolling 24 hours, and what a release subtracts."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.money.windows import CALENDAR, UNUSED, Span, Usage, calendar_period, zone_of

NOW = datetime(2026, 11, 28, 12, 34, 56, tzinfo=UTC)
ZONES = ("UTC", "Europe/Berlin", "America/Los_Angeles", "Asia/Kathmandu", "Pacific/Apia", "Australia/Lord_Howe")


@pytest.mark.parametrize(
    ("span", "zone", "start", "end"),
    [
        (Span.HOUR, "UTC", "2026-11-28T12:00", "2026-11-28T13:00"),
        (Span.HOUR, "Asia/Kathmandu", "2026-11-28T12:15", "2026-11-28T13:15"),
        (Span.DAY, "UTC", "2026-11-28T00:00", "2026-11-29T00:00"),
        (Span.DAY, "Europe/Berlin", "2026-11-27T23:00", "2026-11-28T23:00"),
        (Span.WEEK, "UTC", "2026-11-23T00:00", "2026-11-30T00:00"),
        (Span.MONTH, "UTC", "2026-11-01T00:00", "2026-12-01T00:00"),
        (Span.MONTH, "America/Los_Angeles", "2026-11-01T07:00", "2026-12-01T08:00"),
    ],
)
def test_a_window_is_of_the_calendar_of_its_zone(span: Span, zone: str, start: str, end: str) -> None:
    """Hours are those of the clock on the wall, weeks begin on Monday, and a month may end in another offset."""
    found = calendar_period(span, NOW, zone_of(zone))
    assert found == tuple(datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (start, end))


@given(
    st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001  # its zone is given
    st.sampled_from(ZONES),
    st.sampled_from(CALENDAR),
)
def test_windows_follow_each_other_without_a_gap(at: datetime, zone: str, span: Span) -> None:
    """A window contains its time, and the next one begins where it ends, also when the clocks change."""
    start, end = calendar_period(span, at, zone_of(zone))
    assert start <= at < end
    if span is not Span.HOUR or zone != "Australia/Lord_Howe":  # its clocks change by half an hour
        assert calendar_period(span, end, zone_of(zone))[0] == end
    assert calendar_period(span, start, zone_of(zone)) == (start, end)


@pytest.mark.parametrize(
    "name", ["", "Mars/Olympus", "../../etc/passwd", "Europe", "/etc/localtime", "é", "x" * 65, "\0"]
)
def test_what_is_no_zone_is_refused_by_name(name: str) -> None:
    """Whatever the database raises for a stranger's text becomes one refusal."""
    with pytest.raises(ValueError, match="zone must be a name of the IANA time zone database"):
        zone_of(name)


def test_every_window_counts_in_both_units() -> None:
    """Two holds of one hour count in all five windows."""
    usage = UNUSED.plus(NOW, 3, 700, "UTC").plus(NOW + timedelta(minutes=5), 4, 10, "UTC")
    assert usage.used(NOW + timedelta(minutes=6)) == dict.fromkeys([*CALENDAR, Span.ROLLING_24H], (7, 710))


def test_a_window_that_has_ended_counts_nothing_and_rolls_over_with_the_next_hold() -> None:
    """After an hour only that hour's window begins again."""
    usage, later = UNUSED.plus(NOW, 3, 0, "UTC"), NOW + timedelta(hours=1)
    assert usage.used(later)[Span.HOUR] == (0, 0)
    assert usage.used(later)[Span.DAY] == (3, 0)
    usage = usage.plus(later, 1, 0, "UTC")
    assert [usage.used(later)[span][0] for span in CALENDAR] == [1, 4, 4, 4]


def test_a_release_goes_back_to_the_windows_of_its_hold() -> None:
    """What was held in the last hour is subtracted from the day, and not from this hour."""
    usage, later = UNUSED.plus(NOW, 3, 90, "UTC"), NOW + timedelta(hours=1)
    usage = usage.plus(later, 5, 50, "UTC").changed(NOW, -2, -30)
    assert usage.used(later)[Span.HOUR] == (5, 50)
    assert usage.used(later)[Span.DAY] == (6, 110)
    assert usage.used(later)[Span.ROLLING_24H] == (6, 110)
    tomorrow = NOW + timedelta(days=1, hours=1)
    assert usage.used(tomorrow)[Span.ROLLING_24H] == (5, 50)


def test_a_slot_counts_until_all_of_it_is_out() -> None:
    """A use at 12:34:56 is in the slot that ends at 12:45, and counts until 12:45 of the next day."""
    usage = UNUSED.plus(NOW, 3, 7, "UTC")
    out = datetime(2026, 11, 29, 12, 45, tzinfo=UTC)
    assert usage.used(out - timedelta(microseconds=1))[Span.ROLLING_24H] == (3, 7)
    assert usage.used(out)[Span.ROLLING_24H] == (0, 0)
    assert usage.rolls_free(NOW, (3, 0)) == out


def test_the_rolling_window_never_has_more_than_97_slots() -> None:
    """96 slots are a day, and one more is going out."""
    usage = UNUSED
    for number in range(400):
        usage = usage.plus(NOW + timedelta(minutes=7 * number), 1, 0, "UTC")
    assert len(usage.slots) <= 97


def test_the_rolling_window_says_when_enough_of_it_is_out() -> None:
    """The oldest slots go first; for 4 credits two of the three must be out."""
    usage = UNUSED
    for hours, credits_ in ((0, 3), (1, 3), (2, 3)):
        usage = usage.plus(NOW + timedelta(hours=hours), credits_, 0, "UTC")
    assert usage.rolls_free(NOW + timedelta(hours=3), (3, 0)) == datetime(2026, 11, 29, 12, 45, tzinfo=UTC)
    assert usage.rolls_free(NOW + timedelta(hours=3), (4, 0)) == datetime(2026, 11, 29, 13, 45, tzinfo=UTC)


def test_a_new_zone_starts_with_the_next_window() -> None:
    """The day that runs keeps its end, and the next one ends with the new zone's day; no moment counts twice."""
    usage = UNUSED.plus(NOW, 3, 0, "UTC").plus(NOW, 1, 0, "America/Los_Angeles")
    assert usage.end(Span.DAY, NOW, "America/Los_Angeles") == datetime(2026, 11, 29, tzinfo=UTC)
    later = datetime(2026, 11, 29, 3, tzinfo=UTC)
    usage = usage.plus(later, 5, 0, "America/Los_Angeles")
    day = usage.calendar[CALENDAR.index(Span.DAY)]
    assert (day.start, day.end) == (datetime(2026, 11, 29, tzinfo=UTC), datetime(2026, 11, 29, 8, tzinfo=UTC))
    assert usage.used(later)[Span.DAY] == (5, 0)
    assert usage.changed(NOW, -4, 0).used(later)[Span.DAY] == (5, 0)


def test_a_zone_is_looked_up_only_when_a_window_rolls_over() -> None:
    """A hold within all windows does not even read the zone's name."""
    usage = UNUSED.plus(NOW, 1, 0, "UTC")
    assert isinstance(usage.plus(NOW, 1, 0, "no such zone"), Usage)
    with pytest.raises(ValueError, match="zone"):
        usage.plus(NOW + timedelta(hours=1), 1, 0, "no such zone")
