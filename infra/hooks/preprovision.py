#!/usr/bin/env python3
"""Before provisioning: remember the month in which the budget began.

Azure takes a budget's first day only from the month in which it is made, and refuses to change it later. So the
first run writes it into azd's environment, and every later run finds it there. The standard library alone.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, date, datetime

NAME = "BUDGET_START"


def main(env: Mapping[str, str], today: date) -> int:
    """Set BUDGET_START where it is not set; 1 when it cannot be."""
    if env.get(NAME, "").strip():
        return 0
    if env.get("CI"):
        # A runner forgets: it would set another month every month.
        sys.stderr.write(f"{NAME} is missing. Run `azd pipeline config`, or set the variable to the budget's month.\n")
        return 1
    azd = shutil.which("azd", path=env.get("PATH"))
    if azd is None:
        sys.stderr.write("azd is not on PATH.\n")
        return 1
    first = today.replace(day=1).isoformat()
    return subprocess.run([azd, "env", "set", NAME, first], env=dict(env), check=False).returncode  # noqa: S603  # our own words


if __name__ == "__main__":
    sys.exit(main(os.environ, datetime.now(UTC).date()))
