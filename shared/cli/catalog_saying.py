"""What an operator says of a model on the command line or when asked: prices, values of an entry, confirmations."""

import sys
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from shared.cli.context import RefusedError
from shared.cli.printing import Screen
from shared.config import money
from shared.core.catalog.catalog import QUALITIES
from shared.core.catalog.drafting.draft import Draft
from shared.core.catalog.drafting.pricing import Priced, priced, read_price
from shared.core.catalog.drafting.writing import value_text
from shared.core.catalog.margin import USUAL_CREDIT_USD_MICROS
from shared.core.catalog.reading import CatalogError
from shared.core.catalog.tiers import Tier
from shared.core.values import replace

#: Confirms every open mark.
ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """The options of a command that say something of a model. None and empty: not said.

    ``credit_usd_micros`` is the setting CREDIT_USD, and ``plan_margins`` are the least margins of the plans with their
    tiers, both for the credits that are proposed.
    """

    prices: Sequence[str] = ()
    page: str | None = None
    day: str | None = None
    credits: int | None = None
    run_s: int | None = None
    tier: str | None = None
    quality: str | None = None
    changes: Sequence[str] = ()
    accepted: Sequence[str] = ()
    credit_usd_micros: int = USUAL_CREDIT_USD_MICROS
    plan_margins: tuple[tuple[Tier, int], ...] = ()


def price_of(said: Said, today: date) -> Priced | None:
    """The price that was said; None if none was. Raises RefusedError if page or day are missing or wrong."""
    if not said.prices:
        if said.page or said.day or said.credits or said.run_s:
            raise RefusedError("--page, --day, --credits and --run-s go with a price: add --price, such as 0.04/image.")
        return None
    if not (said.page or "").startswith("https://"):
        raise RefusedError("A price needs the page where you read it: --page https://...")
    try:
        day = date.fromisoformat(said.day or "")
    except ValueError:
        raise RefusedError("A price needs the day on which it was true: --day such as 2026-11-29") from None
    if day > today:
        raise RefusedError(f"--day {day} has not been yet.")
    prices = tuple(read_price(each) for each in said.prices)
    if len({price.unit for price in prices}) != len(prices):
        raise RefusedError("Each unit has one price.")
    return Priced(
        prices=prices,
        page=said.page or "",
        day=day,
        credits=said.credits,
        run_s=said.run_s,
        credit_usd_micros=said.credit_usd_micros,
        plan_margins=said.plan_margins,
    )


def sold_for(env: Mapping[str, str]) -> int:
    """What a credit is sold for in USD micros: CREDIT_USD, or the usual 0.01 USD. Raises RefusedError if it is wrong.

    The setting is read alone, because these commands need no other one.
    """
    try:
        return money.usd_micros(env.get("CREDIT_USD", "").strip()) or USUAL_CREDIT_USD_MICROS
    except ValueError:
        raise RefusedError(f"CREDIT_USD must be {money.SHAPE}.") from None


def with_said(draft: Draft, said: Said, today: date) -> Draft:
    """The draft with what was said. Raises RefusedError and CatalogError."""
    for place, value in (("tier", said.tier), ("quality", said.quality)):
        if value is not None:
            draft = draft.changed(place, value)
    for change in said.changes:
        draft = with_change(draft, change)
    given = price_of(said, today)
    if given is not None:
        draft = priced(draft, given)
    accepted = [place for each in said.accepted for place in (draft.marks if each == ALL else [each])]
    return draft.confirmed(list(dict.fromkeys(accepted)))


def with_change(draft: Draft, change: str) -> Draft:
    """The draft with a change such as ``output="list"``. A value is TOML; an empty one removes the place."""
    place, equals, text = change.partition("=")
    if not equals or not place.strip():
        raise RefusedError('--set must be PLACE=VALUE, such as output="list" or inputs.steps.to=30')
    return _changed(draft, place.strip(), toml_value(text))


def _changed(draft: Draft, place: str, value: Any) -> Draft:
    first, _, rest = place.partition(".")
    name, _, field = rest.partition(".")
    if not field:
        return draft.changed(place, value)
    before = draft.at(f"{first}.{name}")
    if not isinstance(before, dict):
        raise RefusedError(f"--set {place}: there is no {first}.{name} in this entry.")
    table = {key: each for key, each in {**before, field: value}.items() if each is not None}
    return draft.changed(f"{first}.{name}", table)


def toml_value(text: str) -> Any:
    """A value of TOML; None if the text is empty. Raises RefusedError."""
    if not text.strip():
        return None
    try:
        found = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        raise RefusedError(f"{text!r} is no value of TOML: a text needs quotes.") from None
    if found.keys() != {"value"}:
        raise RefusedError("One value only.")
    return found["value"]


def keyboard_is_there() -> bool:
    """Whether somebody can be asked."""
    return sys.stdin is not None and sys.stdin.isatty()


def today() -> date:
    """Today in UTC."""
    return datetime.now(UTC).date()


def asked(screen: Screen, draft: Draft, said: Said) -> Draft:
    """The draft after questions for what Replicate does not say, and for each open mark."""
    draft = _ask_choice(screen, draft, "tier", [tier.label for tier in Tier])
    draft = _ask_choice(screen, draft, "quality", QUALITIES)
    if "prices" not in draft.table:
        draft = _ask_price(screen, draft, said)
    for place, why in list(draft.marks.items()):
        shown = value_text(draft.at(place)) if draft.at(place) is not None else "(nothing)"
        screen.complain(f"{place} = {shown}\n  a guess: {why}")
        answer = screen.ask("  keep, open, or another value", "keep")
        if answer == "keep":
            draft = draft.confirmed([place])
        elif answer != "open":
            draft = _ask_until(screen, draft, place, answer)
    return draft


def _ask_until(screen: Screen, draft: Draft, place: str, answer: str) -> Draft:
    while True:
        try:
            return _changed(draft, place, toml_value(answer))
        except RefusedError as wrong:
            screen.complain(str(wrong))
            answer = screen.ask(f"{place}: another value")


def _ask_choice(screen: Screen, draft: Draft, place: str, choices: Iterable[str]) -> Draft:
    listed = list(choices)
    while place in draft.marks:
        answer = screen.ask(f"{place}: {', '.join(listed)}", str(draft.at(place)))
        if answer in listed:
            return draft.changed(place, answer)
    return draft


def _ask_price(screen: Screen, draft: Draft, said: Said) -> Draft:
    """Ask until a price is complete, or none is known: then the model stays unpriced."""
    while True:
        prices = screen.ask("price in USD, such as 0.04/image; empty if you do not know it").split()
        if not prices:
            return draft
        page = screen.ask("page where you read it, https://...")
        day = screen.ask("day on which it was true", today().isoformat())
        credits = screen.ask("credits; empty for those of the margin rule")  # noqa: A001  # the entry's word
        run_s = screen.ask("seconds of the machine at worst") if any("gpu_second" in each for each in prices) else ""
        try:
            paid, seconds = (int(each) if each else None for each in (credits, run_s))
            answered = replace(said, prices=prices, page=page, day=day, credits=paid, run_s=seconds or said.run_s)
            given = price_of(answered, today())
            return priced(draft, given) if given is not None else draft
        except (RefusedError, CatalogError, ValueError) as wrong:
            screen.complain(str(wrong))
