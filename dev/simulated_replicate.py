"""The Replicate simulator as the app's development starts it: with the app's catalog.

Rule: the simulator knows nothing of the app, so what it is to know is given to it here, and nowhere else.
"""

from importlib.resources import files
from typing import Final

from replicate_simulator.catalog import Catalog, read_catalog

#: The account: docs/requests.md and the tests name its models.
USERNAME: Final = "darkroom-local"
_CATALOG: Final = files("shared.core.catalog") / "catalog.toml"


def arguments() -> list[str]:
    """The options of `python -m replicate_simulator`."""
    return ["--catalog", str(_CATALOG), "--username", USERNAME]


def catalog() -> Catalog:
    """The app's catalog as the simulator reads it, for a simulator in this process."""
    return read_catalog(_CATALOG.read_text(encoding="utf-8"))
