"""One step of set-up: runs a program, shows it with its time, and explains a failure.

Standard library only, because this runs before anything is installed.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

#: What to do about a failed download, by the error text of pip or npm.
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
        """The package registry could not be reached, or does not have this package. Is there a network?
Behind a proxy set HTTPS_PROXY; for a mirror set PIP_INDEX_URL and npm_config_registry.""",
    ),
)

#: How often the seconds are shown: on a terminal the line is rewritten, in a log a line is added now and then.
TERMINAL_TICK_S = 1.0
LOG_TICK_S = 15.0


class SetupError(Exception):
    """Set-up cannot continue. The text says to the person at the terminal what failed, why, and what to do."""


def run(what: str, command: list[str], *, log_path: Path, cwd: Path, environment: Mapping[str, str]) -> None:
    """Run one step and append its output to the log. Raises SetupError when it fails."""
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
    """The failure, its likely reason, what to do, and the path of the log."""
    said = "\n".join(f"    {line}" for line in output.strip().splitlines()[-8:])
    reason = next((text for pattern, text in REASONS if re.search(pattern, output, re.IGNORECASE)), None)
    lines = [
        f"Set-up failed at: {what} (exit code {code}). Its last output:\n{said}",
        reason,
        f"The full log is {log_path}\nRun the same command again to continue from here.",
    ]
    return "\n\n".join(line for line in lines if line)


def say(text: str) -> None:
    """Print a line for the person who waits; on stderr, so that a command's own output stays clean."""
    print(text, file=sys.stderr, flush=True)


def output_of(command: list[str]) -> str:
    """The output of a small command, or an empty text if it fails."""
    environment = clean_environment()
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def clean_environment() -> dict[str, str]:
    """The environment without variables that would make a virtual environment's Python use other packages."""
    # __PYVENV_LAUNCHER__ is how macOS's framework Python names the interpreter to its children
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
        except BaseException:  # above all on Ctrl-C: no installation may continue behind the prompt
            process.kill()
            raise


def _show(text: str, *, ends_line: bool = False) -> None:
    """Show the progress of a step; on a terminal the line is rewritten."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="\n" if ends_line else "", file=sys.stderr, flush=True)
    else:
        say(text)
