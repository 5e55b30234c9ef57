"""Every guard is needed: without it, in a copy of the project, its test is red."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest

from tests.reliability.every_guard import EVERY_GUARD
from tests.reliability.guard_copies import Copies, Copy
from tests.reliability.guards import Guard
from tests.reliability.outage_guards import OUTAGE_GUARDS

#: A guard whose test reads no more than its own file, to look at how it is taken out.
EXAMPLE = next(guard for guard in OUTAGE_GUARDS if guard.file == "shared/core/provider/breaker.py")

pytestmark = [
    pytest.mark.process,
    pytest.mark.long,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork, in which a guard's test runs"),
]


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copies]:
    """The copies for all tests of this process."""
    with ExitStack() as opening:
        yield Copies(tmp_path_factory.mktemp("guards"), opening)


@pytest.fixture(scope="module")
def copy(copies: Copies) -> Copy:
    """The copy that is imported for each run."""
    return copies.imported


@pytest.mark.parametrize("guard", EVERY_GUARD, ids=lambda guard: guard.name)
def test_each_guard_has_a_test_that_is_red_without_it(guard: Guard, copies: Copies) -> None:
    """All guards of all tables are taken out, and those that survive are named."""
    assert not copies.survives(guard)


def test_most_guards_are_taken_out_in_memory(copies: Copies) -> None:
    """A guard in a function needs no import, and leaves nothing behind."""
    whole = replace(EXAMPLE, edits=((EXAMPLE.edits[0][0], EXAMPLE.edits[0][0]),))
    assert copies.warm.run_without(EXAMPLE)["failed"] == [EXAMPLE.killer]
    assert copies.warm.run_without(whole)["passed"] == [EXAMPLE.killer]


def test_what_stays_green_in_memory_is_imported(copies: Copies) -> None:
    """An edit that changes nothing is reported by its name and the test that stayed green, both ways."""
    spared = replace(EXAMPLE, name="nobody's", edits=((EXAMPLE.edits[0][0], EXAMPLE.edits[0][0]),))
    assert f"nobody's: {EXAMPLE.killer} is green without it" in copies.survives(spared)


@pytest.mark.parametrize(
    ("edits", "killer", "trouble"),
    [
        ((('"""', 'A_CONSTANT = 1\n"""'),), EXAMPLE.killer, "beside its functions"),
        ((), EXAMPLE.killer + "_or_not", "no such test"),
    ],
)
def test_what_cannot_be_done_in_memory_is_said(copies: Copies, edits: Any, killer: str, trouble: str) -> None:
    """A constant was made when it was imported; a test that is not there is not red."""
    text = (copies.warm.folder / EXAMPLE.file).read_text(encoding="utf-8")
    edits = tuple((text, text.replace(old, new, 1)) for old, new in edits)
    ran = copies.warm.run_without(replace(EXAMPLE, edits=edits, killer=killer))
    assert trouble in ran["trouble"]
    assert not ran["failed"]


def test_what_is_taken_out_is_put_back(copy: Copy) -> None:
    """The test is red without the guard and green with it, and the file is restored."""
    file = copy.folder / EXAMPLE.file
    before = file.read_bytes(), file.stat().st_mtime_ns
    assert not copy.survives(EXAMPLE)
    assert (file.read_bytes(), file.stat().st_mtime_ns) == before
    ran = copy.run(EXAMPLE.killer)
    assert (ran["passed"], ran["failed"], ran["trouble"]) == ([EXAMPLE.killer], [], "")


def test_a_guard_that_nothing_misses_survives(copy: Copy) -> None:
    """An edit that changes nothing is reported by its name and the test that stayed green."""
    spared = replace(EXAMPLE, name="nobody's", edits=((EXAMPLE.edits[0][0], EXAMPLE.edits[0][0]),))
    assert f"nobody's: {EXAMPLE.killer} is green without it" in copy.survives(spared)


@pytest.mark.parametrize(
    ("edit", "killer", "trouble"),
    [
        ("this is no Python", EXAMPLE.killer, "collection of"),
        ("raise SystemExit", EXAMPLE.killer, "pytest ended with"),
        ("import os; os._exit(1)", EXAMPLE.killer, "its process ended with 1"),
        ("import os; os.abort()", EXAMPLE.killer, "its process ended with -6"),
        ("", EXAMPLE.killer + "_or_not", "pytest ended with"),
    ],
)
def test_what_breaks_the_run_itself_is_not_red(copy: Copy, edit: str, killer: str, trouble: str) -> None:
    """A file that cannot be imported, an exit, a death, a test that is not there: each is reported as what it is."""
    first = '"""'
    text = (copy.folder / EXAMPLE.file).read_text(encoding="utf-8")
    broken = replace(EXAMPLE, edits=((text, f"{edit}\n{text}"),), killer=killer)
    assert text.startswith(first)
    assert trouble in copy.survives(broken)
