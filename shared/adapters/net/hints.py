"""What an HTTP answer says of when to come again."""


def retry_after_s(value: str | None) -> float | None:
    """A Retry-After in seconds. Azure's services send no date, which HTTP allows too: anything else is no hint."""
    text = (value or "").strip()
    return float(text) if text.isascii() and text.isdigit() and len(text) <= 9 else None  # digits
