"""docs/architecture.md: its diagram and its table agree with the code, and its tree has every folder."""

import re
import shutil
from pathlib import Path

import pytest

from dev import architecture
from dev.architecture import drawing
from dev.architecture.facts import FACTS, MEANINGS, STATES
from shared.core.lifecycle.state import NEXT, State

PAGE = architecture.PAGE.read_text(encoding="utf-8")


def test_the_page_is_what_the_code_says() -> None:
    """`python3 -m dev architecture --write` makes diagram and table; the line of a folder is written by hand."""
    assert list(architecture.stale(PAGE)) == []


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/architecture.md", "docs/glossary.md"])
def test_every_path_that_a_page_names_exists(page: str) -> None:
    """A path is in backticks with a folder in front, or the target of a link."""
    file = architecture.ROOT / page
    text = file.read_text(encoding="utf-8")
    named = re.findall(r"`((?:shared|dev|docs|infra|packages|tests)/[\w./-]*)`", text)
    linked = re.findall(r"\]\(([\w./-]+)(?:#[\w-]+)?\)", text)
    missing = [name for name in named if not (architecture.ROOT / name).exists()]
    assert named
    assert missing + [name for name in linked if not (file.parent / name).exists()] == []


def test_every_fact_has_a_sentence_and_every_state_a_sample() -> None:
    """Each has one; "ending" is the only sample that is no state."""
    assert list(FACTS) == list(MEANINGS)
    assert set(STATES) - {"ending"} == {state.value for state in State}
    assert all(generation.state.value == name for name, generation in STATES.items() if name != "ending")


def test_what_a_fact_does_is_an_arrow_of_the_diagram() -> None:
    """Each step of a sample is drawn with the fact's name, and each arrow is in NEXT."""
    arrows = [line.strip() for line in drawing.diagram().splitlines() if "-->" in line]
    assert len(arrows) == sum(len(following) for following in NEXT.values()) + sum(state.ended for state in State)
    for name, generation in STATES.items():
        for fact in FACTS:
            after = drawing.state_after(name, fact)
            if after != "-":
                (arrow,) = (each for each in arrows if each.startswith(f"{generation.state.value} --> {after}:"))
                assert fact in arrow.partition(": ")[2].split(", ")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("    waiting --> running: adopted\n", "", "'states' is stale"),
        ("`wait over`", "`wait is over`", "'facts' is stale"),
        ("shared/views/  ", "shared/vistas/  ", "no line for shared/views/"),
        ("shared/views/  ", "shared/vistas/  ", "shared/vistas/, which does not exist"),
    ],
)
def test_what_is_stale_is_named(old: str, new: str, said: str) -> None:
    """The error names each part of the page, and the command that writes it."""
    found = "\n".join(architecture.stale(PAGE.replace(old, new)))
    assert said in found


def test_writing_touches_the_generated_parts_alone() -> None:
    """A broken generated part is restored, and the rest of the page stays."""
    assert architecture.renewed(PAGE) == PAGE
    assert architecture.renewed(PAGE.replace("`wait over`", "`x`")) == PAGE


def test_a_page_without_its_marks_is_not_written() -> None:
    """If a mark was deleted by accident, its part would never be written again."""
    with pytest.raises(SystemExit, match="must have '<!-- generated: states -->'"):
        architecture.renewed(PAGE.replace("<!-- generated: states -->", ""))


def test_the_command_checks_and_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It returns 1 with a sentence if something is stale, and 0 after --write."""
    page = tmp_path / "architecture.md"
    shutil.copyfile(architecture.PAGE, page)
    page.write_text(PAGE.replace("`wait over`", "`x`"), encoding="utf-8")
    monkeypatch.setattr(architecture, "PAGE", page)
    assert architecture.main([]) == 1
    assert "'facts' is stale" in capsys.readouterr().err
    assert architecture.main(["--write"]) == 0
    assert page.read_text(encoding="utf-8") == PAGE
    assert architecture.main([]) == 0
