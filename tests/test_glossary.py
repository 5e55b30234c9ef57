"""docs/glossary.md: sorted, one line for each term, no unused term, and every word of the design."""

import re
from pathlib import Path

from dev.project_files import project_files, text_of

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "glossary.md"

#: The terms that the project's design names. A page or a name that needs one of them may rely on the glossary.
DESIGN = """
account, user, plan, hold, capture, release, grant, ledger, generation, prediction, attempt, post, output, trigger,
message handler, dependency, dead letter, dead-letter, defer, circuit breaker, circuit open, successor, fallback, chain,
blocklist, secondary screener, assessment, verdict, screening record, SSRF, optimistic concurrency, ETag, idempotency,
deduplication, open index, rank, step, fact, transition, requested end, Cancel-After, virtual queue, pace, quarantine,
upload, modality, catalogue, tier, policy, state, waiting, provider, port, adapter, composition
"""


def rows() -> list[tuple[str, str]]:
    """(term, meaning) of each line."""
    return re.findall(r"^\| \*\*(.+?)\*\* \| (.+) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


TERMS = [term for term, _ in rows()]


def test_the_terms_are_sorted_and_each_is_there_once() -> None:
    """The order is alphabetical, without case and hyphens."""
    keys = [term.casefold().replace("-", " ") for term in TERMS]
    assert keys == sorted(keys)
    assert len(set(TERMS)) == len(TERMS) > 60


def test_each_line_of_the_table_is_a_term_with_a_sentence() -> None:
    """A line that the pattern of the other tests misses would not be checked at all."""
    table = [line for line in text_of(PAGE).splitlines() if line.startswith("|")][2:]
    assert len(table) == len(TERMS)
    assert [said for _, said in rows() if not said.endswith(".")] == []


def test_every_word_of_the_design_is_a_term() -> None:
    """The design has one word for one thing, and this page defines it."""
    design = {term.strip() for term in DESIGN.replace("\n", " ").split(",")}
    assert design - set(TERMS) == set()


def test_every_term_is_used_elsewhere() -> None:
    """It is used in code, docs or tests, as words or as a name."""
    others = {PAGE, Path(__file__).resolve()}
    files = [path for path in project_files(ROOT) if path.suffix in {".py", ".md", ".toml", ".bicep"}]
    used = "\n".join(text_of(path) for path in files if path not in others)
    humps = re.sub(r"[A-Z](?<=[a-z][A-Z])", r" \g<0>", used)
    plain = " ".join(humps.replace("_", " ").replace("-", " ").split()).casefold()
    assert [term for term in TERMS if term.casefold().replace("-", " ") not in plain] == []


def test_the_readme_and_the_architecture_lead_to_it() -> None:
    """Both pages link to the glossary."""
    assert "(docs/glossary.md)" in text_of(ROOT / "README.md")
    assert "(glossary.md)" in text_of(ROOT / "docs" / "architecture.md")
