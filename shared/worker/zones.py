"""The zones that an account may have: the names of the tzdata package that is deployed with the app.

A host's own database has more (``localtime``, ``posixrules``, ``right/UTC``), and each host another one by that name.
``Factory`` is no place: it says that none was chosen. Every worker has the package, so it knows every zone that is set.
"""

from functools import lru_cache
from importlib.resources import files


@lru_cache(1)
def zone_names() -> frozenset[str]:
    """The names, read once."""
    return frozenset(files("tzdata").joinpath("zones").read_text("utf-8").split()) - {"Factory"}


def check_zone(name: str) -> None:
    """Raise ValueError, with the name's rule, for any other name."""
    if name not in zone_names():
        raise ValueError("zone must be a name of the IANA time zone database, such as Europe/Berlin")
