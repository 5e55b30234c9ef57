"""Words that modules agree on are members of an enum: no rule compares them with a text literal."""

import ast
import re
from collections.abc import Iterable, Iterator
from enum import StrEnum

from dev.project_files import text_of
from shared.core.dependency import Dependency
from shared.core.lifecycle.steps import LogStep, Step
from shared.core.modality import InputKind, Modality
from shared.core.provider.breaker import Circuit
from shared.core.provider.failure import Failure
from shared.core.provider.guarantees import REPLICATE, Kind
from shared.core.provider.prediction import DeferReason, Status
from shared.worker.auditing import DifferenceKind
from tests.sources import ROOT, nodes, python

SHARED = ROOT / "shared"

ENUMS: tuple[type[StrEnum], ...] = (
    Circuit,
    Dependency,
    DeferReason,
    DifferenceKind,
    Failure,
    InputKind,
    Kind,
    LogStep,
    Modality,
    Status,
    Step,
)
WORDS = frozenset(member.value for enum in ENUMS for member in enum) | {REPLICATE}

#: One of the words as a text literal, and perhaps more than that.
QUOTED = re.compile("|".join(f"[\"']{re.escape(word)}[\"']" for word in sorted(WORDS)))

#: Words of somebody else's that are spelled as one of ours: what a file calls it, and the words that are compared.
ELSEWHERE = {
    # The parts of an option.
    "cli/usage_reconcile.py": {"model", "prediction"},
    # The first part of a media type, and the name of a field, of what a model gave.
    "core/provider/outputs.py": {"image", "video", "audio", "training", "weights"},
    # What was sent to the service, a word of that file alone.
    "adapters/content_safety.py": {"image"},
    # An answer of the operator's.
    "cli/catalog_saying.py": {"open"},
    # A table of a catalogue's file.
    "core/catalog/drafting/pricing.py": {"inputs"},
    "core/catalog/drafting/writing.py": {"inputs"},
    # The type of a message.
    "core/requests/parsing.py": {"prediction"},
}


def compared(tree: Iterable[ast.AST]) -> Iterator[tuple[int, str]]:
    """The text literals in comparisons and patterns among the nodes of a tree."""
    for node in tree:
        if isinstance(node, ast.Compare):
            for each in [node.left, *node.comparators]:
                inner = each.elts if isinstance(each, ast.Tuple | ast.List | ast.Set) else [each]
                yield from _texts(inner)
        elif isinstance(node, ast.MatchValue):
            yield from _texts([node.value])


def _texts(nodes: list[ast.expr]) -> Iterator[tuple[int, str]]:
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def bare(tree: Iterable[ast.AST], name: str) -> list[str]:
    """The places where a file compares one of these words with a text literal."""
    allowed = ELSEWHERE.get(name, set())
    found = [(line, word) for line, word in compared(tree) if word in WORDS - allowed]
    return [f"{name}:{line}: {word!r}" for line, word in found]


def test_no_rule_compares_with_a_bare_text() -> None:
    """A second provider or a new modality would make such a comparison silently wrong."""
    files = python("shared")
    assert len(files) > 150
    found = [
        each
        for file in files
        if QUOTED.search(text_of(file))  # most need not be parsed
        for each in bare(nodes(file), file.relative_to(SHARED).as_posix())
    ]
    assert found == []


def test_a_bare_text_is_found_however_it_is_compared() -> None:
    """It may stand alone, in a list, on the left, or in a pattern."""
    for line in (
        'trouble.dependency == "replicate"',
        '"no credit" != outcome.why',
        'item.kind in ("image", "images")',
        'x = 1 if modality not in ["text"] else 2',
        'match status:\n    case "aborted":\n        pass',
    ):
        assert bare(ast.walk(ast.parse(line)), "x.py"), line
        assert QUOTED.search(line), line
    assert bare(ast.walk(ast.parse('name == "nothing of ours"')), "x.py") == []
