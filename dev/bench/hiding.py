"""Hides modules from a measured worker: what is not there in Azure (deployed.py says which) is not there for it."""

import sys
from collections.abc import Collection, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType


def without(names: Collection[str]) -> type[PathFinder]:
    """The finder of what is installed, to which these top-level modules are not."""
    hidden = frozenset(names)

    class Finder(PathFinder):
        @classmethod
        def find_spec(
            cls, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
        ) -> ModuleSpec | None:
            if path is None and fullname in hidden:
                return None
            return super().find_spec(fullname, path, target)

    return Finder


def hide(names: Collection[str]) -> None:
    """Let nothing find these from now on."""
    sys.meta_path[:] = [without(names) if finder is PathFinder else finder for finder in sys.meta_path]
