"""`python3 -m dev coverage`: what it measures, and that too little is a failure. The run itself takes minutes."""

import subprocess
import sys
from pathlib import Path

import pytest

from dev import coverage as command

ROOT = Path(__file__).parents[2]


def test_what_it_leaves_out_is_there() -> None:
    """A test that is renamed would be measured, and fail for its time."""
    for option in command.TIMED:
        place, _, test = option.partition("=")[2].partition("::")
        assert (ROOT / place).exists(), place
        assert not test or f"def {test}(" in (ROOT / place).read_text(encoding="utf-8")


def test_ci_runs_it() -> None:
    """Once, by its name."""
    assert (ROOT / ".ci" / "run").read_text(encoding="utf-8").count("python3 -m dev coverage") == 1


@pytest.mark.process
@pytest.mark.parametrize(("covered", "code"), [(True, 0), (False, 2)])
def test_too_little_is_a_failure(tmp_path: Path, *, covered: bool, code: int) -> None:
    """The commands of the report, on a file of which all or a tenth is run."""
    lines = "\n".join(f"    a = {number}" for number in range(20))
    (tmp_path / "half.py").write_text(f"def never():\n{lines}\n\n\n{'never()' if covered else 'pass'}\n")
    data = tmp_path / "data"
    measure = ["-m", "coverage", "run", "--parallel-mode", f"--data-file={data}", f"--source={tmp_path}", "half.py"]
    subprocess.run([sys.executable, *measure], cwd=tmp_path, check=True)
    codes = [
        subprocess.run([sys.executable, *each[1:]], cwd=tmp_path, check=False, capture_output=True).returncode
        for each in command.reports(str(tmp_path), data).values()
    ]
    assert codes == [0, code]
