"""What README.md shows runs as it stands."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.stack, pytest.mark.process]

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_the_example(tmp_path: Path) -> None:
    """At most ten lines; a program of its own that prints what the page says."""
    example = _blocks("python")[0]
    assert len(example.strip().splitlines()) <= 10
    (tmp_path / "example.py").write_text(example, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", "example.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == (_blocks("text")[0], "", 0)


@pytest.mark.parametrize("line", [line for block in _blocks("sh") for line in block.splitlines() if " -m " in line])
def test_each_command_starts_a_broker(line: str, tmp_path: Path) -> None:
    """The line that it prints has a connection string."""
    program, *arguments = line.split()
    assert program == "python"
    (tmp_path / "entities.json").write_text(_blocks("json")[0], encoding="utf-8")
    with subprocess.Popen(
        [sys.executable, *arguments, "--exit-with-stdin"],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline() or "{}")
        _out, error = process.communicate(timeout=5)
    assert ready["connection_string"].startswith(f"Endpoint=sb://127.0.0.1:{ready['port']};")
    assert (error, process.returncode) == ("", 0)
