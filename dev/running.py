"""The record of the running local stack, which `up` writes for the other commands; and the lock that allows only one.

Rules of this file:
1. The lock is the system's lock on an open file. It ends with its process, however the process ends.
2. A record without a locked file is ignored: a killed `up` left it behind.
"""

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dev.locks import lock
from dev.process import StartError
from dev.stack import LOCAL

#: `dev cli` and its siblings read the running stack's settings here.
RUNNING = LOCAL / "stack.json"


@contextlib.contextmanager
def only_one(running: Path | None = None) -> Iterator[Path]:
    """Lock this folder's stack until the block ends. StartError if another stack has the lock."""
    file = running or RUNNING
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.with_suffix(".lock").open("a+", encoding="utf-8") as opened:
        if not lock(opened.fileno()):
            raise StartError(
                "A local stack is up already: `python3 -m dev cli` and `python3 -m dev events` talk to it. End it with"
                " Ctrl-C where it runs, then start another."
            )
        try:
            yield file
        finally:
            file.unlink(missing_ok=True)


def record(file: Path, values: Mapping[str, str]) -> None:
    """Write the settings of the running stack. Only its owner may read the file, because it may hold a real token."""
    file.touch(mode=0o600)
    file.write_text(json.dumps({"Values": dict(values)}), encoding="utf-8")


def values() -> dict[str, str]:
    """The settings of the running stack. StartError if no stack runs."""
    try:
        recorded: dict[str, Any] = json.loads(RUNNING.read_text(encoding="utf-8"))
        found = {str(name): str(value) for name, value in recorded["Values"].items()}
    except (OSError, ValueError, KeyError, AttributeError):
        found = {}
    with RUNNING.with_suffix(".lock").open("a+", encoding="utf-8") if found else contextlib.nullcontext() as opened:
        if not found or opened is None or lock(opened.fileno()):
            raise StartError("No local stack is running. Start one with: python3 -m dev up")
    return found
