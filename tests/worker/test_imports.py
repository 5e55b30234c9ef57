"""The message handler is tested without an Azure SDK: importing a port must not import one."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]

#: Imports every module of the fakes and of these tests, where no library of Azure's can be found.
_IMPORT = """
import importlib, pkgutil, sys

class NoSdk:
    def find_spec(self, name, path=None, target=None):
        if name == "azure" or name.startswith("azure."):
            raise ImportError(f"{name} is an SDK's")

sys.meta_path.insert(0, NoSdk())
imported = 0
for package in ("dev.fakes", "tests.worker"):
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__, f"{package}."):
        importlib.import_module(module.name)
        imported += 1
print(imported)
"""


def test_the_fakes_and_the_tests_of_the_message_handler_need_no_sdk() -> None:
    """All of them are imported in a process where ``azure`` cannot be."""
    command = [sys.executable, "-c", _IMPORT]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 30
