"""Reading each field of a catalogue, and laying an operator's own catalogue over the base."""

from dataclasses import replace
from pathlib import Path

import pytest

from dev.fakes.catalogs import REQUEST, VERSION, plans_of
from shared.core.catalog.catalog import Catalog, CreditsPer, Shape, Status
from shared.core.catalog.choosing import Quote, quote
from shared.core.catalog.file import parse_catalog
from shared.core.catalog.reading import CatalogError
from shared.core.catalog.tiers import Tier
from shared.core.money.pricing import Price, Unit
from shared.core.reasons import Reason, Refusal

BASE = """
version = "2026-11-21"

[models.small]
replicate = "owner/small"
modality = "image"
tier = "free"
quality = "economy"
credits = 1
prices = [{ unit = "image", usd_micros = 3_000 }]
price_date = 2026-07-01
expected_s = 3
cancel_after_s = 120
output = "list"
[models.small.inputs]
prompt = { type = "text" }

[models.large]
replicate = "owner/large"
modality = "image"
tier = "basic"
quality = "standard"
credits = 4
prices = [{ unit = "run", usd_micros = 1_000 }, { unit = "image", usd_micros = 25_000 }]
price_date = 2026-07-01
expected_s = 8
cancel_after_s = 180
output = "single"
fallback = ["small"]
[models.large.inputs]
prompt = { type = "text" }
"""
FULL = """
[models.all]
replicate = "owner/all:VERSION"
modality = "video"
status = "active"
tier = "basic"
quality = "premium"
credits = 4
credits_per = "second"
prices = [{ unit = "second", usd_micros = 25_000 }]
price_date = 2026-07-01
expected_s = 8
cancel_after_s = 180
output = "object"
sizing = { from = 64, to = 640, step = 64 }
prompt_characters = [1, 20]
output_bytes = 1000
[models.all.inputs]
prompt = { type = "text", required = true }
duration = { type = "whole", field = "duration_s", from = 1, to = 9, default = 5 }
width = { type = "whole" }
height = { type = "whole" }
""".replace("VERSION", VERSION)


def overlaid(over: str) -> Catalog:
    """The base with another catalogue laid over it."""
    return parse_catalog(BASE, "base.toml", over, "mine.toml")


def test_every_field_of_a_model_is_read() -> None:
    """Each value arrives under its own name."""
    read = parse_catalog(FULL).models["all"]
    assert (read.name, read.target, read.modality, read.status) == (
        "all",
        f"owner/all:{VERSION}",
        "video",
        Status.ACTIVE,
    )
    assert (read.tier, read.quality, read.credits, read.credits_per) == (Tier.BASIC, "premium", 4, CreditsPer.SECOND)
    assert (read.prices, str(read.price_date)) == ((Price(Unit.SECOND, 25_000),), "2026-07-01")
    assert (read.expected_s, read.cancel_after_s, read.output) == (8, 180, Shape.OBJECT)
    assert read.sizing is not None
    assert (read.sizing.low, read.sizing.high, read.sizing.step, read.sizing.free) == (64, 640, 64, True)
    assert (read.prompt_characters, read.output_bytes, read.successor, read.fallback) == ((1, 20), 1000, "", ())
    assert read.inputs["prompt"].required
    duration = read.inputs["duration"]
    assert (duration.field, duration.low, duration.high, duration.default) == ("duration_s", 1, 9, 5)


def test_bounds_are_inclusive() -> None:
    """Values at the bound are taken."""
    least = FULL.replace("[1, 20]", "[0, 0]").replace("to = 640, step = 64", "to = 64, step = 1")
    least = least.replace("from = 1, to = 9, default = 5", "from = 5, to = 5, default = 5")
    read = parse_catalog(least.replace("cancel_after_s = 180", "cancel_after_s = 86400")).models["all"]
    assert (read.prompt_characters, read.cancel_after_s) == ((0, 0), 86_400)
    assert read.sizing is not None
    assert (read.sizing.low, read.sizing.high, read.sizing.step) == (64, 64, 1)
    assert (read.inputs["duration"].low, read.inputs["duration"].high) == (5, 5)


def test_what_is_not_said_has_its_default() -> None:
    """The defaults are: active, priced by the output, a prompt of 3 to 500 characters, no size."""
    read = parse_catalog(BASE).models["small"]
    assert (read.status, read.credits_per, read.prompt_characters) == (Status.ACTIVE, CreditsPer.OUTPUT, (3, 500))
    assert (read.sizing, read.output_bytes, read.fallback, read.successor) == (None, 0, (), "")


def test_one_price_is_changed_in_two_lines() -> None:
    """All other models and all other fields of the model stay."""
    before, after = parse_catalog(BASE), overlaid("[models.small]\ncredits = 3\n")
    assert after.models["small"].credits == 3
    assert after.models["small"].inputs == before.models["small"].inputs
    assert after.models["large"] == before.models["large"]
    assert after.version == before.version


def test_a_list_takes_the_place_of_a_list() -> None:
    """This holds for prices and for fallbacks."""
    after = overlaid('[models.large]\nprices = [{ unit = "image", usd_micros = 9 }]\nfallback = []\n')
    assert (after.models["large"].prices, after.models["large"].fallback) == ((Price(Unit.IMAGE, 9),), ())


def test_a_model_is_added_with_its_modality() -> None:
    """It may become the default of a plan."""
    after = overlaid(FULL)
    assert list(after.models) == ["small", "large", "all"]
    offer = quote(after, REQUEST, plans_of(after, image="large")["premium"])
    assert isinstance(offer, Quote)
    assert offer.model.name == "large"
    film = after.get_model_for_plan(plans_of(after)["basic"], "video")
    assert film is not None
    assert film.name == "all"


def test_a_model_is_hidden_in_two_lines_wherever_it_is_a_fallback() -> None:
    """Its name is then unknown, and no chain has it."""
    after = overlaid('[models.small]\nstatus = "hidden"\n[models.large]\ntier = "free"\n')
    offer = quote(after, REQUEST, plans_of(after)["free"])
    assert isinstance(offer, Quote)
    assert offer.chain == ("large",)
    assert quote(after, replace(REQUEST, model="small"), plans_of(after)["free"]) == Refusal.of(Reason.UNKNOWN_MODEL)


def test_an_own_catalogue_stands_alone_where_it_says_so() -> None:
    """Nothing of the base stays."""
    own = 'replace = true\nversion = "own"\n' + BASE.split("\n", 2)[2].replace("small", "tiny")
    after = overlaid(own)
    assert (after.version, list(after.models)) == ("own", ["tiny", "large"])
    with pytest.raises(CatalogError, match=r"^mine.toml: no model in it"):
        overlaid("replace = true\n")


@pytest.mark.parametrize(
    ("over", "named"),
    [
        ("[models.small]\ncredits = 0\n", "mine.toml: model small, credits: must be"),
        ("[models.smal]\ncredits = 2\n", "mine.toml: model smal, modality: must be"),
        ("[models.small", "mine.toml: not TOML"),
        ("models = 7", "mine.toml: no model in it"),
        ("replace = 1\n[models]\n", None),
    ],
)
def test_what_is_wrong_with_the_upper_one_is_said_of_it(over: str, named: str | None) -> None:
    """The error names the operator's own file; only `true` replaces the base."""
    if named is None:
        assert list(overlaid(over).models) == ["small", "large"]
        return
    with pytest.raises(CatalogError) as caught:
        overlaid(over)
    assert str(caught.value).startswith(named)


def test_a_base_that_is_no_toml_is_said_of_the_base() -> None:
    """The error names the base file."""
    with pytest.raises(CatalogError, match=r"^base.toml: not TOML"):
        parse_catalog("[", "base.toml", BASE, "mine.toml")


def test_the_real_one_can_be_laid_over() -> None:
    """A price changes without a fork of the catalogue."""
    text = (Path(__file__).parents[2] / "shared" / "core" / "catalog" / "catalog.toml").read_text(encoding="utf-8")
    assert parse_catalog(text, over="[models.flux-schnell]\ncredits = 2\n").models["flux-schnell"].credits == 2
