"""A picture in a process of its own: whatever becomes of that process, this one goes on."""

import io
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.adapters.media.images import PillowImages, alone
from shared.core.reasons import Reason
from shared.ports import Images, OutputUnfit, Picture, PictureUnfit
from tests.adapters.picture_shapes import png, saved

pytestmark = pytest.mark.process


@pytest.fixture
def images() -> Images:
    """As a worker gets it."""
    return PillowImages().alone()


async def shown(images: Images, content: bytes) -> bytes:
    """What the screener would be shown."""
    picture = await images.inspect(io.BytesIO(content))
    assert picture is not None
    return await images.for_screening(io.BytesIO(content), picture)


@pytest.mark.parametrize(("form", "size", "mode"), [("JPEG", (200, 100), "RGB"), ("WEBP", (3000, 3000), "RGBA")])
async def test_it_comes_to_the_same(images: Images, form: str, size: tuple[int, int], mode: str) -> None:
    """The file as it is, or the very copy that is made here."""
    content = saved(form, size, mode)
    assert await shown(images, content) == await shown(PillowImages(), content)


async def test_the_largest_that_is_taken_is_within_its_limit(images: Images) -> None:
    """Else nothing that was paid for could be had this way."""
    assert await shown(images, png(8192, 4096, 6))


async def test_what_is_broken_is_unfit(images: Images) -> None:
    """As it is here."""
    content = png(200, 200, 2).replace(b"IDAT", b"IDAT\0", 1)
    with pytest.raises(OutputUnfit) as raised:
        await images.for_screening(io.BytesIO(content), Picture("image/png", "png", 200, 200))
    assert raised.value.refusal.reason is Reason.OUTPUT_INVALID


async def test_what_is_beyond_a_bound_says_so(images: Images) -> None:
    """The process returns the sentence too, because only the walk over a whole JPEG finds that it is too large."""
    content = saved("JPEG", (5000, 5000), "RGB", subsampling=0, progressive=True)
    with pytest.raises(PictureUnfit, match="million"):
        await shown(images, content)
    small = Picture("image/jpeg", "jpg", 5000, 5000)
    with pytest.raises(PictureUnfit, match="million"):
        await images.for_screening(io.BytesIO(content), small)


@pytest.fixture
def instead(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A program that runs in place of the interpreter, written by the test."""
    program = tmp_path / "instead"
    monkeypatch.setattr(sys, "executable", str(program))
    yield program
    left = [name for name in tmp_path.iterdir() if name.name == "pid"]
    for file in left:
        with pytest.raises(ProcessLookupError):
            os.kill(int(file.read_text(encoding="ascii")), 0)  # it is gone


def written(program: Path, body: str) -> None:
    """Write a script and make it executable."""
    program.write_text(f"#!/bin/sh\necho $$ > {program.parent / 'pid'}\n{textwrap.dedent(body)}", encoding="ascii")
    program.chmod(0o700)


@pytest.mark.parametrize("end", ["kill -9 $$", "exit 1", "cat > /dev/null; exit 3", "exec sleep 60"])
async def test_however_the_process_ends_the_picture_is_unfit(
    images: Images, instead: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    """Killed for its memory, unable to start, or still at it when its time is over: then it is ended by its id."""
    monkeypatch.setattr(alone, "WALL_S", 1)
    written(instead, end)
    content = png(200, 200, 2, noisy=600)
    with pytest.raises(OutputUnfit) as raised:
        await shown(images, content)
    assert raised.value.refusal.reason is Reason.OUTPUT_INVALID


async def test_the_process_gets_no_secret(images: Images, instead: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the app's settings is in its environment."""
    monkeypatch.setenv("REPLICATE_API_TOKEN", "r8_secret")
    written(instead, f"env > {instead.parent / 'env'}; cat > /dev/null")
    assert await shown(images, png(100, 100, 2)) == b""
    found = (instead.parent / "env").read_text(encoding="utf-8")
    assert "PYTHONPATH=" in found
    assert "r8_secret" not in found


def test_the_process_has_a_limit_of_memory() -> None:
    """An allocation beyond it fails there, and is no trouble of the machine's."""
    program = (
        "from shared.adapters.media.images import alone\n"
        "alone._limit()\n"
        "try:\n    bytearray(alone.MEMORY_BYTES * 5 // 4)\nexcept MemoryError:\n    print('bounded')\n"
    )
    command = [sys.executable, "-c", program]
    run = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    assert run.stdout.strip() == "bounded"
