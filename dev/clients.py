"""Replicate's own clients, for the test that runs them against the simulator: each in a folder of its own.

The two Python clients have one name, so they cannot be in one environment; neither is needed by anything else. What
they need besides is in the environment already, so only they themselves are installed. Standard library only: set-up
runs this.
"""

import hashlib
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

#: What is to be installed, exactly.
PACKAGE = Path(__file__).parent / "clients_package"

#: The Python clients, by their folder.
PYTHON = ("python-1", "python-2")
JAVASCRIPT = "javascript"

Run = Callable[[str, list[str], Path | None], None]


def folder_of(local: Path, client: str) -> Path:
    """Where a client is, once it is installed."""
    return local / "clients" / client


def is_installed(local: Path, client: str) -> bool:
    """Whether a client is there, whole, in the version that is wanted."""
    stamp = folder_of(local, client) / "installed"
    return stamp.exists() and stamp.read_text(encoding="utf-8") == _wanted(client)


def install(local: Path, pip: Sequence[str], npm: Sequence[str], run: Run) -> None:
    """Install what is not there yet."""
    for client in PYTHON:
        if not is_installed(local, client):
            folder = _fresh(local, client)
            wanted = str(PACKAGE / f"{client}.txt")
            command = [*pip, "install", "--no-deps", "--target", str(folder), "--requirement", wanted]
            run(f"Replicate's client ({client})", command, None)
            (folder / "installed").write_text(_wanted(client), encoding="utf-8")
    if not is_installed(local, JAVASCRIPT):
        folder = _fresh(local, JAVASCRIPT)
        for name in ("package.json", "package-lock.json"):
            shutil.copyfile(PACKAGE / name, folder / name)
        command = [*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        run("Replicate's client (javascript)", command, folder)
        (folder / "installed").write_text(_wanted(JAVASCRIPT), encoding="utf-8")


def _fresh(local: Path, client: str) -> Path:
    folder = folder_of(local, client)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _wanted(client: str) -> str:
    name = "package-lock.json" if client == JAVASCRIPT else f"{client}.txt"
    return hashlib.sha256((PACKAGE / name).read_bytes()).hexdigest()
