"""The files that belong to the project: everything below its folder but what .gitignore names. Git is not asked."""

import fnmatch
import os
import re
from collections.abc import Iterator
from pathlib import Path


def project_files(root: Path) -> tuple[Path, ...]:
    """Every file of the project at ``root``, sorted folder by folder."""
    lines = (root / ".gitignore").read_text(encoding="utf-8").splitlines()
    names = [line.strip().rstrip("/") for line in lines if line.strip() and not line.startswith("#")]
    ignored = re.compile("|".join(map(fnmatch.translate, [".git", *names])))

    def walk(folder: Path) -> Iterator[Path]:
        with os.scandir(folder) as entries:
            kept = sorted((entry for entry in entries if not ignored.match(entry.name)), key=lambda entry: entry.name)
        for entry in kept:
            if entry.is_dir():
                yield from walk(folder / entry.name)
            else:
                yield folder / entry.name

    return tuple(walk(root))


def text_of(path: Path) -> str:
    """The text of a file; "" for a file that is not text."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""
