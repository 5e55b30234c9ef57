"""Every guard is load-bearing: taken out of a copy of the project, some test goes red."""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue

import pytest

from tests.reliability.guards import GUARDS, Guard, table
from tests.reliability.outage_guards import OUTAGE_GUARDS

PROJECT = Path(__file__).parents[2]

ALL = GUARDS + OUTAGE_GUARDS

#: What a test of the core and the corridor needs, and of the guarded port.
PARTS = ("shared", "tests/fakes", "tests/core", "tests/worker", "tests/reliability")
FILES = (
    "tests/__init__.py",
    "tests/conftest.py",
    "pyproject.toml",
    *(f"tests/adapters/{name}.py" for name in ("__init__", "examples", "guard")),
    "tests/adapters/test_replicate_[gl]*.py",
)

#: Copies of the project, and tests at once.
COPIES = 2

#: pytest's exit code for "tests ran, some failed"; any other is an error of the run itself.
RED = 1


def copied(to: Path) -> Path:
    """A copy of the project's parts."""
    for part in PARTS:
        shutil.copytree(PROJECT / part, to / part, ignore=shutil.ignore_patterns("__pycache__"))
    (to / "tests" / "adapters").mkdir()
    for path in (path for name in FILES for path in PROJECT.glob(name)):
        shutil.copy(path, to / path.relative_to(PROJECT))
    return to


def without(guard: Guard, text: str) -> str:
    """The file's text without the guard."""
    for old, new in guard.edits:
        assert text.count(old) == 1, f"{guard.name}: {old!r} is {text.count(old)} times in {guard.file}"
        text = text.replace(old, new)
    return text


def survives(guard: Guard, copies: "Queue[Path]") -> str:
    """Take the guard out of a copy and run its test; what is wrong, or nothing if the test went red."""
    copy = copies.get()
    file = copy / guard.file
    whole = file.read_text()
    try:
        file.write_text(without(guard, whole))
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", guard.killer]
        environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
        ran = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
        if ran.returncode == RED and ("Error" in ran.stdout or "FAILED" in ran.stdout):
            return ""
        return f"{guard.name}: {guard.killer} ended with {ran.returncode}\n{ran.stdout[-600:]}"
    finally:
        file.write_text(whole)
        copies.put(copy)


@pytest.mark.timeout(400)  # each guard is a pytest of its own: 40 s on an idle machine
def test_each_guard_has_a_test_that_is_red_without_it(tmp_path: Path) -> None:
    """All of both tables; what survives is named."""
    copies: Queue[Path] = Queue()
    for number in range(COPIES):
        copies.put(copied(tmp_path / str(number)))
    with ThreadPoolExecutor(COPIES) as pool:
        wrong = [text for text in pool.map(lambda guard: survives(guard, copies), ALL) if text]
    assert not wrong, "\n\n".join(wrong)


@pytest.mark.parametrize("guard", ALL, ids=lambda guard: guard.name)
def test_a_guard_is_where_the_table_says(guard: Guard) -> None:
    """Its text is found once, and the copy without it is another text that is still Python."""
    text = (PROJECT / guard.file).read_text()
    compile(without(guard, text), guard.file, "exec")


def test_the_documentation_shows_the_table() -> None:
    """docs/reliability.md has both tables as they are."""
    text = (PROJECT / "docs" / "reliability.md").read_text()
    assert table(GUARDS) in text
    assert table(OUTAGE_GUARDS) in text
