"""docs/plans.md: its tables and its example are what the code reads."""

import re
from pathlib import Path

from dev.fakes.catalogs import CORE, REAL, REAL_PLANS
from shared.core.catalog import plans_file
from shared.core.catalog.plans_file import parse_plans
from shared.core.money.allowance import Period
from shared.core.money.limits import Effect, Scope, Unit
from shared.core.money.windows import Span
from shared.core.requests.fields import MODALITIES

PAGE = (Path(__file__).parents[2] / "docs" / "plans.md").read_text(encoding="utf-8")
OURS = (CORE / "catalog" / "plans.toml").read_text(encoding="utf-8")


def rows(head: str) -> list[list[str]]:
    """The rows of each table whose head begins so, without the marks around a cell."""
    parts = PAGE.split(f"| {head} |")[1:]
    lines = [line for part in parts for line in part.partition("\n\n")[0].splitlines()[2:]]
    return [[cell.strip(" `") for cell in line.strip("|").split(" | ")] for line in lines]


def test_the_table_is_that_of_the_plans_of_the_app() -> None:
    """Each plan with its tier and its default models."""
    assert rows("Plan") == [
        [name, plan.tier.label, *(plan.default_models[modality] for modality in MODALITIES)]
        for name, plan in REAL_PLANS.items()
    ]


def test_the_example_is_a_file_that_can_be_used() -> None:
    """Laid over the app's own plans, it changes one and adds one."""
    shown = PAGE.partition("```toml\n")[2].partition("```")[0]
    read = parse_plans(OURS, REAL, over=shown, over_file="docs/plans.md")
    assert list(read) == ["free", "basic", "premium", "team"]
    assert (read["basic"], read["premium"]) == (REAL_PLANS["basic"], REAL_PLANS["premium"])
    assert (read["free"].concurrency, len(read["free"].limits), len(read["team"].limits)) == (2, 1, 3)
    assert read["team"].allowance is not None


def test_every_field_and_word_of_the_file_is_there() -> None:
    """A new field, window, unit or effect needs its place on the page."""
    fields = {row[0] for row in rows("Field")}
    assert fields == {"version", "default", "replace", *plans_file._PLAN_FIELDS}
    known = set(re.findall(r"`([a-z_0-9]+)`", PAGE))
    words = ({*Span, *Unit, *Effect, *Scope, *Period}) - {
        Scope.APP
    }  # in_flight and generations are no limit of a plan, and named where its concurrency is
    assert {*words, *plans_file._ALLOWANCE_FIELDS, *plans_file._LIMIT_FIELDS} - known == set()
    assert f"at most {plans_file.MOST_LIMITS} of" in PAGE
    assert f"1 to {plans_file.MOST_CONCURRENCY:,}" in PAGE
    assert f"1 to {plans_file.MOST_WEIGHT:,}" in PAGE
