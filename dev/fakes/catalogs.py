"""Small catalogues for tests of the rules, as decoded TOML. The real catalogue is data and has its own tests."""

from collections.abc import Mapping
from copy import deepcopy
from datetime import date
from pathlib import Path
from typing import Any

from shared.core.catalog.catalog import Catalog
from shared.core.catalog.file import build_catalog, parse_catalog
from shared.core.catalog.tiers import Tier
from shared.core.keys import Key
from shared.core.requests.messages import GenerationRequest

#: The catalogue that comes with the app.
CORE = Path(__file__).parents[2] / "shared" / "core"
REAL = parse_catalog((CORE / "catalog" / "catalog.toml").read_text(encoding="utf-8"))

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


def catalog(models: Mapping[str, Any], **defaults: str | Mapping[str, str]) -> Catalog:
    """A catalogue of these models.

    ``defaults``: a modality's default, by plan or for all plans that have it. By default it is the first model.
    """
    first: dict[str, str] = {}
    for name, table in models.items():
        if table.get("status", "active") == "active":
            first.setdefault(table["modality"], name)
    chosen = {**first, **defaults}
    by_plan = {modality: _by_plan(models, each) for modality, each in chosen.items()}
    return build_catalog({"version": "test", "models": dict(models), "default_models": by_plan})


def _by_plan(models: Mapping[str, Any], chosen: str | Mapping[str, str]) -> dict[str, str]:
    if not isinstance(chosen, str):
        return dict(chosen)
    return {plan.label: chosen for plan in Tier if plan >= Tier.named(models[chosen]["tier"])}
