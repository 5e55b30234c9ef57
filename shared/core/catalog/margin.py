"""The margin rule: how many credits an output must cost, so that its worst case is paid and a margin is left.

Rules of this file:
1. credits = ceil(worst cost in USD / (USD of a credit * (1 - margin))). All is integers: USD micros and per cent.
2. A credit is proposed as sold for 0.01 USD with a margin of a fifth, where nothing else is said.
"""

#: What a credit is sold for, and the share of it that is kept, where no setting says so.
USUAL_CREDIT_USD_MICROS = 10_000
USUAL_MARGIN_PERCENT = 20


def credits_for(
    worst_usd_micros: int,
    credit_usd_micros: int = USUAL_CREDIT_USD_MICROS,
    margin_percent: int = USUAL_MARGIN_PERCENT,
) -> int:
    """The least credits that pay for a cost and leave the margin; at least one.

    Raises:
        ValueError: a credit is sold for nothing, or the margin is not from 0 to 99 per cent.
    """
    if credit_usd_micros < 1 or not 0 <= margin_percent < 100:
        raise ValueError("a credit must be sold for more than nothing, and the margin must be 0 to 99 per cent")
    kept_of_hundred = credit_usd_micros * (100 - margin_percent)
    return max(1, -(-worst_usd_micros * 100 // kept_of_hundred))
