"""docs/models.md: its tables are the catalogue's.

``python -m tests.core.test_models_page`` writes them anew.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from shared.adapters.replicate.sdk.hardware import MACHINES, PRICED_ON
from shared.cli.catalog_costs import cents
from shared.core.catalog.catalog import Catalog, CreditsPer, Model, Status
from shared.core.catalog.file import parse_catalog
from shared.core.catalog.mapping import Input
from shared.core.catalog.training_costs import guided_costs, trainer_costs
from shared.core.money.pricing import Price, Unit

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "models.md"
CATALOG = parse_catalog((ROOT / "shared" / "core" / "catalog" / "catalog.toml").read_text(encoding="utf-8"))

#: Between these two lines stands what is written here.
BEGIN, END = "<!-- written from the catalogue: begin -->\n", "<!-- written from the catalogue: end -->\n"

UNITS = {
    Unit.IMAGE: "an image",
    Unit.SECOND: "a second",
    Unit.RUN: "a run",
    Unit.GPU_SECOND: "a second of the machine",
    Unit.MEGAPIXEL_IN: "a megapixel in",
    Unit.MEGAPIXEL_OUT: "a megapixel out",
    Unit.MILLION_TOKENS_IN: "a million tokens in",
    Unit.MILLION_TOKENS_OUT: "a million tokens out",
}
PER = {
    CreditsPer.OUTPUT: "",
    CreditsPer.SECOND: " a second",
    CreditsPer.THOUSAND_TOKENS: " per 1,000 tokens",
    CreditsPer.HUNDRED_STEPS: " per 100 steps",
}


def tables(catalog: Catalog) -> str:
    """Both tables: what each model is, and what those that are offered take."""
    models = list(catalog.models.values())
    offered = [model for model in models if model.status is Status.ACTIVE]
    return "\n".join(
        [
            "",
            "## What they are, and what became of them",
            "",
            *table(
                ("Model", "Makes", "Became of it", "Price (USD)", "True on", "Credits", "Tier", "Quality", "Fallback"),
                (row(model) for model in models),
            ),
            "",
            "## What they take",
            "",
            *table(
                ("Model", "At Replicate", "Fields of a request, beside `prompt`"), (taken(model) for model in offered)
            ),
            "",
            "## What trainings cost",
            "",
            f"`catalog costs` reckons them, at the prices of Replicate's machines of {PRICED_ON}. The minutes of the",
            "first four are the guides', and nobody measured them here. Those of a trainer on offer are its",
            "`least_run_s` and `run_s`.",
            "",
            *table(("Training", "Steps", "Machine", "Minutes", "USD", "Credits"), trainings(catalog)),
            "",
            "",
        ]
    )


def trainings(catalog: Catalog) -> Iterator[tuple[str, ...]]:
    """The guides' trainings at today's prices, and those of the trainers on offer."""
    prices = {machine.sku: machine.usd_micros_per_s for machine in MACHINES.values()}
    for each in (*guided_costs(prices), *trainer_costs(catalog)):
        yield (
            each.what,
            f"{each.steps:,}",
            each.machine,
            f"{each.least_s // 60} to {each.most_s // 60}",
            f"{cents(each.least_usd_micros)} to {cents(each.most_usd_micros)}",
            str(each.credits or ""),
        )


def table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> Iterator[str]:
    """Lines of Markdown."""
    for cells in (head, ("---",) * len(head), *rows):
        yield f"| {' | '.join(cells)} |"


def row(model: Model) -> tuple[str, ...]:
    """A model in the first table."""
    return (
        f"`{model.name}`",
        model.modality,
        {
            Status.ACTIVE: "offered",
            Status.HIDDEN: "known, not offered",
            Status.UNPRICED: "known, not priced",
            Status.DRAFT: "draft",
            Status.RETIRED: f"retired: `{model.successor}` serves",
        }[model.status],
        " + ".join(priced(price) for price in model.prices) or "no price with a source",
        model.price_date.isoformat() if model.price_date else "",
        f"{model.credits:,}{PER[model.credits_per]}",
        model.tier.label,
        model.quality,
        ", ".join(f"`{name}`" for name in model.fallback) or "none",
    )


def priced(price: Price) -> str:
    """A price for people: 0.003 an image."""
    usd = f"{price.usd_micros / 1_000_000:.6f}".rstrip("0").rstrip(".")
    return f"{usd} {UNITS[price.unit]}" if price.usd_micros else "not known any more"


def taken(model: Model) -> tuple[str, ...]:
    """A model in the second table."""
    fields = [field for item in model.inputs.values() if (field := field_cell(item))]
    if model.sizing is not None and model.sizing.free:
        low, high = model.sizing.low, model.sizing.high
        fields.append(f"`width`, `height` {low} to {high} in steps of {model.sizing.step}")
    elif model.sizing is not None:
        fields.append("`width`, `height` as the nearest `aspect_ratio`")
    owner, _, version = model.target.partition(":")
    low, high = model.prompt_characters
    length = f"`prompt` {low:,} to {high:,} characters" if (low, high) != (3, 500) else ""
    return (
        f"`{model.name}`",
        f"{owner}, version {version[:8]}" if version else owner,
        "; ".join([length, *fields] if length else fields),
    )


def field_cell(item: Input) -> str:
    """A field of a request, what it becomes where that has another name, its values and the model's default."""
    if item.value is not None or item.name in ("prompt", "megapixels", "width", "height"):
        return ""
    text = f"`{item.field or item.name}`"
    text += f" as `{item.name}`" if item.name != (item.field or item.name) else ""
    text += ", needed" if item.required else ""
    if item.choices:
        text += f" {', '.join(map(str, item.choices))}"
    elif item.kind in ("whole", "real"):
        text += f" {item.low:,g} to {item.high:,g}" if item.name != "seed" else ""
    return text if item.default is None else f"{text} ({said(item.default)})"


def said(value: object) -> str:
    """Returns a default as the page writes it."""
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return f"{value:,g}"
        case _:
            return str(value)


def rewritten(page: str, catalog: Catalog) -> str:
    """The page with the tables of this catalogue."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{tables(catalog)}{END}{after}"


def test_the_page_agrees_with_the_catalogue() -> None:
    """If not: ``python -m tests.core.test_models_page``."""
    page = PAGE.read_text(encoding="utf-8")
    assert (page.count(BEGIN), page.count(END)) == (1, 1)
    assert page == rewritten(page, CATALOG)


def test_a_page_that_is_out_of_date_is_noticed() -> None:
    """A price, a status and a bound that were changed change the page."""
    model = CATALOG.models["flux-dev"]
    changes = (
        replace(model, prices=(Price(Unit.IMAGE, 30_000),)),
        replace(model, status=Status.RETIRED, successor="flux-schnell"),
        replace(model, inputs={**model.inputs, "guidance": replace(model.inputs["guidance"], high=9)}),
    )
    page = PAGE.read_text(encoding="utf-8")
    for change in changes:
        assert rewritten(page, replace(CATALOG, models={**CATALOG.models, "flux-dev": change})) != page


if __name__ == "__main__":
    PAGE.write_text(rewritten(PAGE.read_text(encoding="utf-8"), CATALOG), encoding="utf-8")
