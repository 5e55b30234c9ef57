"""``catalog price``: a price with its page and day, written into the operator's own catalogue.

Rules of this file:
1. The price and its credits are laid over what the catalogue says of the model. An unpriced model is offered with them.
2. A model of the app's own stays where it is: the operator's file gets these fields alone.
"""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from shared.cli.catalog_options import File, on_catalogue, says_of_models
from shared.cli.catalog_place import Opened
from shared.cli.catalog_saying import Said, price_of, today
from shared.cli.context import CommandContext, Operations, RefusedError, command_context_of
from shared.core.catalog.catalog import Model
from shared.core.catalog.drafting.draft import Draft
from shared.core.catalog.drafting.pricing import Priced, priced
from shared.core.catalog.drafting.writing import changed_entry, with_entry


@says_of_models
def price(
    context: typer.Context,
    names: Annotated[list[str], typer.Argument(help="Models of the catalogue.", metavar="NAME...")],
    said: Said,
    file: File = None,
) -> None:
    """Give models a price that you read on a page, in your own catalogue.

    A model without a price is offered as soon as it has one. Several models get the same price.
    """
    command_context = command_context_of(context)

    async def command(operations: Operations | None, mine: Opened, said: Said) -> int:
        return await _priced(command_context, operations, mine, names, said)

    on_catalogue(command_context, file, said, command)


async def _priced(
    context: CommandContext, operations: Operations | None, file: Opened, names: list[str], said: Said
) -> int:
    given = price_of(said, today())
    if given is None:
        raise RefusedError("Which price? --price such as 0.04/image, with --page and --day.")
    text, before = file.text, file.checked(file.text)
    for name in dict.fromkeys(names):
        model = before.find(name)
        if model is None:
            raise RefusedError(f"{name} is not in the catalogue. {context.program} catalog add OWNER/NAME adds it.")
        text = with_entry(text, model.name, _entry(file, model, given, said))
    after = file.checked(text)
    await file.write(operations, text)
    rows = [
        (model.name, model.status.value, model.credits, model.credits_per.value)
        for name in dict.fromkeys(names)
        if (model := after.find(name))
    ]
    context.screen.table(("MODEL", "STATUS", "CREDITS", "PER"), rows)
    for step in file.place.todo():
        context.screen.say(f"- {step}")
    return 0


def _entry(file: Opened, model: Model, given: Priced, said: Said) -> Mapping[str, Any]:
    """What the operator's file says of the model, with the price."""
    mine = dict(changed_entry(file.text, model.name))
    made = priced(Draft(model.name, {**_table(model), "tier": said.tier or model.tier.label}, {}, {}), given).table
    fields = ("credits", "credits_per", "run_s", "prices", "price_date", "price_page")
    mine |= {name: made[name] for name in fields if name in made}
    mine |= {name: value for name, value in (("tier", said.tier), ("quality", said.quality)) if value is not None}
    return mine


def _table(model: Model) -> Mapping[str, Any]:
    """The parts of an entry from which credits are calculated."""
    sizing, own = model.sizing, model.min_margin_percent
    return {
        **({} if own is None else {"min_margin_percent": own}),
        "modality": model.modality.value,
        "prompt_characters": list(model.prompt_characters),
        "sizing": {"from": sizing.low, "to": sizing.high, "step": sizing.step} if sizing and sizing.free else None,
        "inputs": {
            item.name: {
                "type": item.kind.value,
                "field": item.field,
                "choices": list(item.choices),
                "default": item.default,
                **({"to": item.high} if item.high < float("inf") else {}),
            }
            for item in model.inputs.values()
        },
    }
