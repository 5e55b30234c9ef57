"""The fields of a trainer: mapped to its inputs, bounded by what its price covers, priced by their worst case."""

from typing import Any

import pytest

from dev.fakes.catalogs import REAL, plans_of
from shared.core.catalog.choosing import Quote, quote
from shared.core.catalog.file import parse_catalog
from shared.core.catalog.mapping import Mapped, inputs_of
from shared.core.catalog.reading import CatalogError
from shared.core.keys import Key
from shared.core.money.pricing import Unit
from shared.core.reasons import Reason, Refusal
from shared.core.requests.messages import GenerationRequest
from tests.core.test_models_page import ROOT

TRAINER = REAL.models["flux-dev-lora-trainer"]
PREMIUM = plans_of(REAL).plans["premium"]

#: What every training has.
ARCHIVE: dict[str, Any] = {"input_file": "ada/ada/a.zip", "destination": "ada/lora"}


def asked(**fields: Any) -> GenerationRequest:
    """A request for a training."""
    return GenerationRequest(key=Key("ada", "one"), **ARCHIVE, **fields)


def priced(**fields: Any) -> int | Refusal:
    """The credits that are held for it, or its refusal."""
    quoted = quote(REAL, asked(**fields), PREMIUM)
    return quoted.hold_credits if isinstance(quoted, Quote) else quoted


def test_every_field_reaches_the_trainer_by_its_own_name() -> None:
    """False and small numbers too; what is not asked is left to the trainer."""
    fields = {
        "learning_rate": 0.0001,
        "batch_size": 2,
        "resolution": "512,768",
        "lora_rank": 8,
        "autocaption": False,
        "gradient_checkpointing": True,
    }
    mapped = inputs_of(TRAINER, asked(**fields), seed=1)
    assert isinstance(mapped, Mapped)
    assert mapped.inputs == {"input_images": "ada/ada/a.zip", **fields}
    assert mapped.ignored_fields == ()
    bare = inputs_of(TRAINER, asked(), seed=1)
    assert isinstance(bare, Mapped)
    assert bare.inputs == {"input_images": "ada/ada/a.zip"}


@pytest.mark.parametrize(
    ("fields", "credits"),
    [
        ({}, 350),
        ({"training_steps": 250}, 3 * 35),
        ({"training_steps": 250, "batch_size": 1}, 3 * 35),
        ({"training_steps": 250, "batch_size": 2}, 2 * 3 * 35),
        ({"training_steps": 3300, "batch_size": 2, "gradient_checkpointing": True, "lora_rank": 32}, 2 * 33 * 42),
        ({"training_steps": 250, "gradient_checkpointing": True}, 126),
        ({"training_steps": 250, "gradient_checkpointing": False}, 3 * 35),
        ({"resolution": "512"}, 350),
    ],
)
def test_a_training_is_priced_by_its_worst_case(fields: dict[str, Any], credits: int) -> None:  # noqa: A002  # our word
    """A batch of two costs twice as much; the other fields are bounded by what the price covers."""
    assert priced(**fields) == credits


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"batch_size": 3}, "batch_size must be from 1 to 2"),
        ({"lora_rank": 33}, "lora_rank must be from 1 to 32"),
        ({"learning_rate": 0.5}, "learning_rate must be from 1e-05 to 0.01"),
        ({"resolution": "1024"}, "resolution must be one of 512, 512,768, 512,768,1024"),
        ({"training_steps": 4001}, "training_steps must be"),
    ],
)
def test_what_the_price_does_not_cover_is_refused(fields: dict[str, Any], said: str) -> None:
    """By the field's name and its bounds, before anything is held."""
    refusal = priced(model="flux-dev-lora-trainer", **fields)
    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.INVALID_REQUEST
    assert said in refusal.text


def test_the_credits_of_any_training_pay_for_the_longest_one() -> None:
    """As the catalogue's comment reckons: 180 s for 100 steps, a fifth more with gradient checkpointing."""
    (price,) = TRAINER.prices
    assert price.unit is Unit.GPU_SECOND
    for steps in (3, 100, 101, 3333):
        for batch in (1, 2):
            for dearer in (False, True):
                seconds = 1.8 * steps * batch * (1.2 if dearer else 1)
                held = priced(training_steps=steps, batch_size=batch, gradient_checkpointing=dearer)
                assert isinstance(held, int)
                assert seconds * price.usd_micros <= held * 8_000


@pytest.mark.parametrize(
    "given",
    [
        'type = "real", from = 1, to = 2',
        'type = "whole", from = 0, to = 2',
        'type = "whole", from = 1',
        'type = "flag"',
    ],
)
def test_only_a_bounded_whole_number_multiplies(given: str) -> None:
    """Anything else would make a price of nothing, of a fraction, or of any height."""
    text = (ROOT / "shared" / "core" / "catalog" / "catalog.toml").read_text(encoding="utf-8")
    old = 'batch_size = { type = "whole", from = 1, to = 2, default = 1, multiplies = true }'
    assert old in text
    with pytest.raises(CatalogError, match="only a whole number with bounds"):
        parse_catalog(text.replace(old, f"batch_size = {{ {given}, multiplies = true }}"))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("default = false, surcharge_percent = -1", "from 0 to 1000"),
        ("default = false, surcharge_percent = true", "from 0 to 1000"),
        ("default = false, surcharge_percent = 1.5", "from 0 to 1000"),
        ("surcharge_percent = 20", "needs a field with a default"),
    ],
)
def test_a_surcharge_is_a_number_over_a_default(given: str, said: str) -> None:
    """Without a default nobody knows what costs nothing more."""
    text = (ROOT / "shared" / "core" / "catalog" / "catalog.toml").read_text(encoding="utf-8")
    old = 'gradient_checkpointing = { type = "flag", default = false, surcharge_percent = 20 }'
    assert old in text
    with pytest.raises(CatalogError, match=said):
        parse_catalog(text.replace(old, f'gradient_checkpointing = {{ type = "flag", {given} }}'))


@pytest.mark.parametrize(
    ("fields", "most"),
    [
        ({"training_steps": 4000, "batch_size": 2}, 0),
        ({"training_steps": 3333, "batch_size": 2, "gradient_checkpointing": True}, 0),
        ({"training_steps": 3334, "batch_size": 2, "gradient_checkpointing": True}, 3333),
        ({"training_steps": 4000, "batch_size": 2, "gradient_checkpointing": True}, 3333),
    ],
    ids=str,
)
def test_a_training_that_would_be_stopped_before_its_end_is_refused_with_the_number(
    fields: dict[str, Any], most: int
) -> None:
    """Steps times batch, and what makes a step slower, against ``cancel_after_s``."""
    found = priced(**fields)
    if most:
        assert isinstance(found, Refusal)
        assert found.reason is Reason.INVALID_REQUEST
        assert found.text.startswith(f"training_steps must be at most {most:,} for flux-dev-lora-trainer")
        assert "14,400 s" in found.text
    else:
        assert isinstance(found, int)


@pytest.mark.parametrize(
    "name", ["advanced-trainer", "advanced-trainer-h100", "advanced-trainer-l40s", "simpletuner/advanced-trainer"]
)
def test_a_trainer_that_is_gone_is_refused_with_its_successor(name: str) -> None:
    """It is never replaced unasked: another trainer makes another version."""
    found = priced(model=name)
    assert isinstance(found, Refusal)
    assert found.reason is Reason.MODEL_RETIRED
    assert "flux-dev-lora-trainer" in found.text


def test_what_a_version_inherits_has_a_price_and_a_source() -> None:
    """And the inputs of a picture, on the machine of its trainer."""
    entry = REAL.models[TRAINER.version_entry]
    assert (entry.offered, entry.modality) == (False, "image")
    assert entry.prices == TRAINER.prices
    assert entry.price_date
    assert entry.price_page.startswith("https://replicate.com/")
    assert entry.inputs_source


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('version_entry = "no-model"', "must be an entry of the catalogue that is no trainer"),
        ('version_entry = "flux-dev-lora-trainer"', "must be an entry of the catalogue that is no trainer"),
        ('version_entry = "imagen-3"', "imagen-3 must have a price and no marks"),
        ('version_entry = "sdxl-gone"', "must be an entry of the catalogue that is no trainer"),
        ('inherits = "flux-dev"', "inherits"),
    ],
)
def test_a_trainer_names_an_entry_that_may_run(line: str, says: str) -> None:
    """A catalogue that could not price what it trains is not read."""
    shipped = (ROOT / "shared/core/catalog/catalog.toml").read_text(encoding="utf-8")
    with pytest.raises(CatalogError, match=says):
        parse_catalog(shipped, over=f"[models.flux-dev-lora-trainer]\n{line}\n")


def test_only_a_trainer_names_such_an_entry() -> None:
    """A picture is no version."""
    shipped = (ROOT / "shared/core/catalog/catalog.toml").read_text(encoding="utf-8")
    with pytest.raises(CatalogError, match="only a model whose output is a version makes one"):
        parse_catalog(shipped, over='[models.flux-dev]\nversion_entry = "flux-dev-trained"\n')
