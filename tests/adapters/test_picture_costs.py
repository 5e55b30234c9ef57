"""What the costliest pictures cost: each in a fresh process, memory and CPU, and what becomes of it."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
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


@pytest.fixture(scope="module")
def measuring() -> Iterator["subprocess.Popen[str]"]:
    """The program that measures each picture in a fork of its own: most of a new Python's cost is what it imports."""
    command = [sys.executable, "-m", "tests.adapters.picture_cost"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=Path(__file__).parents[2]) as program:
        yield program
        assert program.stdin is not None
        program.stdin.close()


@pytest.mark.parametrize(("make", "said"), [each[1:] for each in pictures()], ids=[each[0] for each in pictures()])
def test_no_picture_costs_more_than_its_bound(
    make: Callable[[], bytes], said: str, tmp_path: Path, measuring: "subprocess.Popen[str]"
) -> None:
    """160 MiB beyond what the process had before it read the file, and 2 s of CPU; what is taken is taken."""
    content = make()
    assert len(content) <= MOST_BYTES
    file = tmp_path / "picture"
    file.write_bytes(content)
    del content
    assert measuring.stdin is not None
    assert measuring.stdout is not None
    print(file, file=measuring.stdin, flush=True)
    cost = json.loads(measuring.stdout.readline())
    assert said in cost["came"]
    assert cost["more_mib"] <= MOST_MIB
    assert cost["cpu_s"] <= MOST_S
