"""The tables of the guards agree with the code and with the documentation."""

from functools import cache

import pytest

from tests.reliability.every_guard import EVERY_GUARD, TABLES
from tests.reliability.guard_copies import PROJECT, without
from tests.reliability.guards import Guard, table


@cache
def text_of(file: str) -> str:
    """The text of a file of the project."""
    return (PROJECT / file).read_text(encoding="utf-8")


@pytest.mark.parametrize("guard", EVERY_GUARD, ids=lambda guard: guard.name)
def test_a_guard_is_where_the_table_says(guard: Guard) -> None:
    """Its text is found once, and the copy without it differs and is still Python."""
    compile(without(guard, text_of(guard.file)), guard.file, "exec")
    file, _, test = guard.killer.partition("::")
    assert f"def {test.partition('[')[0]}(" in text_of(file) or not test


def test_every_table_of_the_folder_is_taken_out() -> None:
    """The guards of an unlisted table would never be tested."""
    folder = PROJECT / "tests" / "reliability"
    defined = [path for path in folder.glob("*guards.py") if "GUARDS: tuple[Guard, ...] = " in path.read_text("utf-8")]
    assert len(defined) == len(TABLES)


def test_the_documentation_shows_the_tables() -> None:
    """docs/reliability.md has all of them unchanged."""
    text = (PROJECT / "docs" / "reliability.md").read_text(encoding="utf-8")
    assert not [guards[0].name for guards in TABLES if table(guards) not in text]
