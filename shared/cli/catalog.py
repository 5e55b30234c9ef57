"""The catalogue: list, check.

Rules of this file:
1. Listing and checking read only, here and at Replicate.
2. What is listed is what the app offers: the built-in catalogue with what CATALOG_FILE lays over it.
"""

from typing import Annotated, Any

import typer

from shared.cli.context import CommandContext, Operations, RefusedError, command_context_of
from shared.core.catalog.catalog import Catalog, CreditsPer, Model, Status
from shared.core.money.pricing import Price
from shared.core.money.usage import usd
from shared.core.requests.fields import MODALITIES

catalog = typer.Typer(help="The models that are offered: list, check.", no_args_is_help=True, rich_markup_mode=None)


@catalog.command("list")
def list_models(
    context: typer.Context,
    modality: Annotated[
        str | None, typer.Option(help="Only what makes this.", metavar="|".join(MODALITIES), show_default=False)
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Those that are retired or hidden too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the models: what each makes, for whom, and what it costs.

    Credits are for one output, unless it says otherwise; the price is the provider's, in USD.
    """
    if modality not in (None, *MODALITIES):
        raise typer.BadParameter(f"--modality must be one of {', '.join(MODALITIES)}")
    command_context = command_context_of(context)

    async def command(rooms: Operations) -> int:
        offered = rooms.deps.catalog
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
    """By what they make, the cheapest plan and the fewest credits first."""
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
            " + ".join(_price(price) for price in model.prices),
        )
        for model in models
    ]
    command_context.screen.table(("NAME", "MAKES", "STATUS", "FROM PLAN", "QUALITY", "CREDITS", "PRICE USD"), rows)


def _credits(model: Model) -> str:
    if model.credits_per is CreditsPer.OUTPUT:
        return str(model.credits)
    return f"{model.credits} per {_words(model.credits_per)}"


def _price(price: Price) -> str:
    return f"{usd(price.usd_micros).rstrip('0').rstrip('.')} per {_words(price.unit)}"


def _words(name: str) -> str:
    """``million tokens in``."""
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
        "price_date": model.price_date.isoformat(),
        "fallback": list(model.fallback),
    }


@catalog.command("check")
def check(context: typer.Context) -> None:
    """Compare the catalogue with Replicate as it is now.

    Prints what would break a request: models that are gone, inputs that have changed.
    Retired models are not asked for. The exit code is 1 if there is anything.
    """
    command_context = command_context_of(context)

    async def command(rooms: Operations) -> int:
        # Not above: the other commands need no HTTP client, and would wait for it.
        from shared.adapters.replicate.drift import drift  # noqa: PLC0415
        from shared.adapters.replicate.sdk.errors import ReplicateError  # noqa: PLC0415

        offered = rooms.deps.catalog
        try:
            found = await drift(rooms.replicate.api, offered)
        except ReplicateError as trouble:
            raise RefusedError(f"Replicate could not be asked. {trouble}") from None
        retired = [model for model in offered.models.values() if model.status is Status.RETIRED]
        if found:
            rows = [(each.model, each.field, each.text) for each in found]
            command_context.screen.table(("MODEL", "FIELD", "WHAT DRIFTED"), rows)
        else:
            command_context.screen.say(f"All {len(offered.models) - len(retired)} models are as the catalogue says.")
        if retired:
            command_context.screen.say(f"Skipped, for they are retired: {_retired(offered, retired)}")
        return 1 if found else 0

    command_context.do(command)


def _retired(offered: Catalog, retired: list[Model]) -> str:
    return ", ".join(f"{model.name} ({offered.successor_of(model).name} serves)" for model in retired)
