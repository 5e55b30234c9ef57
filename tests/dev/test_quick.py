"""`python3 -m dev test --quick`: what it runs, what it leaves out, and that nothing slips in between."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from _pytest.mark import MarkMatcher
from _pytest.mark.expression import Expression

from dev import check, commands, shares
from dev import test as command
from dev.check import compiling
from dev.quick_tests import pytest_ignore_collect as ignored

ROOT = Path(__file__).parents[2]

#: What the quick tests never are: each takes minutes of a core, or is a run of others.
LONG = ("crash_points", "fairness", "guards", "machine", "outage", "simulation", "twin")

#: The folders that have tests without a process.
FOLDERS = {"adapters", "bench", "cli", "core", "dev", "triggers", "infra", "reliability", "worker"}

#: The guard of tests/conftest.py, and tests of which it fails those that start a process and do not say so.
EXAMPLE = """
import os, subprocess, sys
import pytest

def test_starts_nothing(): pass
def test_starts_one(): subprocess.run([sys.executable, "--version"])
def test_opens_one(): subprocess.Popen(args=[sys.executable, "--version"])
def test_spawns(): os.posix_spawn(sys.executable, [sys.executable, "--version"], os.environ)
def test_asks_the_shell(): os.system("true")
def test_forks(): os.fork() or os._exit(0)
@pytest.mark.process
def test_says_so(): subprocess.run([sys.executable, "--version"])
@pytest.mark.stack
def test_talks_to_the_stack(): subprocess.run([sys.executable, "--version"])
"""


def chosen(session: pytest.Session) -> list[str]:
    """The ids of the quick tests: from this run if it collects all tests, else from pytest."""
    choice = command.QUICK[-2:]  # -m and the marks
    if {item.path.relative_to(ROOT).parts[1] for item in session.items} >= FOLDERS:
        fits = Expression.compile(choice[1])
        return [item.nodeid for item in session.items if fits.evaluate(MarkMatcher.from_markers(item.iter_markers()))]
    pytests = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-n", "0", "-p", "no:cacheprovider", *choice]
    done = subprocess.run(pytests, cwd=ROOT, env=compiling(), capture_output=True, text=True, check=True, timeout=580)
    return [line for line in done.stdout.splitlines() if "::" in line]


@pytest.mark.process
@pytest.mark.timeout(600)  # alone it imports every test there is: ten seconds, and minutes on a busy machine
def test_it_is_all_but_processes_and_the_long_ones(request: pytest.FixtureRequest) -> None:
    """It runs most tests of every folder, and none of the long ones or of the stack."""
    quick = chosen(request.session)
    assert len(quick) > 3000
    assert not [test for test in quick if any(f"test_{name}.py" in test for name in LONG)]
    folders = Counter(test.split("/")[1] for test in quick)
    assert set(folders) >= FOLDERS
    assert "stack" not in folders
    unread = {path for path in {test.partition("::")[0] for test in quick} if ignored(ROOT / path)}
    assert unread == set(), "it says of all its tests that they start a process or are long"


def test_a_file_that_has_no_quick_test_is_not_imported() -> None:
    """It says so of all its tests; another is collected, whatever single tests of it are."""
    assert ignored(ROOT / "tests" / "reliability" / "test_outage.py")
    assert ignored(ROOT / "tests" / "worker" / "test_imports.py")
    assert not ignored(Path(__file__))
    assert not ignored(ROOT / "tests")


def test_all_of_them_run_without_it() -> None:
    """Without the option every test runs: what one part ignores is exactly what the other part is.

    But the crash schedules of some flows: CI plays every flow with a command of its own.
    """
    alone, others = command.tests([]).values()
    ignored = [argument.partition("=")[2] for argument in others if argument.startswith("--ignore")]
    assert alone[-len(ignored) :] == ignored
    assert others[:2] == ["python", "-m"]
    place = others.index("-m", 2)
    assert others.pop(place) + " " + others.pop(place) == "-m not exhaustive"
    assert not {"-m", "-k", "--deselect"} & {*alone[1:], *others[2:]}
    assert (ROOT / ".ci" / "run").read_text(encoding="utf-8").count("python3 -m dev crash_points\n") == 1
    marked = {path.name for path in (ROOT / "tests").rglob("*.py") if "mark.exhaustive" in path.read_text("utf-8")}
    assert marked == {"test_crash_points.py", Path(__file__).name}
    assert "dev.quick_tests" not in {*alone, *others}


@pytest.mark.parametrize(
    ("argv", "last"),
    [(["--quick"], []), (["--quick", "tests/core", "-x"], ["tests/core", "-x"]), (["-x", "--quick"], ["-x"])],
)
def test_it_takes_pytests_arguments(argv: list[str], last: list[str]) -> None:
    """They follow its own choice, wherever the option stands."""
    (quick,) = command.tests(argv).values()
    assert quick == [*command.QUICK, *last]
    assert command.tests(["tests/core"]) == {"tests": ["pytest", "-rs", "tests/core"]}


def test_each_file_is_claimed_by_one_process(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Two processes that take turns run every test once between them, and a file whole."""
    items = request.session.items
    both = [shares.claimed(shares.longest_first(items), tmp_path) for _ in range(2)]
    ran: list[list[pytest.Item]] = [[], []]
    for turn in range(2 * len(items) + 2):
        ran[turn % 2] += [item for item in [next(both[turn % 2], None)] if item]
    assert sorted(item.nodeid for share in ran for item in share) == sorted(item.nodeid for item in items)
    assert not {item.path for item in ran[0]} & {item.path for item in ran[1]}


def test_long_files_come_first(request: pytest.FixtureRequest) -> None:
    """Every test is there once, a file's tests stay together, and nothing long waits for what is not."""
    items = shares.longest_first(reversed(request.session.items))
    assert sorted(item.nodeid for item in items) == sorted(item.nodeid for item in request.session.items)
    long = {item.path for item in items if item.get_closest_marker("long")}
    started = {item.path for item in items if item.get_closest_marker("process")} - long
    ranks = [0 if item.path in long else 1 if item.path in started else 2 for item in items]
    assert ranks == sorted(ranks)


def test_it_is_in_the_help_and_in_the_readme() -> None:
    """Both places name the option."""
    assert "--quick" in commands._help()
    assert "python3 -m dev test --quick" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.process
def test_who_starts_a_process_without_a_word_fails(tmp_path: Path) -> None:
    """A test without the mark fails for each way to start a process, so that the quick tests stay quick."""
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
    assert failed == {f"test_{each}" for each in ("starts_one", "opens_one", "spawns", "asks_the_shell", "forks")}
    assert "3 passed" in done.stdout
    assert "mark it as pytest.mark.process" in done.stdout


#: A file with fixtures of every scope, a failure and a property. It waits until another process runs its like.
SHARED = """
import os, time
from pathlib import Path
import pytest
from hypothesis import given, settings, strategies as st

COLLECTED_BY = os.getpid()

@pytest.fixture(scope="module", params=["a", "b"])
def wide(request):
    yield request.param

def test_one(wide):
    folder = Path(__file__).parents[1]
    (folder / f"ran-{os.getpid()}").touch()
    while len(list(folder.glob("ran-*"))) < 2:
        time.sleep(0.01)
    if os.getpid() != COLLECTED_BY and (folder / "die").exists():
        os._exit(3)
def test_two(wide): assert wide == "a"
def test_skipped(): pytest.skip("it has its reason")
seen = []
@given(st.integers())
def test_property(x): seen.append(x)
def test_examples(): assert len(seen) < 30
"""


def two_shares(folder: Path) -> subprocess.CompletedProcess[str]:
    """A run of two such files."""
    for name in ("one", "two"):
        file = folder / name / f"test_{name}.py"
        file.parent.mkdir(parents=True)
        file.write_text(SHARED)
    options = ["-q", "-rfEs", "-n", "0", "-pdev.shares", "-pdev.quick_tests", "-pno:cacheprovider", "--shares=2"]
    program = [sys.executable, "-m", "pytest", *options, "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(folder)]
    return subprocess.run([*program, str(folder)], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.process
def test_two_shares_are_the_whole(tmp_path: Path) -> None:
    """Two processes run a file each, with every fixture and few examples; there is one summary and one exit code."""
    done = two_shares(tmp_path)
    assert len(list(tmp_path.glob("ran-*"))) == 2
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1].partition(" in ")[0] == "2 failed, 10 passed, 2 skipped", done.stdout
    assert done.stdout.count(": it has its reason") == 2, "each, whichever process it was in"
    ran, _, summary = done.stdout.partition("= FAILURES =")
    for name in ("one", "two"):
        failed = f"{name}/test_{name}.py::test_two[b]"
        assert f"FAILED {failed} (call)\nwide = 'b'" in ran, "it is printed when it happens"
        assert failed in summary
        assert f"FAILED {failed} (call)" not in summary, "it is printed once"


@pytest.mark.process
def test_a_process_that_dies_fails_the_run(tmp_path: Path) -> None:
    """The run is interrupted, and says how the other process ended; what this one ran is reported."""
    (tmp_path / "die").touch()
    done = two_shares(tmp_path)
    assert done.returncode == pytest.ExitCode.INTERRUPTED
    assert "another process ended with 3" in done.stdout
    assert "1 failed, 5 passed, 1 skipped" in done.stdout


@pytest.mark.process
def test_what_runs_beside_is_shown_whole_and_what_was_skipped_is_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parallel commands keep their lines together, and a failed one is named at the end."""
    monkeypatch.setattr(check, "SCRIPTS", tmp_path)
    for name, lines in {
        "one": 'touch here; echo one; while [ ! -e there ]; do sleep 0.05; done; echo "2 passed, 3 skipped in 0.1s"',
        "two": 'while [ ! -e here ]; do sleep 0.05; done; touch there; echo "1 failed, 1 skipped in 2.5s"; exit 1',
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\ncd {tmp_path}\n{lines}\n")
        (tmp_path / name).chmod(0o755)
    assert check.run_all({"the first": ["one"]}, {"the second": ["two"]}) == 1
    printed = capsys.readouterr().out
    assert "--- the first: one\none\n2 passed, 3 skipped in 0.1s\n--- the first: passed in " in printed
    assert printed.endswith("skipped: 4 tests, each with its reason above\n\nfailed: the second\n")


@pytest.mark.parametrize(
    ("line", "skipped"),
    [
        ("2 failed, 6819 passed, 3 skipped in 1133.12s (0:18:53)\n", 3),
        ("\x1b[32m\x1b[1m12 passed\x1b[0m\x1b[32m, \x1b[33m1 skipped\x1b[0m\x1b[32m in 0.52s\x1b[0m\n", 1),
        ("=== 8 passed in 0.52s ===", 0),
        ("3 skipped in 0.01s", 3),
        ("Success: no issues found in 638 source files", None),
        ("Contracts: 7 kept, 0 broken.", None),
    ],
)
def test_pytests_last_line_says_how_many_were_skipped(line: str, skipped: int | None) -> None:
    """Colours do not matter, and any other line counts nothing."""
    assert check.skipped_of(line) == skipped
