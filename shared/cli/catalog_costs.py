"""``catalog costs``: what each model costs at worst, what is left of its credits, and what trainings cost.

Rules of this file:
1. The command only reads the catalogue. What was really paid is reported by `usage`.
2. The margin is shown where a credit has a price: CREDIT_USD, or --credit-usd to try another one.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import typer

from shared.cli.context import CommandContext, Operations, command_context_of
from shared.cli.printing import Amount, Screen
from shared.config import money
from shared.core.catalog.catalog import Catalog, CreditsPer
from shared.core.money.plans import Plans
from shared.core.money.usage import usd

_MINUTE_S = 60

_CreditUsd = Annotated[
    str | None,
    typer.Option(
        "--credit-usd", help="Show the margins at this price of a credit; default: CREDIT_USD.", metavar="USD"
    ),
]


def costs(
    context: typer.Context,
    credit_usd: _CreditUsd = None,
    below: Annotated[bool, typer.Option("--below", help="Only models that are below a margin.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what each model costs at worst, what its credits are sold for, and what trainings cost.

    The exit code is 1 with --below if a model is not offered to a plan because of its margin.
    """
    given = _credit(credit_usd)
    command_context = command_context_of(context)

    async def command(operations: Operations) -> int:
        deps = operations.deps
        credit = deps.catalog.credit_usd_micros if given is None else given
        lines = list(_lines(deps.catalog, deps.plans, credit, below=below))
        if as_json:
            command_context.screen.json({"credit_usd_micros": credit or None, **_as_json(deps.catalog, lines)})
        else:
            _show(command_context, lines, credit)
            if not below:
                _show_trainings(command_context, deps.catalog)
        return int(below and any(line["not_offered_to"] for line in lines))

    command_context.do(command)


def _credit(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        micros = money.usd_micros(text.strip())
    except ValueError:
        micros = 0
    if not micros:
        raise typer.BadParameter(f"--credit-usd must be {money.SHAPE}")
    return micros


def _lines(catalog: Catalog, plans: Plans, credit: int, *, below: bool) -> Iterable[dict[str, Any]]:
    """One line for each model on offer; its numbers are those of the plan that needs the most."""
    # Imported here, as without a price of a credit the app does not load it either.
    from shared.core.catalog.margin import margins  # noqa: PLC0415

    by_model: dict[str, list[Any]] = {}
    for margin in margins(catalog, plans, credit or 1):
        by_model.setdefault(margin.model, []).append(margin)
    for name, found in by_model.items():
        worst = max(found, key=lambda each: each.least_percent)
        line = {
            "model": name,
            "credits": worst.credits,
            "credits_per": worst.per.value,
            "cost_usd_micros": worst.cost_usd_micros,
            "bounded": worst.bounded,
            "sold_usd_micros": worst.sold_usd_micros if credit else None,
            "margin_percent": worst.percent if credit else None,
            "least_percent": worst.least_percent if credit else None,
            "needed_credits": worst.needed_credits if credit else None,
            "not_offered_to": [each.plan for each in found if credit and not each.offered],
            "loss_reason": worst.loss_reason or None,
        }
        if not below or (credit and not all(each.enough for each in found)):
            yield line


def _show(context: CommandContext, lines: list[dict[str, Any]], credit: int) -> None:
    heads = ("MODEL", "CREDITS", "PER", "COST USD AT WORST", "A CREDIT MUST BRING")
    rows = [
        (
            line["model"],
            line["credits"],
            _per(line["credits_per"]),
            Amount(usd(line["cost_usd_micros"])),
            Amount(usd(-(-line["cost_usd_micros"] // line["credits"]))),
            *(_margin_cells(line) if credit else ()),
        )
        for line in lines
    ]
    if credit:
        heads = (*heads, "SOLD FOR", "MARGIN %", "AT LEAST %", "OFFERED")  # type: ignore[assignment]
    if rows:
        context.screen.table(heads, rows)
    else:
        context.screen.say("No model is below its margin." if credit else "CREDIT_USD is not set: nothing is checked.")
    if not all(line["bounded"] for line in lines):
        context.screen.complain("A model without run_s is reckoned as running until it is canceled.")


def _margin_cells(line: Mapping[str, Any]) -> tuple[str | int, ...]:
    refused = line["not_offered_to"]
    state = f"not to {', '.join(refused)}: needs {line['needed_credits']} credits" if refused else "yes"
    if line["loss_reason"] and line["margin_percent"] < line["least_percent"]:
        state = f"at a loss: {line['loss_reason']}"
    return Amount(usd(line["sold_usd_micros"])), line["margin_percent"], line["least_percent"], state


def _per(name: str) -> str:
    return "" if name == CreditsPer.OUTPUT else name.replace("_", " ")


def _trainings(catalog: Catalog) -> list[Any]:
    # Imported here: no other command of this file's group needs them.
    from shared.adapters.replicate.sdk.hardware import MACHINES  # noqa: PLC0415
    from shared.core.catalog.training_costs import guided_costs, trainer_costs  # noqa: PLC0415

    prices = {machine.sku: machine.usd_micros_per_s for machine in MACHINES.values()}
    return [*guided_costs(prices), *trainer_costs(catalog)]


def _show_trainings(context: CommandContext, catalog: Catalog) -> None:
    context.screen.say("")
    context.screen.table(
        ("TRAINING", "STEPS", "MACHINE", "MINUTES", "COST USD", "CREDITS"),
        [
            (
                each.what,
                each.steps,
                each.machine,
                f"{each.least_s // _MINUTE_S} to {each.most_s // _MINUTE_S}",
                f"{cents(each.least_usd_micros)} to {cents(each.most_usd_micros)}",
                str(each.credits or "-"),
            )
            for each in _trainings(catalog)
        ],
    )
    context.screen.complain("The minutes of the first four are the guides'. No training was measured here.")


def cents(micros: int) -> str:
    """USD micros as dollars with two decimals, rounded half up."""
    return usd((micros + 5_000) // 10_000 * 10_000)[:-4]


def _as_json(catalog: Catalog, lines: list[dict[str, Any]]) -> dict[str, Any]:
    fields = ("what", "steps", "machine", "least_s", "most_s", "least_usd_micros", "most_usd_micros", "credits")
    return {
        "models": lines,
        "trainings": [{name: getattr(each, name) for name in fields} for each in _trainings(catalog)],
    }


def show_below(screen: Screen, catalog: Catalog, plans: Plans) -> None:
    """Print the arithmetic of each model that is below its margin. Nothing without a price of a credit."""
    if not catalog.credit_usd_micros:
        return
    from shared.core.catalog.margin import margins  # noqa: PLC0415  # as above

    found = [each for each in margins(catalog, plans, catalog.credit_usd_micros) if not each.enough]
    screen.say("")
    if not found:
        screen.say(f"A credit is sold for {usd(catalog.credit_usd_micros)} USD, and no model is below its margin.")
        return
    screen.table(
        ("PLAN", "MODEL", "ARITHMETIC", "OFFERED"),
        [
            (each.plan, each.model, each.arithmetic, f"yes: {each.loss_reason}" if each.offered else "no")
            for each in found
        ],
    )
