"""CPU of inspecting one picture before it is screened, beside an older commit of this repository, in turns.

The picture of noise is that of the other benchmarks, and the cheapest PNG that exists: it cannot be compressed.
``photo`` is compressed as photos are. The cost of inflating is shown apart: inflating is what detects a file whose
pixels end early.
"""

import asyncio
import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image, ImageChops, ImageFilter

from dev.bench.load import ROOT
from dev.bench.report import Cell, Report

#: The commit beside which this tree is measured: the one before pictures were bounded and inflated.
BEFORE = "391456f"

#: How much more CPU a picture of 1.5 MB may cost, without inflating.
MORE_MS = 2.0
_BYTES = 1_500_000


async def measured(report: Report, *, full: bool, turns: int) -> None:
    """Run the benchmark."""
    looks = 30 if full else 6
    with tempfile.TemporaryDirectory(prefix="pictures-") as name:
        folder = Path(name)
        before = await asyncio.to_thread(_tree, folder / "before")
        rows: list[dict[str, Cell]] = []
        for kind, content in _pictures().items():
            file = folder / "picture"
            file.write_bytes(content)  # nothing else runs on this loop
            rows.append(await asyncio.to_thread(_row, kind, file, before, looks, turns))
        report.add(f"CPU of a look, beside {BEFORE}", rows)
    grown = [float(row["rest for 1.5 MB"] or 0) for row in rows if row["rest for 1.5 MB"] is not None]
    if grown:
        report.at_most("more CPU of a picture of 1.5 MB, inflating apart", MORE_MS, max(grown), "ms")


def _row(kind: str, file: Path, before: Path | None, looks: int, turns: int) -> dict[str, Cell]:
    was: list[float] = []
    now: list[float] = []
    inflating: list[float] = []
    for _ in range(turns):
        if before is not None:
            was.append(_looked(file, before, looks)["cpu_ms"])
        found = _looked(file, ROOT, looks)
        now.append(found["cpu_ms"])
        inflating.append(found["inflating_ms"])
    size = file.stat().st_size
    row: dict[str, Cell] = {"picture": kind, "MB": size / 1e6, "before ms": min(was, default=None), "now ms": min(now)}
    row["inflating ms"] = min(inflating)
    rest = None if before is None else (min(now) - min(was) - min(inflating)) * _BYTES / max(size, _BYTES)
    return row | {"rest for 1.5 MB": rest}


def _looked(file: Path, tree: Path, looks: int) -> Mapping[str, float]:
    command = [sys.executable, str(Path(__file__).with_name("looker.py")), str(file), str(looks), "2"]
    environment = os.environ | {"PYTHONPATH": str(tree)}
    run = subprocess.run(command, env=environment, capture_output=True, check=True, cwd=tree)
    found: Mapping[str, float] = json.loads(run.stdout)
    return found


def _tree(folder: Path) -> Path | None:
    """The older commit's files; None if it is not in this clone (a shallow one)."""
    folder.mkdir()
    packed = subprocess.run(["git", "archive", BEFORE, "shared"], cwd=ROOT, capture_output=True, check=False)  # noqa: S607
    if packed.returncode:
        return None
    subprocess.run(["tar", "-x", "-C", str(folder)], input=packed.stdout, check=True)  # noqa: S607
    return folder


def _pictures() -> Mapping[str, bytes]:
    noise = Image.merge("RGB", [Image.effect_noise((710, 710), 64) for _ in range(3)])
    photo = _photo((1024, 1024))
    return {
        "PNG, noise": _saved(noise, "PNG", compress_level=0),
        "PNG, photo": _saved(photo, "PNG"),
        "PNG, photo, RGBA": _saved(photo.convert("RGBA"), "PNG"),
        "JPEG": _saved(_photo((2048, 2048)), "JPEG", quality=92),
        "JPEG, progressive": _saved(_photo((2048, 2048)), "JPEG", quality=92, progressive=True),
        "WebP": _saved(_photo((2048, 2048)), "WEBP", quality=92, method=2),
        "PNG of 6 MB": _saved(_photo((2048, 2048)), "PNG"),
    }


def _photo(size: tuple[int, int]) -> Image.Image:
    """Large soft shapes, small soft ones, and a little grain."""
    shapes = Image.effect_noise((24, 24), 120).resize(size, Image.Resampling.BICUBIC)
    detail = Image.effect_noise(size, 90).filter(ImageFilter.GaussianBlur(3))
    bands = [ImageChops.add(shapes, ImageChops.add(detail, Image.effect_noise(size, 9), 2), 2) for _ in range(3)]
    return Image.merge("RGB", bands)


def _saved(picture: Image.Image, form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()
