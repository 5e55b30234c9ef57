"""The Retry-After header of an HTTP response."""


def retry_after_s(value: str | None) -> float | None:
    """Read a Retry-After header in seconds; None if it is missing or not a number.

    HTTP also allows a date. Azure's services never send one, so a date counts as no hint.
    """
    text = (value or "").strip()
    return float(text) if text.isascii() and text.isdigit() and len(text) <= 9 else None  # digits
