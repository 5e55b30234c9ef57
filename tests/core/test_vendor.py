"""The core's code names no vendor, but in the few places that are listed here with their reason."""

import ast
from collections.abc import Iterator
from pathlib import Path

from dev.project_files import text_of
from tests.sources import ROOT, nodes, python

CORE = ROOT / "shared" / "core"

#: The files whose code may name the vendor, and why.
NAMED = {
    "provider/guarantees.py": "its saved name, and what it guarantees: data that decisions about money rest on",
    "dependency.py": "the name of the dependency, in metrics and on the health page",
    "provider/prediction.py": "the reason for a deferral that names the dependency, as saved in histories",
    "catalog/file.py": "the key of a model's target in the catalogue",
    "catalog/drafting/draft.py": "the same key, in an entry that is drafted",
    "requests/fields.py": "help for users, who may name a model as the vendor does",
}


def named(path: Path) -> Iterator[str]:
    """The identifiers, texts and imports of a file, without docstrings and comments."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    bodies = [node.body for node in nodes(path) if isinstance(node, documented)]
    docstrings = {id(body[0].value) for body in bodies if body and isinstance(body[0], ast.Expr)}
    for node in nodes(path):
        if id(node) not in docstrings:
            yield from (value for value in vars(node).values() if isinstance(value, str))


def test_the_vendor_is_named_only_where_it_is_declared() -> None:
    """A second provider adds an adapter, and an entry here only if the core has to know its name."""
    found = {
        path.relative_to(CORE).as_posix()
        for path in python("shared")
        if path.is_relative_to(CORE)
        if any(word in text_of(path).lower() for word in ("replicate", "r8_"))  # most need not be parsed
        if any("replicate" in each.lower() or "r8_" in each for each in named(path))
    }
    assert found == set(NAMED)
