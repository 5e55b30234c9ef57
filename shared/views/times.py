"""Times as people read them."""

from datetime import UTC, datetime, timedelta

#: Seconds of each unit that a span of time is told in, from the largest.
_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def moment(at: datetime) -> str:
    """A time to the second, in UTC."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"


def span(length: timedelta) -> str:
    """A span of time in its largest two units: ``2 d 3 h``."""
    left = round(abs(length.total_seconds()))
    parts: list[str] = []
    for unit_s, name in _UNITS:
        count, left = divmod(left, unit_s)
        if count:
            parts.append(f"{count} {name}")
    return " ".join(parts[:2]) or "0 s"


def seen_from(now: datetime, at: datetime) -> str:
    """A time as it stands to now: ``in 5 s``, ``2 min ago``."""
    return f"in {span(at - now)}" if at > now else f"{span(now - at)} ago"
