"""Replicate's own clients, for the test that runs them against the simulator. Each is in a folder of its own.

The two Python clients have the same package name, so they cannot share an environment. Only that one test needs them.
What they depend on is in the environment already, so only the clients themselves are installed. Standard library only,
because set-up runs this.
"""

import hashlib
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

#: The exact version of each client.
PACKAGE = Path(__file__).parent / "clients_package"

#: The Python clients, by their folder.
PYTHON = ("python-1", "python-2")
JAVASCRIPT = "javascript"

Run = Callable[[str, list[str], Path | None], None]


def folder_of(local: Path, client: str) -> Path:
    """The folder of an installed client."""
    return local / "clients" / client


def is_installed(local: Path, client: str) -> bool:
    """Whether the whole client is installed in the required version."""
    stamp = folder_of(local, client) / "installed"
    return stamp.exists() and stamp.read_text(encoding="utf-8") == _wanted(client)


def install(local: Path, pip: Sequence[str], npm: Sequence[str], run: Run) -> None:
    """Install the clients that are missing."""
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
