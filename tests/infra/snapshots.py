"""Reading the snapshots of infra/environments: what each environment would be made of, with names, ids and properties.

What depends on Azure's answers stays an expression in square brackets, and so does what is secret.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

INFRA = Path(__file__).parents[2] / "infra"

ENVIRONMENTS = ("dev", "staging", "prod", "closed")

#: The id that everything of a subscription begins with.
SUBSCRIPTION = "/subscriptions/11111111-1111-1111-1111-111111111111"


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource of an environment."""

    environment: str
    body: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """The type, without the version."""
        return str(self.body["type"])

    @property
    def id(self) -> str:
        """The full resource id."""
        return str(self.body["id"])

    @property
    def name(self) -> str:
        """The last part of the name: a child's name has its parents' before it."""
        return str(self.body["name"]).rpartition("/")[2]

    def at(self, path: str) -> Any:
        """The value at a path such as ``properties.siteConfig``; None where there is none."""
        value: Any = self.body
        for part in path.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        return value

    def __str__(self) -> str:
        return f"{self.environment}: {self.kind} {self.name}"


Snapshot = Mapping[str, Any]
Snapshots = Mapping[str, Snapshot]


@cache
def _text(environment: str) -> str:
    return (INFRA / "environments" / f"{environment}.snapshot.json").read_text(encoding="utf-8")


def snapshots() -> dict[str, Any]:
    """Every environment's snapshot, in a copy that a test may change."""
    return {environment: snapshot(environment) for environment in ENVIRONMENTS}


def snapshot(environment: str) -> dict[str, Any]:
    """One environment's, in a copy that a test may change: to read it again takes a quarter of copying it deeply."""
    read: dict[str, Any] = json.loads(_text(environment))
    return read


def resources(all_snapshots: Snapshots, *kinds: str) -> Iterator[Resource]:
    """The resources of these kinds in every environment; of all kinds where none is named."""
    for environment, snapshot in all_snapshots.items():
        for body in snapshot["predictedResources"]:
            if not kinds or body["type"] in kinds:
                yield Resource(environment, body)


def one(environment: str, kind: str, name: str = "") -> Resource:
    """The one resource of a kind, or the one whose name begins so."""
    found = [each for each in resources({environment: snapshot(environment)}, kind) if each.name.startswith(name)]
    assert len(found) == 1, (environment, kind, name, found)
    return found[0]


def app_settings(environment: str) -> dict[str, str]:
    """The settings that the app is deployed with."""
    found: dict[str, str] = one(environment, "Microsoft.Web/sites/config", "appsettings").at("properties")
    return found
