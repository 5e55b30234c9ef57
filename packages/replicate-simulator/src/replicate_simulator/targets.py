"""Finds what a request names: a model, a version, a deployment or a trainer.

Rules: an official model runs by its name. A community model runs by a version only, and its name is 404. What a
training made is a community model of the account's own.
"""

from collections.abc import Mapping
from typing import Any

from replicate_simulator.library import Library
from replicate_simulator.models import Model
from replicate_simulator.problems import invalid, not_found, unknown_version
from replicate_simulator.schemas import Target, body_faults, version_faults


def by_name(library: Library, owner: str, name: str) -> Target:
    """Returns the official model of that name; raises a 404 problem."""
    card = library.models.get(f"{owner}/{name}")
    model = card.model if card is not None and card.official else None
    if model is None or model.modality == "training":
        raise not_found()
    return Target(model, "hidden")


def by_deployment(library: Library, owner: str, name: str) -> Target:
    """Returns what a deployment runs: one that was made here its own version, any other what it is named after.

    Raises:
        ProblemError: 404, there is no such model.
    """
    deployed = library.deployments.get(f"{owner}/{name}")
    if deployed is not None:
        target = by_version(library, {"version": deployed.release.version})
        return Target(target.model, target.version, deployed.name)
    models = (card.model for card in library.models.values() if card.name.split("/")[1] == name)
    model = next((each for each in models if each is not None and each.modality != "training"), None)
    if model is None:
        raise not_found()
    return Target(model, f"dp-{model.version or name}", f"{owner}/{name}")


def by_version(library: Library, body: Mapping[str, Any]) -> Target:
    """Returns what `version` names: 64 hex digits, `owner/name:` and those, or an official model's `owner/name`.

    Raises:
        ProblemError: 422, it names nothing. A missing or wrongly typed one is reported with all else that is wrong.
    """
    version = body.get("version")
    if not isinstance(version, str):
        raise invalid([*version_faults(body), *body_faults(body, takes_version=True)])
    card = library.models.get(version)
    if card is not None and card.official and card.model is not None:
        return Target(card.model, "hidden")
    name, _, digits = version.rpartition(":")
    return Target(_version(library, name, digits, trains=False), digits)


def trainer(library: Library, owner: str, name: str, version: str) -> Target:
    """Returns a version of a model that trains; raises a 422 problem."""
    return Target(_version(library, f"{owner}/{name}", version, trains=True), version)


def _version(library: Library, name: str, digits: str, *, trains: bool) -> Model:
    """Returns a version by its digits, of this model or, where none is named, of any."""
    cards = library.models.values() if not name else filter(None, [library.models.get(name)])
    for card in cards:
        for version in card.versions:
            model = version.model
            if version.id == digits and model is not None and (model.modality == "training") == trains:
                return model
    raise unknown_version()
