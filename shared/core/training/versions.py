"""The versions that an account has trained: models of this account alone.

Rules of this file:
1. A version is named as its provider names it, ``owner/name:version``. Its row is in the partition of the account that
   trained it, and is saved with the training's end. So it can be used at once, and to another account it is unknown.
2. It inherits inputs, tier, policy and price from the entry that its trainer names (``version_entry``). Nothing falls
   back to it, and it falls back to nothing: another model has not learned what it has.
3. The name comes from the provider. Only a version of the training's own destination is saved.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from shared.core.catalog.catalog import Catalog, Model, Status
from shared.core.keys import Key
from shared.core.requests.messages import GenerationRequest
from shared.core.values import replace

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}/[a-z0-9][a-z0-9._-]{0,63}:[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedVersion:
    """A version that an account has trained. ``entry`` is the catalogue's entry from which it inherits.

    ``key`` is the training, ``trainer`` its model. ``weights`` is the output that has the weights.
    """

    name: str
    entry: str
    trainer: str
    key: Key
    made_at: datetime
    weights: str = ""


def is_version_of(name: str, destination: str) -> bool:
    """Whether this is the name of a version of the model ``destination``."""
    return _NAME.fullmatch(name) is not None and name.partition(":")[0] == destination


def version_named(catalog: Catalog, model: str | None) -> str:
    """The version that a request names as its model. Empty if it names none, or a model of the catalogue."""
    if model is None or ":" not in model or _NAME.fullmatch(model) is None or catalog.find(model) is not None:
        return ""
    return model


def version_asked_for(catalog: Catalog, request: GenerationRequest) -> str:
    """The version that a request names, as its model or as the weights that its model loads. Empty if it names none."""
    return version_named(catalog, request.model) or _weights_named(request)


def _weights_named(request: GenerationRequest) -> str:
    weights = request.lora_weights
    return weights if weights is not None and _NAME.fullmatch(weights) is not None else ""


def unfit_weights(request: GenerationRequest, own_version: str, hosts: Collection[str]) -> bool:
    """Whether a request names weights that it may not load: another account's version, or a host that is not listed."""
    weights = request.lora_weights
    if weights is None or weights == own_version:
        return False
    return weights.removeprefix("https://").partition("/")[0] not in hosts if weights.startswith("https://") else True


def with_version(catalog: Catalog, name: str, entry: str) -> Catalog:
    """The catalogue of an account that has this version. Without the entry it is the catalogue as it is.

    Each plan sees it: where the entry is below the plan's margin, so is the version.
    """
    inherits = catalog.models.get(entry)
    if inherits is None:
        return catalog
    by_plan = {plan: with_version(view, name, entry) for plan, view in catalog.by_plan.items()}
    return replace(catalog, models={**catalog.models, name: _model(inherits, name)}, by_plan=by_plan)


def _model(entry: Model, name: str) -> Model:
    status = entry.status if entry.status is Status.BELOW_MARGIN else Status.ACTIVE
    return replace(entry, name=name, target=name, status=status, successor="", fallback=(), inherits=entry.name)
