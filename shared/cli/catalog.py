"""The catalogue: list, costs, check, add, price.

Rules of this file:
1. The command of this file only reads. The others have files of their own.
2. `list` shows what the app offers: the built-in catalogue, as CATALOG_FILE changes it.
"""

from typing import Annotated, Any

import typer

from shared.cli.catalog_add import add
from shared.cli.catalog_check import check
from shared.cli.catalog_costs import costs
from shared.cli.catalog_price import price
from shared.cli.context import CommandContext, Operations, command_context_of
from shared.core.catalog.catalog import CreditsPer, Model, Status
from shared.core.catalog.settable import Settable
from shared.core.modality import InputKind
from shared.core.money.pricing import Price
from shared.core.money.usage import usd
from shared.core.requests.fields import MODALITIES

catalog = typer.Typer(
    help="The models that are offered: list, costs, check, add, price.", no_args_is_help=True, rich_markup_mode=None
)
catalog.command("costs")(costs)
catalog.command("add")(add)
catalog.command("price")(price)
catalog.command("check")(check)


@catalog.command("list")
def list_models(
    context: typer.Context,
    modality: Annotated[
        str | None, typer.Option(help="Only models of this modality.", metavar="|".join(MODALITIES), show_default=False)
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also list models that are not offered.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the models: what each makes, which plan includes it, and what it costs.

    Credits are per output unless the line says otherwise. The price is the provider's, in USD.
    """
    if modality not in (None, *MODALITIES):
        raise typer.BadParameter(f"--modality must be one of {', '.join(MODALITIES)}")
    command_context = command_context_of(context)

    async def command(operations: Operations) -> int:
        offered = operations.deps.catalog
        models = [
            model
            for model in sorted(offered.models.values(), key=_in_order)
            if modality in (None, model.modality) and (everything or model.status is Status.ACTIVE)
        ]
        if as_json:
            command_context.screen.json({"version": offered.version, "models": [_as_json(model) for model in models]})
        else:
            _show(command_context, models)
        return 0

    command_context.do(command)


def _in_order(model: Model) -> tuple[int, int, int, str]:
    """The sort key: modality, then the lowest plan, then the fewest credits, then the name."""
    return (MODALITIES.index(model.modality), model.tier, model.credits, model.name)


def _show(command_context: CommandContext, models: list[Model]) -> None:
    if not models:
        command_context.screen.say("There is no such model.")
        return
    rows = [
        (
            model.name,
            model.modality,
            f"{model.status}, see {model.successor}" if model.successor else model.status.value,
            model.tier.label,
            model.quality,
            _credits(model),
            " + ".join(_price(price) for price in model.prices) or "not known",
        )
        for model in models
    ]
    command_context.screen.table(("NAME", "MAKES", "STATUS", "FROM PLAN", "QUALITY", "CREDITS", "PRICE USD"), rows)


def _credits(model: Model) -> str:
    if not model.credits:
        return "-"
    if model.credits_per is CreditsPer.OUTPUT:
        return str(model.credits)
    return f"{model.credits} per {_words(model.credits_per)}"


def _price(price: Price) -> str:
    return f"{usd(price.usd_micros).rstrip('0').rstrip('.')} per {_words(price.unit)}"


def _words(name: str) -> str:
    """A name of the catalogue as words: ``million_tokens_in`` is ``million tokens in``."""
    return name.replace("_", " ")


def _as_json(model: Model) -> dict[str, Any]:
    return {
        "name": model.name,
        "target": model.target,
        "modality": model.modality,
        "status": model.status.value,
        "successor": model.successor or None,
        "tier": model.tier.label,
        "quality": model.quality,
        "credits": model.credits,
        "credits_per": model.credits_per.value,
        "prices": [{"unit": price.unit.value, "usd_micros": price.usd_micros} for price in model.prices],
        "price_date": model.price_date.isoformat() if model.price_date else None,
        "price_page": model.price_page or None,
        "open_marks": dict(model.marks),
        "fallback": list(model.fallback),
        "settable": {name: _settable(item) for name, item in model.settable.items()},
    }


def _settable(item: Settable) -> dict[str, Any]:
    """What a request may set of it, as the entry says it."""
    bounded = item.kind in (InputKind.WHOLE, InputKind.REAL, InputKind.IMAGES)
    return {
        "type": item.kind.value,
        "choices": list(item.choices),
        "from": item.low if bounded else None,
        "to": item.high if bounded else None,
        "most_characters": item.most_characters or None,
        "default": item.default,
        "price_percent": dict(item.choice_percent) or item.price_percent,
        "loosens_safety": item.loosens_safety,
    }
