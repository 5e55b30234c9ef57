"""`darkroom`, the console script of the app's own project."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(sys.prefix) / ("Scripts/darkroom.exe" if sys.platform == "win32" else "bin/darkroom")


@pytest.mark.process
def test_the_script_works_in_any_folder_and_calls_itself_by_its_name(tmp_path: Path) -> None:
    """The lines that it proposes can be pasted as they stand."""
    run = subprocess.run([SCRIPT, "--help"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "Usage: darkroom " in run.stdout
    assert "grant" in run.stdout
