"""Small catalogues for tests of the rules, as decoded TOML. The real catalogue is data and has its own tests."""

from collections.abc import Mapping
from copy import deepcopy
from datetime import date
from pathlib import Path
from typing import Any

from shared.core.catalog.catalog import Catalog
from shared.core.catalog.file import build_catalog, parse_catalog
from shared.core.catalog.plans_file import build_plans, parse_plans
from shared.core.catalog.tiers import Tier
from shared.core.keys import Key
from shared.core.money.plans import Plans
from shared.core.requests.fields import MODALITIES
from shared.core.requests.messages import GenerationRequest

#: The catalogue that comes with the app.
CORE = Path(__file__).parents[2] / "shared" / "core"
REAL = parse_catalog((CORE / "catalog" / "catalog.toml").read_text(encoding="utf-8"))

#: The plans that come with the app.
REAL_PLANS = parse_plans((CORE / "catalog" / "plans.toml").read_text(encoding="utf-8"), REAL)

#: A version of a community model.
VERSION = "0123456789abcdef" * 4

REQUEST = GenerationRequest(key=Key("ada", "one"), prompt="A lighthouse at night")

TEXT = {"type": "text"}
IMAGE = {"type": "image", "field": "image_url"}
SEED = {"type": "whole", "from": 0, "to": 2**32 - 1}
RATIO = {"type": "choice", "choices": ["1:1", "16:9", "9:16"]}
SECONDS = {"type": "whole", "field": "duration_s", "choices": [5, 9], "default": 5}


def model(inputs: Mapping[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """A model's table. By default it makes a picture from a prompt alone, for one credit."""
    plain = {
        "replicate": "owner/plain",
        "modality": "image",
        "tier": "free",
        "quality": "economy",
        "credits": 1,
        "prices": [{"unit": "image", "usd_micros": 3000}],
        "price_date": date(2026, 7, 1),
        "expected_s": 3,
        "cancel_after_s": 60,
        "output": "list",
        "inputs": {"prompt": TEXT} if inputs is None else dict(inputs),
    }
    table = plain | changes
    return deepcopy({name: value for name, value in table.items() if value is not None})


def catalog(models: Mapping[str, Any]) -> Catalog:
    """A catalogue of these models."""
    return build_catalog({"version": "test", "models": dict(models)})


#: A model with a text that a request may set under ``inputs``.
NOTE = {"type": "text", "most_characters": 200, "price_percent": 100}
NOTED = catalog({"noted": model(settable={"note": NOTE})})


def writing(name: str, text: str) -> dict[str, Any]:
    """The fields of a request in which the written field of this name has a text, as ``NOTED`` takes them."""
    return {"model": "noted", name: {"note": text} if name == "inputs" else text}


def plans_of(catalog: Catalog, **defaults: str | Mapping[str, str]) -> Plans:
    """The app's own plans for its own catalogue; for another, a plan of each tier, named as the tier.

    ``defaults``: a modality's default, by plan or for all plans that include it. By default it is the first model that
    the plan includes.
    """
    if catalog is REAL and not defaults:
        return REAL_PLANS
    tables = {tier.label: {"tier": tier.label, "default_models": _defaults(catalog, tier, defaults)} for tier in Tier}
    return build_plans({"version": "test", "default": "free", "plans": tables}, "test.toml", catalog)


def _defaults(catalog: Catalog, tier: Tier, given: Mapping[str, str | Mapping[str, str]]) -> dict[str, str]:
    chosen: dict[str, str] = {}
    for modality in MODALITIES:
        included = [model.name for model in catalog.offered(modality) if model.tier <= tier]
        named = given.get(modality, "")
        named = named if isinstance(named, str) else named.get(tier.label, "")
        if included:
            chosen[modality] = named if named in included else included[0]
    return chosen
