"""Times and spans of time as people read them."""

from datetime import UTC, datetime, timedelta

#: The units of a span of time, with their seconds, the largest first.
_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def moment(at: datetime) -> str:
    """A time to the second, in UTC: ``2026-11-21 12:00:00Z``."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"


def span(length: timedelta) -> str:
    """A span of time in its two largest units, without its sign: ``2 d 3 h``."""
    left = round(abs(length.total_seconds()))
    parts: list[str] = []
    for unit_s, name in _UNITS:
        count, left = divmod(left, unit_s)
        if count:
            parts.append(f"{count} {name}")
    return " ".join(parts[:2]) or "0 s"


def seen_from(now: datetime, at: datetime) -> str:
    """A time relative to now: ``in 5 s``, ``2 min ago``."""
    return f"in {span(at - now)}" if at > now else f"{span(now - at)} ago"
