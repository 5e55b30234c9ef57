"""The project's files and the syntax trees of its Python files: listed and parsed once for all tests of a process."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from dev.project_files import project_files

ROOT = Path(__file__).parents[1]


@cache
def files() -> tuple[Path, ...]:
    """Every file of the project, without those that .gitignore names."""
    return project_files(ROOT)


def python(*folders: str) -> list[Path]:
    """The Python files in these folders of the project."""
    return [path for path in files() if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in folders]


def app() -> list[Path]:
    """The Python files of the app: function_app.py and those in shared/."""
    return [ROOT / "function_app.py", *python("shared")]


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """Every node of a file's syntax tree. The tests only read them."""
    found: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"), name_of(path))]
    for node in found:  # it grows; ast.walk does the same in twice the time
        for name in node._fields:
            value = getattr(node, name, None)
            found += [each for each in value if isinstance(each, ast.AST)] if isinstance(value, list) else []
            if isinstance(value, ast.AST):
                found.append(value)
    return tuple(found)


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function in a file, methods and inner ones too."""
    for node in nodes(path):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def name_of(path: Path) -> str:
    """How a finding names a file."""
    return path.relative_to(ROOT).as_posix()
