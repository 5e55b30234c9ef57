"""``usage --by-day``: what each model cost on each day, against what its credits brought."""

from typing import Any

from shared.cli.printing import Amount, Screen
from shared.core.money.earnings import Earned, Earnings
from shared.core.money.usage import usd


def show_by_day(screen: Screen, earnings: Earnings, credit_usd_micros: int) -> None:
    """Print one line for each day and model. What was sold is known where a credit has a price."""
    heads = ["DAY", "MODEL", "GENERATIONS", "SUCCEEDED", "CREDITS", "COST USD", "COST EACH"]
    if credit_usd_micros:
        heads += ["SOLD USD", "SOLD EACH", "MARGIN %", ""]
    rows: list[tuple[str | int, ...]] = [
        (
            day.isoformat(),
            model,
            earned.generations,
            earned.succeeded,
            earned.credits,
            Amount(usd(earned.cost_usd_micros)),
            _amount(earned.cost_each_usd_micros),
            *(_sold(earned, credit_usd_micros) if credit_usd_micros else ()),
        )
        for day, model, earned in earnings.by_day()
    ]
    screen.table(heads, rows)


def _sold(earned: Earned, credit: int) -> tuple[str, ...]:
    sold = earned.sold_usd_micros(credit)
    margin = str((sold - earned.cost_usd_micros) * 100 // sold) if sold else "-"
    loses = "loses money" if earned.loses(credit) else ""
    return Amount(usd(sold)), _amount(earned.sold_each_usd_micros(credit)), Amount(margin), loses


def _amount(micros: int | None) -> Amount:
    return Amount("-" if micros is None else usd(micros))


def by_day_json(earnings: Earnings, credit_usd_micros: int) -> list[dict[str, Any]]:
    """The same for programs. Money is in micros."""
    return [
        {
            "day": day.isoformat(),
            "model": model,
            "generations": earned.generations,
            "succeeded": earned.succeeded,
            "credits": earned.credits,
            "cost_usd_micros": earned.cost_usd_micros,
            "cost_each_usd_micros": earned.cost_each_usd_micros,
            "sold_usd_micros": earned.sold_usd_micros(credit_usd_micros) if credit_usd_micros else None,
            "sold_each_usd_micros": earned.sold_each_usd_micros(credit_usd_micros) if credit_usd_micros else None,
            "loses": earned.loses(credit_usd_micros) if credit_usd_micros else None,
        }
        for day, model, earned in earnings.by_day()
    ]
