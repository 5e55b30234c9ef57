"""The packages installed in Azure: requirements.txt and its dependencies. A measured worker sees no other package.

This matters because httpx imports its command line, with rich and pygments, if those are installed, as they are for
development. That takes 50 ms of a cold start, which no deployed app spends.
"""

import functools
import re
from collections.abc import Collection, Iterable
from importlib import metadata
from pathlib import Path

_REQUIREMENTS = Path(__file__).parents[2] / "requirements.txt"

#: The Functions worker's library, which is installed without being in requirements.txt.
_WORKER = ("azure-functions-runtime",)

#: This project itself, installed editable. Every measured app has modules of the same names: they are not hidden.
_OWN = "darkroom"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@functools.cache
def absent() -> frozenset[str]:
    """Top-level modules that are installed here and not in Azure."""
    needed = _needed_by([*_REQUIREMENTS.read_text(encoding="utf-8").splitlines(), *_WORKER])
    owners = metadata.packages_distributions()
    needed = {*needed, _OWN}
    return frozenset(name for name, each in owners.items() if not any(_plain(owner) in needed for owner in each))


def _needed_by(requirements: Iterable[str]) -> Collection[str]:
    """The names of these packages and of all their dependencies without extras."""
    found: set[str] = set()
    waiting = [name for line in requirements if (name := _named(line))]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        try:
            more = metadata.requires(name) or []
        except metadata.PackageNotFoundError:  # a dependency for another Python or system
            continue
        waiting += [each for line in more if "extra ==" not in line and (each := _named(line))]
    return found


def _named(requirement: str) -> str:
    """The package in a line of requirements.txt; empty for a comment."""
    match = _NAME.match(requirement.strip())
    return _plain(match[0]) if match else ""


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
