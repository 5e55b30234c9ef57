"""`python3 -m dev check`: formatting, lint, types, imports, templates. All of them run, even when one fails."""

import os
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

#: Where pip put the commands of the packages; `.venv` need not be activated.
SCRIPTS = Path(sysconfig.get_path("scripts"))

CHECKS = {
    "format": ["ruff", "format", "--check"],
    "lint": ["ruff", "check"],
    "types": ["mypy"],
    "imports": ["lint-imports"],
    "templates": ["python", "-m", "dev.templates"],
}


def main(argv: list[str]) -> int:
    """Run every check; returns 1 when one of them found something."""
    if argv:
        print("check takes no arguments", file=sys.stderr)
        return 2
    return run_all(CHECKS)


def run_all(checks: dict[str, list[str]]) -> int:
    """Run commands of `.venv`, each named with its time; returns 1 when one of them failed."""
    failed = [name for name, command in checks.items() if not _passes(name, command)]
    if failed:
        print(f"\nfailed: {', '.join(failed)}", flush=True)
    return 1 if failed else 0


def compiling() -> dict[str, str]:
    """This environment, in which Python keeps what it compiles: without that each process of each test begins with it.

    Containers often have PYTHONDONTWRITEBYTECODE; `__pycache__` is in .gitignore and in nobody's package.
    """
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _passes(name: str, command: list[str]) -> bool:
    print(f"--- {name}: {' '.join(command)}", flush=True)
    started = time.monotonic()
    code = subprocess.run([str(SCRIPTS / command[0]), *command[1:]], env=compiling(), check=False).returncode
    print(f"--- {name}: {'passed' if code == 0 else 'FAILED'} in {time.monotonic() - started:.1f} s", flush=True)
    return code == 0
