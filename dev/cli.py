"""`python3 -m dev cli ...`: the operators' command line against the running local stack."""

import json
import os
import sys

from dev.up import running_settings


def main(argv: list[str]) -> int:
    """Run shared.cli with the settings of the stack that is up; 1 if none is."""
    file = running_settings()
    if file is None:
        print("No local stack is running. Start one with: python3 -m dev up", file=sys.stderr)
        return 1
    os.environ.update(json.loads(file.read_text(encoding="utf-8"))["Values"])
    from shared.cli.main import run  # noqa: PLC0415  # it reads the environment that was set above

    return run(argv, program="python3 -m dev cli")
