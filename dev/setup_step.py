"""One step of set-up: run a program, show what runs and for how long, explain it when it fails.

The standard library alone: this runs before there is anything else.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

#: What a person can do about a failed download, by what pip and npm say about it.
REASONS = (
    (
        r"CERTIFICATE_VERIFY_FAILED|SELF_SIGNED_CERT|UNABLE_TO_GET_ISSUER|UNABLE_TO_VERIFY",
        """The certificate of the package registry is not trusted. Behind a proxy that has its own certificate
authority, set PIP_CERT and NODE_EXTRA_CA_CERTS to its PEM file.""",
    ),
    (
        r"ProxyError|Tunnel connection failed|\b407\b",
        "The proxy refused the connection. Check HTTPS_PROXY (and NO_PROXY).",
    ),
    (
        r"No space left|ENOSPC",
        "The disk is full; set-up needs about 1 GB.",
    ),
    (
        r"name resolution|NewConnectionError|timed out|No matching distribution|ENOTFOUND|EAI_AGAIN|E(CONN|NET|TIMED)",
        """The package registry could not be reached, or has not got this package. Is there a network?
Behind a proxy set HTTPS_PROXY; for a mirror set PIP_INDEX_URL and npm_config_registry.""",
    ),
)

#: How often a waiting person is told the seconds: a terminal's line is written over, a log gets a line now and then.
TERMINAL_TICK_S = 1.0
LOG_TICK_S = 15.0


class SetupError(Exception):
    """Set-up cannot go on. The text is for the person at the terminal: what failed, why, what to do."""


def run(what: str, command: list[str], *, log_path: Path, cwd: Path, environment: Mapping[str, str]) -> None:
    """Run one step with its output appended to the log. Raises SetupError when it fails."""
    started = time.monotonic()
    with log_path.open("a+b") as log:
        begin = log.seek(0, os.SEEK_END)
        try:
            code = _wait(what, command, log.fileno(), cwd, environment)
        except OSError as error:
            raise SetupError(f"Set-up failed at: {what}. {command[0]} could not be started: {error}") from error
        if code:
            log.seek(begin)
            raise SetupError(explain(what, code, log.read().decode(errors="replace"), log_path))
    _show(f"  {what}: done in {time.monotonic() - started:.0f} s", ends_line=True)


def explain(what: str, code: int, output: str, log_path: Path) -> str:
    """What failed, the likely reason, what to do, and where to read more."""
    said = "\n".join(f"    {line}" for line in output.strip().splitlines()[-8:])
    reason = next((text for pattern, text in REASONS if re.search(pattern, output, re.IGNORECASE)), None)
    lines = [
        f"Set-up failed at: {what} (exit code {code}). The last it said:\n{said}",
        reason,
        f"The full log is {log_path}\nRunning the same command again carries on from here.",
    ]
    return "\n\n".join(line for line in lines if line)


def say(text: str) -> None:
    """Print a line for the waiting person; on stderr, so that a command's own output stays clean."""
    print(text, file=sys.stderr, flush=True)


def output_of(command: list[str]) -> str:
    """What a small command prints, or nothing when it fails."""
    environment = clean_environment()
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def clean_environment() -> dict[str, str]:
    """The environment without what would lead a virtual environment's Python to other packages."""
    # __PYVENV_LAUNCHER__ is how macOS's framework Python tells its children which interpreter they are
    return {k: v for k, v in os.environ.items() if k not in {"PYTHONHOME", "PYTHONPATH", "__PYVENV_LAUNCHER__"}}


def _wait(what: str, command: list[str], log: int, cwd: Path, environment: Mapping[str, str]) -> int:
    started = time.monotonic()
    _show(f"  {what} ...")
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=cwd, env=environment
    ) as process:
        try:
            while True:
                try:
                    return process.wait(timeout=TERMINAL_TICK_S if sys.stderr.isatty() else LOG_TICK_S)
                except subprocess.TimeoutExpired:
                    _show(f"  {what} ... {time.monotonic() - started:.0f} s")
        except BaseException:  # Ctrl-C above all: nothing goes on installing behind the prompt
            process.kill()
            raise


def _show(text: str, *, ends_line: bool = False) -> None:
    """Show how a step stands; a terminal sees one line that is written over."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="\n" if ends_line else "", file=sys.stderr, flush=True)
    else:
        say(text)
