"""The commands of `python3 -m dev`: their names, their help, and the switch into the virtual environment.

A command is a module `dev.NAME` with `main(argv) -> exit code`. It is imported only when it is called, and only
inside `.venv`. This file and its imports use the standard library alone, because they run before anything is installed.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Callable

from dev import setup
from dev.setup_step import SetupError, clean_environment

COMMANDS = {
    "demo": "send generations through the local stack, show each step, exit",
    "up": "keep the local stack running until Ctrl-C; prints the addresses and lines to try",
    "cli": "the operators' command line against the running local stack",
    "send": "put a message on the running local stack's queue",
    "events": "print the running local stack's events as they come",
    "env": "the running local stack's settings, for a shell",
    "test": "the checks and the tests (arguments go to pytest); --quick: without processes",
    "check": "formatting, lint, types, import contracts",
    "coverage": "the tests without processes, and how much of the app they run: at least 85 %",
    "fields": "docs/requests.md and the JSON Schema against the table of request fields (--write makes them anew)",
    "templates": "infra/ through the Bicep compiler (--write makes the snapshots anew; --if-changed)",
    "architecture": "docs/architecture.md against the code (--write makes its diagram and table anew)",
    "words": "where a retired word is still used, and what replaces it (arguments: paths; --write)",
    "checkov": "the rules of checkov over what infra/ would deploy",
    "bench": "measure the local stack",
    "disguises": "disguised words against the blocklist, and harmless sentences (arguments: --seed, --harmless)",
    "chaos": "kill the local stack's processes under load, then check the invariants",
    "crash_points": "every effect of every flow goes wrong in every way: all schedules, for minutes",
    "simulate": "run thousands of faulty histories on virtual time",
    "fairness": "waits in a queue of many accounts, with turns and without them, on virtual time",
    "budget": "many requests at once at accounts with room for a few: how many get through, here and in other designs",
    "crowd": "one account, many generations a second, several processes: how long a move takes, and what it costs",
    "outage": "an hour without Replicate under load, on virtual time",
    "fuzz": "mutated pictures, or messages, by the thousand: every one is read or refused",
}

HELP = """usage: python3 -m dev COMMAND [arguments]

{commands}

The first run sets up .venv/ and .local/ in this folder; delete both to start over."""


def main(argv: list[str]) -> int:
    """Set up what is missing and run one command; returns its exit code, 1 if its answer cannot be written."""
    if not argv or argv[0] in {"-h", "--help", "help"}:
        print(_help())
        return 0
    if argv[0] not in COMMANDS:
        print(f"There is no command {argv[0]!r}.\n\n{_help()}", file=sys.stderr)
        return 2
    try:
        setup.prepare(setup.PROJECT)
    except SetupError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted. The next run carries on from here.", file=sys.stderr)
        return 130  # the exit code that a shell reports for a command ended by Ctrl-C
    if not setup.PROJECT.is_running():
        return _again_inside_venv(argv)
    from shared.cli.stdout import answered  # noqa: PLC0415  # set-up and its help need nothing but this folder

    command: Callable[[list[str]], int] = importlib.import_module(f"dev.{argv[0]}").main
    return answered(lambda: command(argv[1:]))


def _help() -> str:
    return HELP.format(commands="\n".join(f"  {name:<12} {text}" for name, text in COMMANDS.items()))


def _again_inside_venv(argv: list[str]) -> int:
    command = [str(setup.PROJECT.python), "-m", "dev", *argv]
    environment = clean_environment()
    if os.name != "nt":  # on Windows exec would return to the shell before the command has ended
        os.execve(command[0], command, environment)  # noqa: S606 - an argument list of our own, no shell wanted
    return subprocess.run(command, env=environment, check=False).returncode
