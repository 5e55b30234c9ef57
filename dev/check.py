"""`python3 -m dev check`: formatting, lint, types, imports, sizes, the docs' tables, the templates.

All of them run, even when one fails.
"""

import os
import re
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

#: Where pip puts the commands of the packages. `.venv` need not be activated.
SCRIPTS = Path(sysconfig.get_path("scripts"))

#: A terminal's colours, and the last line of pytest's output: the counts by outcome, and the time.
COLOUR = re.compile(r"\x1b\[[0-9;]*[mK]")
PYTEST_ENDS = re.compile(r"\b(?:passed|failed|skipped|deselected|errors?|no tests ran)\b.* in [\d.]+s\b")

CHECKS = {
    "format": ["ruff", "format", "--check"],
    "lint": ["ruff", "check"],
    "types": ["mypy"],
    "imports": ["lint-imports"],
    "fields": ["python", "-m", "dev.fields"],
    "templates": ["python", "-m", "dev.templates", "--if-changed"],
}


#: What tests hold of the source: sizes, seams without bare strings, what is screened. `dev test` has them anyway.
RULES = {
    "rules": [
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "tests/test_rules.py",
        "tests/test_seams.py",
        "tests/core/test_request_fields.py",
    ]
}


def main(argv: list[str]) -> int:
    """Run every check; returns 1 when one of them failed."""
    if argv:
        print("check takes no arguments", file=sys.stderr)
        return 2
    return run_all(CHECKS, RULES)


def run_all(*lanes: Mapping[str, list[str]]) -> int:
    """Run commands of `.venv`, each with its name and time; returns 1 when one of them failed.

    Args:
        lanes: by name, commands that run one after the other. The lanes run side by side. The last lane's output is
            shown live. Each command of the other lanes is shown when it ends. At the end the skipped tests are counted.
    """
    printing = threading.RLock()
    with ThreadPoolExecutor(len(lanes)) as pool:
        running = [
            pool.submit(_lane, commands, printing, seen=number == len(lanes))
            for number, commands in enumerate(lanes, 1)
        ]
        ended = [each for lane in running for each in lane.result()]
    counts = [each.skipped for each in ended if each.skipped is not None]
    if counts:
        print(f"\nskipped: {sum(counts)} tests, each with its reason above", flush=True)
    failed = [each.name for each in ended if each.code]
    if failed:
        print(f"\nfailed: {', '.join(failed)}", flush=True)
    return 1 if failed else 0


def compiling() -> dict[str, str]:
    """This process's environment, with Python's bytecode cache switched on.

    Containers often set PYTHONDONTWRITEBYTECODE, and then each process of each test would compile every module again.
    `__pycache__` is in .gitignore and in no package.
    """
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


@dataclass(frozen=True, slots=True)
class _Ended:
    """A command that ended: its exit code, and how many tests it skipped (None if it ran none)."""

    name: str
    code: int
    skipped: int | None


def _lane(commands: Mapping[str, list[str]], printing: threading.RLock, *, seen: bool) -> list[_Ended]:
    """Run the commands of one lane in order, even when one fails."""
    return [_ran(name, command, printing, seen=seen) for name, command in commands.items()]


def _ran(name: str, command: list[str], printing: threading.RLock, *, seen: bool) -> _Ended:
    """Run one command. Its output is printed live in the last lane, and all at once at its end in the others."""
    head, started, said = f"--- {name}: {' '.join(command)}\n", time.monotonic(), list[str]()

    def say(text: str) -> None:
        if seen:
            with printing:
                print(text, end="", flush=True)

    say(head)
    program = [str(SCRIPTS / command[0]), *command[1:]]
    pipe, both = subprocess.PIPE, subprocess.STDOUT
    with subprocess.Popen(
        program, env=_environment(), stdout=pipe, stderr=both, text=True, errors="replace"
    ) as process:
        for line in process.stdout or ():
            said.append(line)
            say(line)
    code = process.returncode
    foot = f"--- {name}: {'passed' if code == 0 else 'FAILED'} in {time.monotonic() - started:.1f} s\n"
    say(foot)
    if not seen:
        with printing:
            print(head, *said, foot, sep="", end="", flush=True)
    return _Ended(name, code, skipped_of(said[-1]) if said else None)


def skipped_of(line: str) -> int | None:
    """How many tests were skipped according to pytest's last line; None for any other line."""
    plain = COLOUR.sub("", line)
    if not PYTEST_ENDS.search(plain):
        return None
    found = re.search(r"(\d+) skipped", plain)
    return int(found[1]) if found else 0


def _environment() -> dict[str, str]:
    """This process's environment; commands print colours when the output is a terminal."""
    return compiling() | ({"FORCE_COLOR": "1"} if sys.stdout.isatty() else {})
