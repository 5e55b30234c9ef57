"""catalog list: the models, for people and for programs. ``check`` is in tests/adapters/replicate_api/test_check.py."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from shared.cli.context import OperatorsApp
from shared.cli.main import run
from shared.core.catalog.file import parse_catalog
from tests.cli.counter import ENV, Counter

CATALOG = """
version = "test"

[models.old]
replicate = "maker/old"
status = "retired"
successor = "small"
modality = "image"
tier = "free"
quality = "economy"
credits = 1
prices = [{ unit = "run", usd_micros = 0 }]
price_date = 2026-07-01
expected_s = 3
cancel_after_s = 120
output = "list"

[models.small]
replicate = "maker/small"
modality = "image"
tier = "free"
quality = "economy"
credits = 1
prices = [{ unit = "run", usd_micros = 15_000 }, { unit = "megapixel_out", usd_micros = 1_200_000 }]
price_date = 2026-07-01
expected_s = 3
cancel_after_s = 120
output = "list"
inputs = { prompt = { type = "text" } }

[models.talker]
replicate = "maker/talker"
modality = "text"
tier = "free"
quality = "premium"
credits = 2
credits_per = "thousand_tokens"
prices = [{ unit = "million_tokens_out", usd_micros = 250_000 }]
price_date = 2026-07-01
expected_s = 3
cancel_after_s = 120
output = "chunks"
inputs = { prompt = { type = "text" }, max_tokens = { type = "whole", from = 1, to = 100, default = 50 } }

[models.talker.settable]
mood = { type = "choice", choices = ["dry", "warm"], default = "dry", price_percent = { dry = 100, warm = 150 } }
penalty = { type = "real", from = 0, to = 2, price_percent = 100 }
"""


@pytest.fixture
def shop(counter: Counter) -> Counter:
    """A counter whose catalogue has three models, one of them retired."""
    counter.operations.deps = replace(counter.deps, catalog=parse_catalog(CATALOG))
    return counter


def test_the_offered_models_are_listed(shop: Counter) -> None:
    """Each with modality, plan, credits and their unit, and the provider's prices with their units."""
    called = shop.call("catalog", "list")
    assert called.code == 0
    assert called.out.splitlines() == [
        "NAME    MAKES  STATUS  FROM PLAN  QUALITY  CREDITS                PRICE USD",
        "small   image  active  free       economy  1                      0.015 per run + 1.2 per megapixel out",
        "talker  text   active  free       premium  2 per thousand tokens  0.25 per million tokens out",
    ]


def test_retired_models_are_listed_with_all(shop: Counter) -> None:
    """A retired model is listed with its successor."""
    called = shop.call("catalog", "list", "--all", "--modality", "image")
    assert re.search(r"^old +image +retired, see small +free +economy +1 +0 per run$", called.out, re.MULTILINE)
    assert "talker" not in called.out


def test_the_list_as_json(shop: Counter) -> None:
    """Each column has its name, money is in micros, and the version is the catalogue's."""
    printed = json.loads(shop.call("catalog", "list", "--json", "--all").out)
    assert printed["version"] == "test"
    assert [model["name"] for model in printed["models"]] == ["old", "small", "talker"]
    assert printed["models"][0]["successor"] == "small"
    assert printed["models"][2] == {
        "name": "talker",
        "target": "maker/talker",
        "modality": "text",
        "status": "active",
        "successor": None,
        "tier": "free",
        "quality": "premium",
        "credits": 2,
        "credits_per": "thousand_tokens",
        "prices": [{"unit": "million_tokens_out", "usd_micros": 250_000}],
        "price_date": "2026-07-01",
        "price_page": None,
        "open_marks": {},
        "fallback": [],
        "settable": {
            "mood": {
                "type": "choice",
                "choices": ["dry", "warm"],
                "from": None,
                "to": None,
                "most_characters": None,
                "default": "dry",
                "price_percent": {"dry": 100, "warm": 150},
                "loosens_safety": False,
            },
            "penalty": {
                "type": "real",
                "choices": [],
                "from": 0,
                "to": 2,
                "most_characters": None,
                "default": None,
                "price_percent": 100,
                "loosens_safety": False,
            },
        },
    }


def test_the_list_follows_the_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The real app lays CATALOG_FILE over its own catalogue. A mistake in the file is reported as a wrong setting."""
    file = tmp_path / "mine.toml"
    env = ENV | {"STORAGE_CONNECTION_STRING": "AccountName=darkroom;AccountKey=bm9uZQ==", "CATALOG_FILE": str(file)}
    file.write_text("[models.flux-schnell]\ncredits = 7\n", encoding="utf-8")
    assert run(["catalog", "list"], env=env, open_app=OperatorsApp) == 0
    assert re.search(r"^flux-schnell +image +active +free +economy +7 ", capsys.readouterr().out, re.MULTILINE)
    file.write_text("[models.flux-schnell]\ncredits = true\n", encoding="utf-8")
    assert run(["catalog", "list"], env=env, open_app=OperatorsApp) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("mine.toml (CATALOG_FILE): model flux-schnell, credits: must be")
    assert "Traceback" not in printed.err


def test_a_list_without_a_model(shop: Counter) -> None:
    """It says so; an unknown modality is a wrong command line."""
    assert shop.call("catalog", "list", "--modality", "video").out == "There is no such model.\n"
    called = shop.call("catalog", "list", "--modality", "smell")
    assert called.code == 2
    assert "--modality must be one of image, video" in called.err
    assert json.loads(shop.call("catalog", "list", "--modality", "video", "--json").out)["models"] == []
