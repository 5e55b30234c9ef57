"""What is installed in Azure: requirements.txt and what that needs. A measured worker sees no other package.

It matters: httpx imports its command line, with rich and pygments, wherever those happen to be installed, as they are
for development. That is 50 ms of a cold start which no deployed app has.
"""

import functools
import re
from collections.abc import Collection, Iterable
from importlib import metadata
from pathlib import Path

_REQUIREMENTS = Path(__file__).parents[2] / "requirements.txt"

#: The library of the Functions worker, which is there without being asked for.
_WORKER = ("azure-functions-runtime",)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@functools.cache
def absent() -> frozenset[str]:
    """Top-level modules that are installed here and would not be there."""
    needed = _needed_by([*_REQUIREMENTS.read_text(encoding="utf-8").splitlines(), *_WORKER])
    owners = metadata.packages_distributions()
    return frozenset(name for name, each in owners.items() if not any(_plain(owner) in needed for owner in each))


def _needed_by(requirements: Iterable[str]) -> Collection[str]:
    """The names of packages, and of all that those need without an extra."""
    found: set[str] = set()
    waiting = [name for line in requirements if (name := _named(line))]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        try:
            more = metadata.requires(name) or []
        except metadata.PackageNotFoundError:  # for another Python or system
            continue
        waiting += [each for line in more if "extra ==" not in line and (each := _named(line))]
    return found


def _named(requirement: str) -> str:
    """The package that a line of requirements is about; empty for a comment."""
    match = _NAME.match(requirement.strip())
    return _plain(match[0]) if match else ""


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
