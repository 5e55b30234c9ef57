"""docs/models.md: the commands that add a model, run as they stand on the page."""

import shlex
from pathlib import Path

import pytest

from shared.config.data_files import check_catalog
from shared.core.catalog.catalog import Status
from shared.core.catalog.settable import raised_prices
from shared.core.money.pricing import Price, Unit
from tests.cli.test_catalog_add import call

PAGE = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
WALK = PAGE.partition("## Adding a model")[2].partition("\n## ")[0]
SETTABLE = PAGE.partition("## Inputs beyond our fields")[2].partition("```toml\n")[2].partition("```")[0]


def block(kind: str) -> str:
    """The first block of this kind in the section."""
    return WALK.partition(f"```{kind}\n")[2].partition("```")[0]


def test_the_walk_ends_with_a_model_that_is_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A draft, then an unpriced model, then one for five credits; it takes the inputs that the page lists for it."""
    monkeypatch.chdir(tmp_path)
    Path("paint.json").write_text(block("json"), encoding="utf-8")
    lines = block("sh").splitlines()
    seen = []
    for line in lines:
        program, _, rest = line.partition(" catalog ")
        assert program == "python3 -m shared.cli"
        called = call(*shlex.split(rest))
        assert called.code == 0, called.err
        model = check_catalog(Path("mine.toml").read_text(encoding="utf-8"), "mine.toml").models["paint"]
        seen.append((model.status, model.credits))
    with Path("mine.toml").open("a", encoding="utf-8") as file:
        file.write(f"\n{SETTABLE}")
    paint = check_catalog(Path("mine.toml").read_text(encoding="utf-8"), "mine.toml").models["paint"]
    assert list(paint.settable) == ["raw", "mood", "size", "reference"]
    assert raised_prices(paint, {"raw": True, "size": "4K"}, paint.prices) == (Price(Unit.IMAGE, 80_000),)
    assert seen == [(Status.DRAFT, 0), (Status.UNPRICED, 0), (Status.ACTIVE, 5)]
