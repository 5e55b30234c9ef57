"""`python3 -m dev test --quick`: what it runs, what it leaves out, and that nothing slips in between."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from dev import commands
from dev import test as command
from dev.check import compiling

ROOT = Path(__file__).parents[2]

#: What the quick tests never are: each takes minutes of a core, or is a run of others.
LONG = ("crash_points", "guards", "machine", "outage", "simulation", "twin")

#: The guard of tests/conftest.py, and five tests of which it fails those that start a process and do not say so.
EXAMPLE = """
import os, subprocess, sys
import pytest

def test_starts_nothing(): pass
def test_starts_one(): subprocess.run([sys.executable, "--version"])
def test_forks(): os.fork() or os._exit(0)
@pytest.mark.process
def test_says_so(): subprocess.run([sys.executable, "--version"])
@pytest.mark.stack
def test_talks_to_the_stack(): subprocess.run([sys.executable, "--version"])
"""


@pytest.mark.process
@pytest.mark.timeout(600)  # it imports every test there is: ten seconds, and minutes on a busy machine
def test_it_is_all_but_processes_and_the_long_ones() -> None:
    """Most tests of every folder that has any without a process, and none of the long ones or of the stack."""
    choice = command.QUICK[command.QUICK.index("-m") :]
    pytests = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-n", "0", "-p", "no:cacheprovider", *choice]
    done = subprocess.run(pytests, cwd=ROOT, env=compiling(), capture_output=True, text=True, check=True, timeout=580)
    quick = [line for line in done.stdout.splitlines() if "::" in line]
    assert len(quick) > 3000
    assert not [test for test in quick if any(f"test_{name}.py" in test for name in LONG)]
    folders = Counter(test.split("/")[1] for test in quick)
    assert {"adapters", "bench", "cli", "core", "dev", "doors", "infra", "reliability", "worker"} <= set(folders)
    assert "stack" not in folders


def test_all_of_them_run_without_it() -> None:
    """The whole command leaves nothing out: no mark, no choice; what one go ignores is what the other is."""
    two, one = (arguments[1:] for arguments in command.tests([]).values())
    ignored = [argument.partition("=")[2] for argument in two if argument.startswith("--ignore")]
    assert [argument for argument in one if not argument.startswith("-")] == ignored
    assert not {"-m", "-k", "--deselect"} & {*one, *two}


@pytest.mark.parametrize(
    ("argv", "last"),
    [(["--quick"], []), (["--quick", "tests/core", "-x"], ["tests/core", "-x"]), (["-x", "--quick"], ["-x"])],
)
def test_it_takes_pytests_arguments(argv: list[str], last: list[str]) -> None:
    """They come after its own choice, wherever the option stands."""
    (arguments,) = command.tests(argv).values()
    assert arguments == [*command.QUICK, *last]
    assert command.tests(["tests/core"]) == {"tests": ["pytest", "tests/core"]}


def test_it_is_in_the_help_and_in_the_readme() -> None:
    """Where somebody looks for it."""
    assert "--quick" in commands._help()
    assert "python3 -m dev test --quick" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.process
def test_who_starts_a_process_without_a_word_fails(tmp_path: Path) -> None:
    """So that the quick tests stay quick: each of the ways to start one is seen, and a mark is a word."""
    (tmp_path / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text(encoding="utf-8"))
    (tmp_path / "test_example.py").write_text(EXAMPLE)
    options = [
        "-q",
        "-n",
        "0",
        "-c",
        str(ROOT / "pyproject.toml"),
        "--rootdir",
        str(tmp_path),
        "-p",
        "no:cacheprovider",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    failed = {line.partition("::")[2].partition(" ")[0] for line in done.stdout.splitlines() if "FAILED" in line}
    assert failed == {"test_starts_one", "test_forks"}, done.stdout
    assert "3 passed" in done.stdout
    assert "mark it as pytest.mark.process" in done.stdout
