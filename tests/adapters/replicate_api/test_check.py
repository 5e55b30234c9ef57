"""``catalog check``: what the command prints, and how it ends."""

import asyncio
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
import typer

from shared.cli.catalog import catalog as commands
from shared.cli.context import CommandContext, Operations
from shared.cli.printing import Screen
from shared.core.catalog.catalog import Catalog, Status
from tests.adapters.replicate_api.test_drift import catalog
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
        """The catalogue."""
        return SimpleNamespace(catalog=self.offered)

    @property
    def replicate(self) -> Any:
        """The API."""
        return SimpleNamespace(api=self._api)

    async def load_data_files(self) -> None:
        """Do nothing: this catalogue is in memory."""

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()


async def checked(url: str, offered: Catalog) -> int:
    """Run the command as the operator does, in a thread of its own with a loop of its own."""

    def run() -> int:
        command_context = CommandContext(
            ENV, lambda _: cast("Operations", CheckOperations(url, offered)), "darkroom", Screen()
        )
        try:
            typer.main.get_command(commands).main(args=["check"], obj=command_context)
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
