"""The comparison of the catalogue with Replicate."""

from dataclasses import replace
from importlib.resources import files
from typing import Any

import pytest

from replicate_simulator.models import MODELS, Input
from replicate_simulator.models import Model as Live
from shared.adapters.replicate.drift import Drift, drift
from shared.adapters.replicate.sdk import errors
from shared.core.catalog.catalog import Catalog
from shared.core.catalog.drafting.writing import changed_entry, with_entry
from shared.core.catalog.file import parse_catalog
from shared.core.catalog.reading import laid
from tests.adapters.replicate_api.world import LLAMA, SCHNELL, World, api_at

CATALOG = """
[models.flux]
replicate = "{replicate}"
modality = "image"
tier = "free"
quality = "economy"
credits = 1
prices = [{{ unit = "image", usd_micros = 3_000 }}]
price_date = 2026-07-01
expected_s = 3
cancel_after_s = 120
output = "list"
sizing = "ratio"

[models.flux.inputs]
prompt = {{ type = "text" }}
aspect_ratio = {{ type = "choice", choices = ["1:1", "16:9"] }}
num_outputs = {{ type = "whole", from = 1, to = 4 }}
seed = {{ type = "whole", from = 0, to = 4294967295 }}
"""


def catalog(replicate: str = SCHNELL) -> Catalog:
    """A catalogue of one model."""
    return parse_catalog(CATALOG.format(replicate=replicate))


def publish(world: World, **changes: Input | None) -> None:
    """Give flux-schnell a next version: with these inputs instead of, or (None) without, those that it had."""
    live: Live = MODELS[SCHNELL]
    inputs = {name: each for name, each in {**live.inputs, **changes}.items() if each is not None}
    world.simulator.library.add_version(world.simulator.library.models[SCHNELL], "f" * 64, replace(live, inputs=inputs))


async def test_nothing_has_drifted(world: World) -> None:
    """By its latest version and by a pinned one."""
    assert await drift(world.api, catalog()) == []
    assert await drift(world.api, catalog(f"{SCHNELL}:{MODELS[SCHNELL].version}")) == []


@pytest.mark.parametrize(
    ("changes", "field", "text"),
    [
        ({"seed": None}, "seed", "the model has no such input any more"),
        ({"shape": Input("string", required=True)}, "shape", "the model requires it, and we never send it"),
        ({"aspect_ratio": Input("string", enum=("1:1", "4:3"))}, "aspect_ratio", "no longer a choice: 16:9"),
        ({"num_outputs": Input("integer", minimum=1, maximum=2)}, "num_outputs", "its greatest value is 2 now"),
        ({"num_outputs": Input("integer", minimum=2, maximum=4)}, "num_outputs", "its least value is 2 now"),
        ({"seed": Input("string")}, "seed", "it is of the type string now, ours is whole"),
    ],
)
async def test_what_would_break_a_request_is_found(
    world: World, changes: dict[str, Any], field: str, text: str
) -> None:
    """Each by our model and its input."""
    publish(world, **changes)
    (found,) = await drift(world.api, catalog())
    assert (found.model, found.field) == ("flux", field)
    assert found.text.startswith(text)


async def test_what_a_request_may_set_is_compared_too(world: World) -> None:
    """An input that is gone is marked where it stands; one that is narrower is narrowed there."""
    listed = "[models.flux.settable]\n"
    listed += 'raw = { type = "flag", price_percent = 100 }\n'
    listed += 'grain = { type = "whole", from = 0, to = 9, price_percent = 100 }\n'
    listed += 'size = { type = "choice", choices = ["1K", "4K"], price_percent = { "1K" = 100, "4K" = 200 } }\n'
    text = f"{CATALOG.format(replicate=SCHNELL)}\n{listed}"
    ours = parse_catalog(text)
    whole = Input("integer", minimum=0, maximum=9)
    publish(world, raw=Input("boolean"), grain=whole, size=Input("string", enum=("1K", "4K")))
    assert await drift(world.api, ours) == []
    publish(world, raw=None, grain=replace(whole, maximum=5), size=Input("string", enum=("1K",)))
    gone, narrower, fewer = await drift(world.api, ours)
    assert gone.fix == {"marks": {"settable.raw": "the model has no such input any more"}}
    assert (narrower.fix, fewer.fix) == (
        {"settable": {"grain": {"to": 5}}},
        {"settable": {"size": {"choices": ["1K"]}}},
    )
    mended = laid(changed_entry(text, "flux"), laid(narrower.fix, fewer.fix))
    settable = parse_catalog(with_entry(text, "flux", mended)).models["flux"].settable
    assert (settable["grain"].high, settable["size"].choices) == (5, ("1K",))


async def test_what_a_model_has_learned_breaks_nothing(world: World) -> None:
    """New inputs, more choices, wider ranges."""
    publish(
        world,
        style=Input("string"),
        aspect_ratio=Input("string", enum=("1:1", "16:9", "2:1")),
        num_outputs=Input("integer", minimum=0, maximum=8),
    )
    assert await drift(world.api, catalog()) == []


async def test_what_is_gone_is_found(world: World) -> None:
    """A model, and a version of one that is still there."""
    assert await drift(world.api, catalog("luma/ray")) == [Drift("flux", "", "luma/ray is not there any more")]
    (found,) = await drift(world.api, catalog(f"{LLAMA}:{'0' * 64}"))
    assert found.text == f"version 000000000000 of {LLAMA} is not there any more"


async def test_a_model_without_a_schema_is_reported(world: World) -> None:
    """Nothing could be compared: that is not the same as nothing drifted."""
    world.simulator.library.models[SCHNELL].versions.clear()
    (found,) = await drift(world.api, catalog())
    assert "nothing could be compared" in found.text


async def test_without_replicate_there_is_no_answer() -> None:
    """An error of Replicate's is raised, and is not a difference."""
    api = api_at("http://127.0.0.1:9", "sk-x")
    with pytest.raises(errors.AuthenticationError):
        await drift(api, catalog())


async def test_our_own_catalogue_is_the_simulators(world: World) -> None:
    """What is offered and runs here has the inputs of the published schemas."""
    text = (files("shared.core") / "catalog" / "catalog.toml").read_text(encoding="utf-8")
    ours = parse_catalog(text)
    here = {name: model for name, model in ours.models.items() if model.target in MODELS}
    assert here
    assert await drift(world.api, replace(ours, models=here)) == []
