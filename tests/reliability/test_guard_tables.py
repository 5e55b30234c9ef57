"""The tables of the guards: as the code is, and as the documentation says."""

import pytest

from tests.reliability.answer_guards import ANSWER_GUARDS
from tests.reliability.guard_copies import PROJECT, without
from tests.reliability.guards import GUARDS, Guard, table
from tests.reliability.outage_guards import OUTAGE_GUARDS


@pytest.mark.parametrize("guard", GUARDS + OUTAGE_GUARDS + ANSWER_GUARDS, ids=lambda guard: guard.name)
def test_a_guard_is_where_the_table_says(guard: Guard) -> None:
    """Its text is found once, and the copy without it is another text that is still Python."""
    text = (PROJECT / guard.file).read_text(encoding="utf-8")
    compile(without(guard, text), guard.file, "exec")


def test_the_documentation_shows_the_table() -> None:
    """docs/reliability.md has both tables as they are."""
    text = (PROJECT / "docs" / "reliability.md").read_text(encoding="utf-8")
    assert table(GUARDS) in text
    assert table(OUTAGE_GUARDS) in text
    assert table(ANSWER_GUARDS) in text
