"""Pace, breakers and waits are load-bearing: each guard taken out of a copy of the project, and its test goes red."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue

import pytest

from tests.reliability.guards import Guard, table
from tests.reliability.outage_guards import OUTAGE_GUARDS
from tests.reliability.test_guards import COPIES, PROJECT, copied, survives, without

#: What the tests of the guarded port need beside the core and the corridor.
ADAPTERS = ("__init__.py", "examples.py", "guard.py")


def copied_with_adapters(to: Path) -> Path:
    """A copy of the project's parts, with the tests of the guarded port."""
    copied(to)
    folder = PROJECT / "tests" / "adapters"
    (to / "tests" / "adapters").mkdir()
    for path in (*(folder / name for name in ADAPTERS), *folder.glob("test_replicate_[gl]*.py")):
        shutil.copy(path, to / "tests" / "adapters" / path.name)
    return to


@pytest.mark.timeout(300)  # a busy machine takes some seconds for each
def test_each_guard_has_a_test_that_is_red_without_it(tmp_path: Path) -> None:
    """All of the table; what survives is named."""
    copies: Queue[Path] = Queue()
    for number in range(COPIES):
        copies.put(copied_with_adapters(tmp_path / str(number)))
    with ThreadPoolExecutor(COPIES) as pool:
        wrong = [text for text in pool.map(lambda guard: survives(guard, copies), OUTAGE_GUARDS) if text]
    assert not wrong, "\n\n".join(wrong)


@pytest.mark.parametrize("guard", OUTAGE_GUARDS, ids=lambda guard: guard.name)
def test_a_guard_is_where_the_table_says(guard: Guard) -> None:
    """Its text is found once, and the copy without it is another text that is still Python."""
    text = (PROJECT / guard.file).read_text()
    compile(without(guard, text), guard.file, "exec")


def test_the_documentation_shows_the_table() -> None:
    """docs/reliability.md has it as it is."""
    assert table(OUTAGE_GUARDS) in (PROJECT / "docs" / "reliability.md").read_text()
