"""The Replicate simulator as this repository starts it: with the app's catalog.

Rule of this file: the simulator knows nothing of the app, so only this file passes it the app's catalog and account.
"""

from importlib.resources import files
from typing import Final

from replicate_simulator.catalog import Catalog, read_catalog

#: The simulated account. docs/requests.md and the tests name its models.
USERNAME: Final = "darkroom-local"
_CATALOG: Final = files("shared.core.catalog") / "catalog.toml"


def arguments() -> list[str]:
    """The options of `python -m replicate_simulator`."""
    return ["--catalog", str(_CATALOG), "--username", USERNAME]


def catalog() -> Catalog:
    """The app's catalog in the simulator's form, for a simulator in this process."""
    return read_catalog(_CATALOG.read_text(encoding="utf-8"))
