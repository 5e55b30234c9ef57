"""What the costliest pictures cost: each in a fresh process, memory and CPU, and what becomes of it."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.adapters.picture_shapes import pictures

#: No picture of up to 20 MB costs more.
MOST_BYTES = 20_000_000
MOST_MIB, MOST_S = 160, 2.0

#: The issue is settled by memory and by the CPU time of the process, which are its own however busy the machine is.
pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's /proc"),
]


@pytest.mark.parametrize(("make", "said"), [each[1:] for each in pictures()], ids=[each[0] for each in pictures()])
def test_no_picture_costs_more_than_its_bound(make: Callable[[], bytes], said: str, tmp_path: Path) -> None:
    """160 MiB beyond what the process had before it read the file, and 2 s of CPU; what is taken is taken."""
    content = make()
    assert len(content) <= MOST_BYTES
    file = tmp_path / "picture"
    file.write_bytes(content)
    del content
    command = [sys.executable, "-m", "tests.adapters.picture_cost", str(file)]
    run = subprocess.run(command, capture_output=True, check=True, cwd=Path(__file__).parents[2])
    cost = json.loads(run.stdout)
    assert said in cost["came"]
    assert cost["more_mib"] <= MOST_MIB
    assert cost["cpu_s"] <= MOST_S
