"""`python3 -m shared.cli ...`, by any Python: without the packages it continues in the project's `.venv`.

The console script `darkroom` of the app's own project calls the same ``main``.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

_VENV = Path(__file__).parents[2] / ".venv"
_PYTHON = _VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _run_in_venv() -> int:
    if not _PYTHON.exists() or Path(sys.prefix).resolve() == _VENV.resolve():
        needs = "The command line needs the packages of requirements-dev.txt"
        sys.stderr.write(f"{needs}: `python3 -m dev check` makes .venv/ with them.\n")
        return 2
    command = [str(_PYTHON), "-m", "shared.cli", *sys.argv[1:]]
    if os.name != "nt":  # on Windows, execv returns to the shell before the command has ended
        os.execv(command[0], command)  # noqa: S606  # our own argument list, without a shell
    return subprocess.run(command, check=False).returncode  # noqa: S603  # as above


def main() -> int:
    """Run the command that the process was started with. Returns its exit code."""
    if importlib.util.find_spec("typer") is None:
        return _run_in_venv()
    from shared.cli.main import PROGRAM, run  # noqa: PLC0415  # it imports typer, which may be missing

    called_as = Path(sys.argv[0]).stem
    return run(sys.argv[1:], program="darkroom" if called_as == "darkroom" else PROGRAM)


if __name__ == "__main__":
    sys.exit(main())
