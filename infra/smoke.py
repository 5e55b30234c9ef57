#!/usr/bin/env python3
"""After a deployment: Azure has found every function of the app, and its health route answers.

    FUNCTION_APP_NAME=... AZURE_RESOURCE_GROUP=... FUNCTION_APP_URL=... python3 infra/smoke.py

The standard library alone. A start takes a while and a new role up to minutes, so it looks again for ``WITHIN_S``; what
was still wrong at the end is said.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path

WITHIN_S, PAUSE_S, ANSWER_S = 300, 10, 30

APP = Path(__file__).resolve().parent.parent / "function_app.py"


def missing(env: Mapping[str, str]) -> str:
    """Returns which functions Azure has not found; empty if none is missing."""
    az = shutil.which("az", path=env.get("PATH"))
    if az is None:
        return "az is not on PATH"
    where = ("--name", env.get("FUNCTION_APP_NAME", ""), "--resource-group", env.get("AZURE_RESOURCE_GROUP", ""))
    command = [az, "functionapp", "function", "list", *where, "--query", "[].name", "--output", "json"]
    done = subprocess.run(command, env=dict(env), check=False, capture_output=True, text=True)  # noqa: S603  # our own words
    if done.returncode:
        return f"az functionapp function list: {done.stderr.strip()[-300:]}"
    found = {name.rpartition("/")[2] for name in json.loads(done.stdout)}
    wanted = set(re.findall(r'^@app\.function_name\("(\w+)"\)$', APP.read_text(encoding="utf-8"), re.MULTILINE))
    return f"Azure has not found {', '.join(sorted(wanted - found))}" if wanted - found else ""


def ill(env: Mapping[str, str]) -> str:
    """Returns what the health route reports as wrong; empty if all is well."""
    url = f"{env.get('FUNCTION_APP_URL', '').rstrip('/')}/api/health"
    if not url.startswith(("https://", "http://127.0.0.1:")):
        return "FUNCTION_APP_URL is not an https address"
    try:
        with urllib.request.urlopen(url, timeout=ANSWER_S):  # noqa: S310  # its scheme was looked at
            return ""
    except urllib.error.HTTPError as error:
        with error:
            return f"/api/health answers {error.code}: {error.read(2000).decode(errors='replace')}"
    except OSError as error:
        return f"/api/health does not answer: {error}"


def main(env: Mapping[str, str], sleep: Callable[[float], None] = time.sleep) -> int:
    """Returns 0 if the app runs, else 1 after printing the last findings."""
    for tried in range(WITHIN_S // PAUSE_S):
        found = [finding for finding in (missing(env), ill(env)) if finding]
        if not found:
            sys.stdout.write("Every function is there, and /api/health is well.\n")
            return 0
        sys.stdout.write(f"{tried * PAUSE_S:4} s: {'; '.join(found)}\n")
        sys.stdout.flush()
        sleep(PAUSE_S)
    sys.stderr.write("\n".join(found) + "\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(os.environ))
