"""`python3 -m dev architecture [--write]`: compares docs/architecture.md with the code.

Without `--write` it prints what is stale and exits with 1. With it, it writes the generated parts anew: the
state diagram, from NEXT in shared/core/lifecycle/state.py, and the table fact x state, by running every transition.

facts.py    a generation in each state, and every fact as a transition
drawing.py  the diagram and the table, as text

Rules of this file:
1. A generated part stands between `<!-- generated: NAME -->` and `<!-- end of NAME -->`; the rest is written by hand.
2. The tree of folders is written by hand: one line says what a folder is for. The check is that each folder has a line.
"""

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from dev.project_files import project_files

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "architecture.md"

#: The page names the folders of these, down to this depth. A deeper folder belongs to its parent's line.
_DEPTHS = {"shared": 9, "dev": 2, "packages": 2, "tests": 2}


def main(argv: Sequence[str]) -> int:
    """Compare the page with the code, or write it. Returns 1 if something is stale."""
    parser = argparse.ArgumentParser(prog="python3 -m dev architecture", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--write", action="store_true", help="write the generated parts of the page anew")
    text = PAGE.read_text(encoding="utf-8")
    if parser.parse_args(argv).write:
        text = renewed(text)
        PAGE.write_text(text, encoding="utf-8")
    found = list(stale(text))
    for line in found:
        print(line, file=sys.stderr)
    if not found:
        print("docs/architecture.md is what the code says.")
    return 1 if found else 0


def stale(text: str, root: Path = ROOT) -> Iterator[str]:
    """Yields a sentence for each part of the page that differs from the code."""
    for name, part in _parts().items():
        if part not in text:
            yield f"docs/architecture.md: {name!r} is stale: python3 -m dev architecture --write"
    on_page, there = set(folders_on_page(text)), folders(root)
    for folder in sorted(there - on_page):
        yield f"docs/architecture.md: the tree has no line for {folder}/"
    for folder in sorted(on_page - there):
        yield f"docs/architecture.md: the tree has a line for {folder}/, which does not exist"


def renewed(text: str) -> str:
    """Returns the page with its generated parts made from the code as it is now."""
    for name, part in _parts().items():
        begin, end = _marks(name)
        before, found, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        if not found or not closed:
            raise SystemExit(f"docs/architecture.md must have {begin!r} and {end!r}")
        text = f"{before}{part}{after}"
    return text


def folders(root: Path = ROOT) -> set[str]:
    """The folders with files that the page must name."""
    found = set()
    for path in project_files(root):
        parts = path.relative_to(root).parts[:-1]
        if parts and parts[0] in _DEPTHS:
            found.add("/".join(parts[: _DEPTHS[parts[0]]]))
    return found


def folders_on_page(text: str) -> list[str]:
    """The folders that the page's tree names."""
    return re.findall(rf"^((?:{'|'.join(_DEPTHS)})(?:/[\w-]+)*)/ +\S", text, re.MULTILINE)


def _marks(name: str) -> tuple[str, str]:
    return f"<!-- generated: {name} -->", f"<!-- end of {name} -->"


def _parts() -> dict[str, str]:
    from dev.architecture import drawing  # noqa: PLC0415 - the core's samples are made when they are needed

    parts = {"states": drawing.diagram(), "facts": drawing.table()}
    return {name: f"{_marks(name)[0]}\n{part}\n{_marks(name)[1]}" for name, part in parts.items()}
