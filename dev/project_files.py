"""The files that belong to the project: everything below its folder but what .gitignore names. Git is not asked."""

import fnmatch
from collections.abc import Iterator
from pathlib import Path


def project_files(root: Path) -> tuple[Path, ...]:
    """Every file of the project at ``root``, sorted folder by folder."""
    lines = (root / ".gitignore").read_text(encoding="utf-8").splitlines()
    ignored = [line.strip().rstrip("/") for line in lines if line.strip() and not line.startswith("#")]

    def walk(folder: Path) -> Iterator[Path]:
        for path in sorted(folder.iterdir()):
            if path.name == ".git" or any(fnmatch.fnmatch(path.name, pattern) for pattern in ignored):
                continue
            if path.is_dir():
                yield from walk(path)
            else:
                yield path

    return tuple(walk(root))


def text_of(path: Path) -> str:
    """The text of a file; "" for a file that is not text."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""
