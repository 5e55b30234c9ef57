"""The folder of one run of the local stack, `.local/run-*`: made, removed, and removed later if the run was killed.

Rules of this file:
1. Its settings may hold a real token, so it does not stay behind. Whoever has its lock is alive (locks.py).
2. A folder without a lock may be one that is made at this moment: only an old one is removed.
"""

import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from dev.locks import lock

#: A folder without a lock is removed after a day.
_OLD_S = 86_400


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The folder of a run that goes on."""

    path: Path
    _lock: IO[str]

    def remove(self) -> None:
        """Remove it with all that is in it."""
        self._lock.close()
        shutil.rmtree(self.path, ignore_errors=True)


def make(local: Path) -> RunFolder:
    """A new folder, locked as long as this process lives."""
    local.mkdir(parents=True, exist_ok=True)
    path = Path(tempfile.mkdtemp(prefix="run-", dir=local))
    opened = (path / "lock").open("w", encoding="utf-8")
    lock(opened.fileno())
    return RunFolder(path, opened)


def remove_left_behind(local: Path) -> None:
    """Remove the folders of runs that were killed."""
    for path in local.glob("run-*"):
        if _is_left_behind(path):
            shutil.rmtree(path, ignore_errors=True)


def _is_left_behind(path: Path) -> bool:
    try:
        with (path / "lock").open("r+", encoding="utf-8") as opened:
            return lock(opened.fileno())
    except FileNotFoundError:
        pass
    except OSError:
        return False
    try:
        return time.time() - path.stat().st_mtime > _OLD_S
    except OSError:  # its run has just ended
        return False
