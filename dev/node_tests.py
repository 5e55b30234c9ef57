"""Installs the Node packages for tests of `packages/*`: each `tests/node/` has a package.json and its lock.

Rules of this file:
1. Standard library only, because set-up runs this.
2. Nothing else needs these packages. Without them the tests are skipped and say so.
"""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

Run = Callable[[str, list[str], Path | None], None]


def locks(root: Path) -> list[Path]:
    """The lock files; `npm ci` runs in the folder of each."""
    return sorted(root.glob("packages/*/tests/node/package-lock.json"))


def install(root: Path, npm: Sequence[str], run: Run) -> None:
    """Install the packages whose installed version differs from the lock. `run` raises SetupError when npm fails."""
    for lock in locks(root):
        installed = lock.parent / "node_modules" / "installed"
        wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
        if installed.exists() and installed.read_text(encoding="utf-8") == wanted:
            continue
        package = lock.parents[2].name
        # `ci` first deletes node_modules and the mark in it, so an interrupted install is repeated
        run(f"Node packages ({package})", [*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], lock.parent)
        installed.write_text(wanted, encoding="utf-8")
