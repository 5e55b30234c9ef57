"""Hides modules from a measured worker: it must not import what Azure does not have (deployed.py lists it)."""

import sys
from collections.abc import Collection, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType


def without(names: Collection[str]) -> type[PathFinder]:
    """A finder of installed modules that does not find these top-level modules."""
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
    """Let no finder find these modules from now on.

    An editable install adds a finder of its own, which would find this project's app in the place of another design's.
    """
    finders = [finder for finder in sys.meta_path if "__editable__" not in str(getattr(finder, "__module__", ""))]
    sys.meta_path[:] = [without(names) if finder is PathFinder else finder for finder in finders]
