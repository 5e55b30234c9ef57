"""Amounts of money in settings and options."""

SHAPE = "USD above 0 and below 10000 with at most six decimals, such as 0.01"


def usd_micros(raw: str) -> int:
    """An amount of USD in micros. 0: it is not set."""
    if not raw:
        return 0
    whole, _, part = raw.partition(".")
    if not (raw.isascii() and whole.isdigit() and (not part or part.isdigit()) and len(whole) < 5 and len(part) < 7):
        raise ValueError(raw)
    micros = int(whole) * 1_000_000 + int(part.ljust(6, "0"))
    if not micros:
        raise ValueError(raw)
    return micros
