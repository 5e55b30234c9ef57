"""``catalog add`` from Replicate: what is read there, the one cheap prediction, and a catalogue in a blob."""

import asyncio
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
import typer

from shared.cli.catalog import catalog as commands
from shared.cli.context import CommandContext, Operations
from shared.cli.printing import Screen
from shared.config.data_files import check_catalog
from shared.core.catalog.catalog import Status
from tests.adapters.replicate_api.test_check import CheckOperations
from tests.adapters.replicate_api.test_drift import catalog
from tests.adapters.replicate_api.world import SCHNELL, World, running_world
from tests.cli.counter import ENV

PRO = "black-forest-labs/flux-1.1-pro"
SAID = ("--no-ask", "--accept", "all", "--tier", "free", "--quality", "economy")


@dataclass
class MemoryFile:
    """A blob in memory. ``changes`` is what somebody else writes after each read."""

    content: bytes | None = None
    version: int = 0
    changes: bytes | None = None

    async def read(self, most_bytes: int) -> tuple[bytes, str] | None:
        """See ``EditedFile``."""
        await asyncio.sleep(0)
        found = None if self.content is None else (self.content, str(self.version))
        if self.changes is not None:
            self.content, self.version = self.changes, self.version + 1
        assert found is None or len(found[0]) <= most_bytes
        return found

    async def write(self, content: bytes, etag: str | None) -> bool:
        """See ``EditedFile``."""
        await asyncio.sleep(0)
        if etag != (None if self.content is None else str(self.version)):
            return False
        self.content, self.version = content, self.version + 1
        return True


@dataclass
class AddOperations(CheckOperations):
    """The operations that the command uses: Replicate's API, and a file."""

    files: dict[str, MemoryFile] = field(default_factory=dict)

    def edited_file(self, container: str, name: str) -> MemoryFile:
        """The file of this name."""
        return self.files.setdefault(f"{container}/{name}", MemoryFile())


async def called(url: str, *argv: str, env: Mapping[str, str] = ENV, files: dict[str, MemoryFile] | None = None) -> int:
    """Run ``catalog add`` as the operator does, in a thread of its own with a loop of its own."""

    def run() -> int:
        operations = AddOperations(url, catalog(), files={} if files is None else files)
        context = CommandContext(env, lambda _: cast("Operations", operations), "darkroom", Screen())
        try:
            typer.main.get_command(commands).main(args=["add", *argv], obj=context)
        except SystemExit as ended:
            return int(ended.code or 0)
        return 0

    return await asyncio.to_thread(run)


def written(file: Path) -> Mapping[str, Any]:
    """The models of the file."""
    read: Mapping[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))["models"]
    return read


async def test_a_model_is_read_from_replicate(tmp_path: Path) -> None:
    """One GET, and the entry is as the schema says: official, its shape, its sizes."""
    file = tmp_path / "mine.toml"
    async with running_world() as world:
        assert await called(world.url, PRO, *SAID, "--name", "my-pro", "--file", str(file)) == 0
        assert world.simulator.records == []
    entry = written(file)["my-pro"]
    assert (entry["replicate"], entry["output"]) == (PRO, "single")
    assert entry["sizing"]["from"], entry["sizing"]["to"] == (256, 1440)
    model = check_catalog(file.read_text(encoding="utf-8"), "mine.toml").models["my-pro"]
    assert model.status is Status.UNPRICED


async def test_it_is_tried_with_one_cheap_prediction(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One create, with the least steps; the shape and the time come from what was made."""
    file = tmp_path / "mine.toml"
    async with running_world() as world:
        world.takes(0, 0.05)
        argv = (SCHNELL, "--no-ask", "--name", "quick", "--file", str(file), "--try", "--set", 'output="single"')
        assert await called(world.url, *argv) == 0
        creates = creates_of(world)
    assert [each["input"]["num_inference_steps"] for each in creates] == [1]
    entry = written(file)["quick"]
    assert entry["output"] == "list"
    assert "output" not in entry["marks"]
    assert "succeeded in" in capsys.readouterr().out


def creates_of(world: World) -> list[dict[str, Any]]:
    """The predictions that were created."""
    return [{"input": dict(each.prediction.order.input)} for each in world.simulator.records]


async def test_a_try_that_fails_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Replicate's own error is printed, with the prediction's id."""
    file = tmp_path / "mine.toml"
    async with running_world() as world:
        world.takes(0, 0.05)
        world.fault(kind="failed", error="CUDA out of memory")
        assert await called(world.url, SCHNELL, *SAID, "--name", "quick", "--file", str(file), "--try") == 1
    assert not file.exists()
    assert "The try failed, and nothing was written." in capsys.readouterr().err


async def test_a_model_that_is_not_there_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The error names it."""
    file = tmp_path / "mine.toml"
    async with running_world() as world:
        assert await called(world.url, "luma/ray", *SAID, "--file", str(file)) == 1
    assert "luma/ray could not be read at Replicate." in capsys.readouterr().err
    assert not file.exists()


BLOB = ENV | {"CATALOG_FILE": "blob:settings/catalog.toml"}


async def test_a_catalogue_in_a_blob_is_written_over_the_version_that_was_read(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A blob that does not exist yet is made. One that somebody else changed meanwhile stays as it is."""
    files = {"settings/catalog.toml": MemoryFile()}
    async with running_world() as world:
        assert await called(world.url, PRO, *SAID, "--name", "my-pro", env=BLOB, files=files) == 0
        assert b"[models.my-pro]" in (files["settings/catalog.toml"].content or b"")
        assert "Restart the app: it reads the blob" in capsys.readouterr().out
        theirs = b"# by somebody else\n"
        files["settings/catalog.toml"].changes = theirs
        assert await called(world.url, SCHNELL, *SAID, "--name", "quick", env=BLOB, files=files) == 1
    assert files["settings/catalog.toml"].content == theirs
    assert "was changed meanwhile" in capsys.readouterr().err
