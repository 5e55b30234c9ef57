"""docs/troubleshooting.md: every reason code has its line, and what it points at is there."""

import re
from pathlib import Path

import pytest

from shared.core.lifecycle.state import State
from shared.core.reasons import Reason

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "troubleshooting.md").read_text(encoding="utf-8")


def test_every_reason_has_a_line_and_no_other_has() -> None:
    """In the order of the code, so that a missing one is seen."""
    _, _, table = PAGE.partition("## Reasons")
    assert re.findall(r"^\| `([A-Z_]+)` \|", table, re.MULTILINE) == [reason.value for reason in Reason]


def test_every_case_of_the_guides_has_its_section() -> None:
    """Queue, memory, webhook, proxy, rate limit, token; those with something to try have the line to try."""
    heads = re.findall(r"^## (.+)$", PAGE, re.MULTILINE)
    assert heads[:6] == [
        "Stuck in the queue",
        "Out of memory",
        "No webhook",
        "A proxy on the way out",
        "Rate limit",
        "The token",
    ]
    for head in ("No webhook", "A proxy on the way out", "The token"):
        section = PAGE.partition(f"## {head}\n")[2].partition("\n## ")[0]
        assert "curl -i" in section, head


def test_its_states_are_those_of_a_generation() -> None:
    """All that are not an end."""
    _, _, table = PAGE.partition("## Stuck in the queue")
    named = set(re.findall(r"^\| `([A-Z]+)`", table.partition("\n## ")[0], re.MULTILINE))
    assert named == {state.value.upper() for state in State if not state.ended}


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#]*#[^)]+)\)", PAGE))))
def test_a_link_leads_to_a_head(link: str) -> None:
    """On this page or another."""
    name, _, anchor = link.partition("#")
    text = (DOCS / name).read_text(encoding="utf-8") if name else PAGE
    heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    assert anchor in {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}
