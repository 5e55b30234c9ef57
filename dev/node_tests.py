"""What tests of `packages/*` run under Node: each `tests/node/` has a package.json and its lock.

Rules:
- standard library only: set-up runs this;
- nothing but these tests needs it: without, they are skipped and say so.
"""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

Run = Callable[[str, list[str], Path | None], None]


def locks(root: Path) -> list[Path]:
    """The lock files; `npm ci` runs beside each."""
    return sorted(root.glob("packages/*/tests/node/package-lock.json"))


def install(root: Path, npm: Sequence[str], run: Run) -> None:
    """Install what is not there yet in the version of its lock; SetupError from `run` when npm fails."""
    for lock in locks(root):
        installed = lock.parent / "node_modules" / "installed"
        wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
        if installed.exists() and installed.read_text(encoding="utf-8") == wanted:
            continue
        package = lock.parents[2].name
        # `ci` begins by deleting node_modules, and the mark with it: an interrupted one is done again
        run(f"Node packages ({package})", [*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], lock.parent)
        installed.write_text(wanted, encoding="utf-8")
