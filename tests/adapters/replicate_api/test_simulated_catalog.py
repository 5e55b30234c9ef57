"""The Replicate simulator with the app's catalog: it runs all of it, and says what the app reads."""

import asyncio
import io
from collections.abc import AsyncIterator
from importlib.resources import files
from typing import Any

import httpx
import pytest
import pytest_asyncio
from PIL import Image

from dev import simulated_replicate
from replicate_simulator.models import MODELS, Input, Model
from shared.adapters.replicate.drift import drift
from shared.adapters.replicate.failures import failure_of
from shared.adapters.replicate.sdk.api import NewPrediction
from shared.core.catalog.file import parse_catalog
from shared.core.provider.failure import Failure
from shared.core.provider.file_types import media_of
from shared.core.provider.prediction import Status
from shared.core.safety.llama_guard import framed, read
from shared.core.safety.moderation import Category
from tests.adapters.replicate_api.world import World, running_world

CATALOG = simulated_replicate.catalog()
MUSICGEN = "meta/musicgen"
GUARD = "meta/llama-guard-3-8b"


async def run(world: World, name: str, **inputs: Any) -> Any:
    """Runs a model to its end, by its version where it has one, and returns the prediction."""
    (model,) = [each for each in CATALOG.models if each.name == name]
    new = NewPrediction(inputs=inputs)
    if model.version:
        made = await world.api.predictions.create(f"{name}:{model.version}", new)
    else:
        made = await world.api.predictions.create_by_model(name, new)
    async with asyncio.timeout(5):
        while True:
            seen = await world.api.predictions.get(made.id)
            if seen.status not in {Status.STARTING, Status.PROCESSING}:
                return seen
            await asyncio.sleep(0.03)  # a prediction's whole time


async def sample(world: World, each: Input) -> Any:
    """A value that an input takes."""
    if each.enum:
        return each.enum[-1]
    if each.holds:
        head = {"image": b"\x89PNG\r\n", "audio": b"ID3", "archive": b"PK\x03\x04"}[each.holds]
        file = await world.api.files.create(head + bytes(20), filename="sample")
        return [file.url] if each.kind == "array" else file.url
    if each.minimum is not None:
        return each.minimum
    return {"string": "a fox", "integer": 1024, "number": 1, "boolean": True}[each.kind]


def addresses(output: Any) -> list[str]:
    """The addresses in an output of any shape."""
    if isinstance(output, str):
        return [output]
    return list(output.values()) if isinstance(output, dict) else list(output)


def test_every_model_of_the_catalog_is_read() -> None:
    """None is left out."""
    assert CATALOG.left_out == ()
    assert len(CATALOG.models) > len(MODELS)


async def test_nothing_of_the_catalog_has_drifted(world: World) -> None:
    """As `catalog check` sees it: each model is there, takes what is sent, and gives what is read."""
    text = (files("shared.core.catalog") / "catalog.toml").read_text(encoding="utf-8")
    assert await drift(world.api, parse_catalog(text)) == []


@pytest_asyncio.fixture(scope="module")
async def shared_world() -> AsyncIterator[World]:
    """One simulator for all models: a run leaves nothing that another would see."""
    async with running_world() as world:
        yield world


@pytest.mark.parametrize(
    "model", [each for each in CATALOG.models if each.modality != "training"], ids=lambda model: model.name
)
async def test_every_model_of_the_catalog_runs(shared_world: World, model: Model) -> None:
    """With all that it takes, by its name or its version; what it makes is of its kind and its shape."""
    world = shared_world
    given = {name: await sample(world, each) for name, each in model.inputs.items()}
    done = await run(world, model.name, **given)
    assert (done.status, done.error) == (Status.SUCCEEDED, "")
    assert world.witness.wrong == []
    if model.modality == "text":
        assert "".join(done.output).strip()
        return
    assert type(done.output).__name__ == {"list": "list", "single": "str", "object": "dict"}[model.output]
    async with httpx.AsyncClient(trust_env=False, verify=False) as http:  # no TLS here
        for url in addresses(done.output):
            content = (await http.get(url)).content
            if model.modality == "image":
                assert Image.open(io.BytesIO(content)).size[0] >= 256
            else:
                assert media_of(content[:16], model.modality) is not None


async def test_the_app_blames_an_unreadable_file_on_the_input(world: World) -> None:
    """The simulator's text for a picture that should be a sound is one of those that the app knows."""
    picture = await world.api.files.create(b"\x89PNG\r\n\x1a\n" + bytes(300), filename="fox.png")
    failed = await run(world, MUSICGEN, prompt="a sea", input_audio=picture.url)
    assert (failed.error, failure_of(failed.error)) == ("unable to read audio file", Failure.INPUT)


@pytest.mark.parametrize(
    ("prompt", "answer"),
    [("a red fox", "safe"), ("a fox, unsafe S1", "unsafe\nS1"), ("unsafe S2, S9", "unsafe\nS2,S9")],
)
async def test_llama_guard_reads_through_the_apps_frame(world: World, prompt: str, answer: str) -> None:
    """What a prompt is marked with is found in the line that the app makes of it."""
    assert "".join((await run(world, GUARD, prompt=framed(prompt))).output) == answer


@pytest.mark.parametrize("category", list(Category))
async def test_the_app_reads_llama_guards_verdict(world: World, category: Category) -> None:
    """The hazard that the fault `unsafe_text` makes it name is of the same category for the app."""
    world.fault(kind="unsafe_text", category=category.value, match={"model": GUARD})
    assert read(["".join((await run(world, GUARD, prompt="a fox")).output)]).severities == {category: 6}
