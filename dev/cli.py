"""`python3 -m dev cli ...`: the operators' command line against the running local stack."""

import os
import sys

from dev import running
from dev.process import StartError


def main(argv: list[str]) -> int:
    """Run shared.cli with the settings of the running stack; 1 if no stack runs."""
    try:
        os.environ.update(running.values())
    except StartError as error:
        print(error, file=sys.stderr)
        return 1
    from shared.cli.main import run  # noqa: PLC0415  # it reads the environment that was set above

    return run(argv, program="python3 -m dev cli")
