"""``catalog check``: what the command prints, and how it ends."""

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import typer

from dev.fakes.catalogs import plans_of
from replicate_simulator.models import Input
from shared.adapters.replicate.drift import drift
from shared.cli.catalog import catalog as commands
from shared.cli.context import CommandContext, Operations
from shared.cli.printing import Screen
from shared.config.data_files import check_catalog
from shared.config.settings import Settings
from shared.core.catalog.catalog import Catalog, Status
from shared.core.catalog.margin import sold
from tests.adapters.replicate_api.test_drift import catalog, publish
from tests.adapters.replicate_api.world import api_at, running_world
from tests.cli.counter import ENV


@dataclass
class CheckOperations:
    """The operations that the command uses: a catalogue, and Replicate's API."""

    url: str
    offered: Catalog
    store: object = None

    def __post_init__(self) -> None:
        self._api = api_at(self.url)

    @property
    def deps(self) -> Any:
        """The catalogue and the plans."""
        return SimpleNamespace(catalog=self.offered, plans=plans_of(self.offered))

    @property
    def settings(self) -> Settings:
        """Those of the environment."""
        return Settings.from_env(ENV)

    @property
    def replicate(self) -> Any:
        """The API."""
        return SimpleNamespace(api=self._api)

    async def load_data_files(self) -> None:
        """Do nothing: this catalogue is in memory."""

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()


async def checked(url: str, offered: Catalog, *argv: str) -> int:
    """Run the command as the operator does, in a thread of its own with a loop of its own."""

    def run() -> int:
        command_context = CommandContext(
            ENV, lambda _: cast("Operations", CheckOperations(url, offered)), "darkroom", Screen()
        )
        try:
            typer.main.get_command(commands).main(args=["check", *argv], obj=command_context)
        except SystemExit as ended:
            return int(ended.code or 0)
        return 0

    return await asyncio.to_thread(run)


@pytest.mark.parametrize(
    ("replicate", "code", "printed"),
    [
        ("black-forest-labs/flux-schnell", 0, "All 1 models are as the catalogue describes them.\n"),
        ("luma/ray", 1, "luma/ray is not there any more"),
    ],
)
async def test_the_catalogue_is_checked(
    capsys: pytest.CaptureFixture[str], replicate: str, code: int, printed: str
) -> None:
    """Exit code 0 and a sentence if nothing drifted; 1 and a table if something did."""
    async with running_world() as world:
        assert await checked(world.url, catalog(replicate)) == code
    out = capsys.readouterr().out
    assert printed in out
    assert ("DIFFERENCE" in out) == (code == 1)


async def test_what_is_below_its_margin_is_shown_and_no_drift(capsys: pytest.CaptureFixture[str]) -> None:
    """The arithmetic follows, and the exit code is that of the comparison."""
    offered = catalog()
    async with running_world() as world:
        assert await checked(world.url, sold(offered, plans_of(offered), 1)) == 0
    out = capsys.readouterr().out
    assert "All 1 models are as the catalogue describes them.\n\nPLAN" in out
    assert "costs 0.003000 USD at worst, 1 credit sells for 0.000001: -299900 %, at least 0 %  no\n" in out


async def test_what_is_retired_is_skipped(capsys: pytest.CaptureFixture[str]) -> None:
    """It is named with its successor. It counts as no drift, although Replicate does not have it."""
    offered = catalog()
    gone = replace(offered.models["flux"], name="old", target="luma/old", status=Status.RETIRED, successor="flux")
    async with running_world() as world:
        assert await checked(world.url, replace(offered, models={**offered.models, "old": gone})) == 0
    assert capsys.readouterr().out.splitlines() == [
        "All 1 models are as the catalogue describes them.",
        "Skipped because they are retired: old (flux serves)",
    ]


async def test_an_error_is_printed_and_is_no_drift(capsys: pytest.CaptureFixture[str]) -> None:
    """If Replicate does not answer, the exit code is 1, the error is on stderr, and stdout is empty."""
    assert await checked("http://127.0.0.1:9", catalog()) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "The models at Replicate could not be read. models.get: not reached" in captured.err


async def test_the_patch_is_written_and_then_nothing_would_break(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bounds and choices become narrower; what the file said before stays; the patched catalogue has no drift."""
    file = tmp_path / "mine.toml"
    file.write_text("[models.flux-dev]\ncredits = 3\n", encoding="utf-8")
    own = check_catalog("", "none")
    offered = replace(own, models={"flux-schnell": own.models["flux-schnell"]})
    async with running_world() as world:
        publish(world, num_inference_steps=Input("integer", 2, minimum=1, maximum=2))
        assert await checked(world.url, offered, "--write", "--file", str(file)) == 0
        text = file.read_text(encoding="utf-8")
        patched = check_catalog(text, "mine.toml")
        steps = patched.models["flux-schnell"].inputs["num_inference_steps"]
        assert (steps.high, steps.default) == (2, 2)
        assert patched.models["flux-dev"].credits == 3
        assert await drift(world.api, replace(patched, models={"flux-schnell": patched.models["flux-schnell"]})) == []
    assert f"The patch was written to {file}." in capsys.readouterr().out


async def test_what_cannot_be_narrowed_is_marked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A plan whose default would not be offered any more keeps the patch from being written, and is named."""
    file = tmp_path / "mine.toml"
    own = check_catalog("", "none")
    async with running_world() as world:
        publish(world, seed=None)
        offered = replace(own, models={"flux-schnell": own.models["flux-schnell"]})
        assert await checked(world.url, offered, "--write", "--file", str(file)) == 1
    captured = capsys.readouterr()
    assert '"inputs.seed" = "the model has no such input any more"' in captured.out
    assert "Nothing was written." in captured.err
    assert "default_models.image: must be one of" in captured.err
    assert not file.exists()


async def test_a_model_that_is_gone_is_hidden_by_the_patch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without --write it is only shown."""
    file = tmp_path / "mine.toml"
    async with running_world() as world:
        assert await checked(world.url, catalog("luma/ray")) == 1
        assert '[models.flux]\nstatus = "hidden"' in capsys.readouterr().out
        assert not file.exists()
