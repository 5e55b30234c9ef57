"""The models of a catalog: how they are read, by what they run, and what they are asked for."""

import io
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from PIL import Image

from replicate_simulator.catalog import Catalog, read_catalog
from replicate_simulator.forms import picture_format
from replicate_simulator.models import MODELS, TRAINER, Input
from replicate_simulator_tests.world import MODELS as CATALOG
from replicate_simulator_tests.world import World, running_world

HASH = "ab" * 32
SCHNELL = "black-forest-labs/flux-schnell"
TOML = f"""
version = "2026-11-21"

[models.kontext]
replicate = "acme/kontext"
modality = "image"
output = "single"
sizing = {{ from = 256, to = 512, step = 32 }}

[models.kontext.inputs]
prompt = {{ type = "text" }}
pictures = {{ type = "images", field = "image_url", required = true }}
width = {{ type = "whole", from = 256, to = 512 }}
height = {{ type = "whole", from = 256, to = 512 }}
output_format = {{ type = "choice", choices = ["jpeg", "png"] }}

[models.film]
replicate = "acme/film"
modality = "video"
output = "single"

[models.film.inputs]
prompt = {{ type = "text", required = false }}
length = {{ type = "whole", field = "duration_s", choices = [5, 9], default = 9 }}
loop = {{ type = "flag" }}

[models.film.settable]
style_frame = {{ type = "image", price_percent = 100 }}
grain = {{ type = "whole", from = 0, to = 9, default = 3, price_percent = 100 }}

[models.tune]
replicate = "acme/tune:{HASH}"
modality = "audio"
output = "single"

[models.tune.inputs]
prompt = {{ type = "text" }}
melody = {{ type = "audio", field = "input_file" }}
strength = {{ type = "real", from = 0, to = 1 }}
kind = {{ type = "choice", value = "stereo" }}

[models.tune-long]
replicate = "acme/tune:{HASH}"
modality = "audio"

[models.tune-long.inputs]
prompt = {{ type = "text" }}
strength = {{ type = "real", from = -1, to = 0.5 }}
kind = {{ type = "choice", value = "mono" }}
extra = {{ type = "text", required = true }}

[models.gone]
replicate = "acme/gone"
modality = "image"
status = "retired"

[models.unwanted]
replicate = "acme/unwanted"
modality = "text"
status = "hidden"
"""


@pytest_asyncio.fixture
async def acme() -> AsyncIterator[World]:
    """A simulator with this catalog."""
    async with running_world(catalog=read_catalog(TOML)) as world:
        yield world


def test_a_catalog_is_read_as_the_model_sees_it() -> None:
    """Types, choices, ranges, defaults, what is needed; the shape, the version, the input that is the duration."""
    kontext, film, tune, unwanted = read_catalog(TOML).models
    assert (kontext.name, kontext.output, kontext.official, kontext.step) == ("acme/kontext", "single", True, 32)
    assert kontext.inputs["pictures"] == Input("array", required=True, holds="image")
    assert kontext.inputs["prompt"] == Input("string", required=True)
    assert (film.modality, film.duration, film.inputs["length"]) == (
        "video",
        "length",
        Input("integer", 9, enum=(5, 9)),
    )
    assert film.inputs["style_frame"] == Input("string", holds="image")
    assert film.inputs["grain"] == Input("integer", 3, minimum=0, maximum=9)
    assert (film.inputs["prompt"].required, film.inputs["loop"].kind) == (False, "boolean")
    assert (tune.version, tune.official) == (HASH, False)
    assert (unwanted.modality, unwanted.output) == ("text", "chunks")


def test_two_entries_for_a_model_are_one_that_takes_either() -> None:
    """The wider range, all choices, and nothing needed that one of them does not send."""
    tune = read_catalog(TOML).models[2]
    assert tune.inputs["strength"] == Input("number", minimum=-1, maximum=1)
    assert tune.inputs["kind"].enum == ("stereo", "mono")
    assert tune.inputs["prompt"].required
    assert not tune.inputs["extra"].required


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ('replicate = "no-owner"', "ValueError: no-owner"),
        ('replicate = "a/b:123"', "ValueError: a/b:123"),
        ('modality = "image"', "KeyError"),
        ('replicate = "a/b"\nmodality = "smell"', "ValueError: smell"),
        ('replicate = "a/b"\noutput = "heap"', "ValueError: image as heap"),
        ('replicate = "a/b"\ninputs = { x = { type = "odour" } }', "ValueError: input x"),
        ('replicate = "a/b"\ninputs = 7', "AttributeError"),
    ],
)
def test_what_cannot_be_read_leaves_out_one_model(entry: str, why: str) -> None:
    """With its reason; the others are there."""
    read = read_catalog(f'[models.bad]\n{entry}\n[models.good]\nreplicate = "a/good"\n')
    assert [model.name for model in read.models] == ["a/good"]
    assert read.left_out[0].startswith(f"bad: {why}")


def test_a_file_that_is_no_toml_leaves_those_that_are_written_by_hand() -> None:
    """It is reported, and nothing breaks."""
    assert read_catalog("[models").left_out[0].startswith("all: not TOML")


async def test_official_models_run_by_name_and_community_ones_by_version(acme: World) -> None:
    """A community model's name is 404 as a model and 422 as a version; of an official one both run."""
    body: Any = {"input": {"prompt": "x"}}
    by_name = await acme.call("POST", "/v1/models/acme/tune/predictions", json=body)
    assert (by_name.status_code, by_name.json()["title"]) == (404, "Not found")
    for version in ("acme/tune", f"acme/film:{HASH}", "ab" * 31):
        refused = await acme.call("POST", "/v1/predictions", json={**body, "version": version})
        assert (refused.status_code, refused.json()["title"]) == (422, "Invalid version or not permitted")
    for version in (HASH, f"acme/tune:{HASH}"):
        created = await acme.create("/v1/predictions", version=version)
        assert (created["model"], created["version"]) == ("acme/tune", HASH)
    assert (await acme.create("/v1/predictions", version="acme/film"))["version"] == "hidden"
    assert (await acme.create("/v1/models/acme/film/predictions"))["model"] == "acme/film"


async def test_a_retired_model_is_not_there_and_a_hidden_one_is(acme: World) -> None:
    """404 for its name, its predictions and its versions."""
    for method, path in (("GET", ""), ("GET", "/versions"), ("POST", "/predictions")):
        assert (await acme.call(method, f"/v1/models/acme/gone{path}", json={"input": {}})).status_code == 404
    assert (await acme.call("GET", "/v1/models/acme/unwanted")).status_code == 200


@pytest.mark.parametrize(
    ("given", "kind", "field"),
    [
        ({"pictures": "https://a.example/x.png"}, "invalid_type", "input.pictures"),
        ({"pictures": ["https://a.example/x.png", "x.png"]}, "format", "input.pictures.1"),
        ({"pictures": [7]}, "invalid_type", "input.pictures.0"),
        ({}, "required", "input"),
        ({"pictures": [], "width": 255}, "number_gte", "input.width"),
        ({"pictures": [], "output_format": "webp"}, "enum", "input.output_format"),
        ({"pictures": [], "seed": 1}, "additional_property_not_allowed", "input"),
    ],
)
async def test_inputs_are_held_to_the_catalog(acme: World, given: Any, kind: str, field: str) -> None:
    """Lists of addresses, ranges, choices and what is not listed: 422, and no prediction."""
    answer = await acme.call("POST", "/v1/models/acme/kontext/predictions", json={"input": {"prompt": "x", **given}})
    fields = answer.json()["invalid_fields"]
    assert (answer.status_code, [(each["type"], each["field"]) for each in fields]) == (422, [(kind, field)])
    assert (await acme.look("stats"))["predictions"] == 0


async def test_a_choice_of_numbers_is_one(acme: World) -> None:
    """5 and 5.0 are taken, 7 and "5" are not."""
    path = "/v1/models/acme/film/predictions"
    for length, status in ((5, 201), (5.0, 201), (7, 422), ("5", 422), (True, 422)):
        answer = await acme.call("POST", path, json={"input": {"prompt": "x", "length": length}})
        assert answer.status_code == status, length
    text = (await acme.call("POST", path, json={"input": {"prompt": "x", "length": 7}})).json()["detail"]
    assert text == "- input.length: input.length must be one of the following: 5, 9\n"


async def test_a_community_models_version_shows_its_schema(acme: World) -> None:
    """Inputs, an array's items, choices of numbers, and the output of each shape."""
    shown = (await acme.call("GET", f"/v1/models/acme/tune/versions/{HASH}")).json()
    schemas = shown["openapi_schema"]["components"]["schemas"]
    assert schemas["Input"]["required"] == ["prompt"]
    assert schemas["Input"]["properties"]["melody"]["format"] == "uri"
    assert schemas["Output"] == {"type": "string", "format": "uri", "title": "Output"}
    kontext = (await acme.call("GET", "/v1/models/acme/kontext")).json()["latest_version"]["openapi_schema"]
    pictures = kontext["components"]["schemas"]["Input"]["properties"]["pictures"]
    assert (pictures["type"], pictures["items"]) == ("array", {"type": "string", "format": "uri"})
    film = (await acme.call("GET", "/v1/models/acme/film")).json()["latest_version"]["openapi_schema"]
    assert film["components"]["schemas"]["length"] == {"type": "integer", "enum": [5, 9], "title": "length"}


async def test_what_is_written_by_hand_stays_as_it_is() -> None:
    """The catalog adds no input to it; a version that the catalog pins runs beside the one that is known."""
    text = '[models.schnell]\nreplicate = "black-forest-labs/flux-schnell"\ninputs = { x = { type = "text" } }\n'
    text += f'[models.trainer]\nreplicate = "{TRAINER.name}:{HASH}"\nmodality = "training"\n'
    async with running_world(catalog=read_catalog(text)) as world:
        assert (
            await world.call("POST", f"/v1/models/{SCHNELL}/predictions", json={"input": {"x": "y"}})
        ).status_code == 422
        known = (await world.call("GET", f"/v1/models/{SCHNELL}/versions")).json()["results"]
        assert [each["id"] for each in known] == [MODELS[SCHNELL].version]
        versions = (await world.call("GET", f"/v1/models/{TRAINER.name}/versions")).json()["results"]
        assert [each["id"] for each in versions] == [TRAINER.version, HASH]
        assert versions[0]["openapi_schema"] == versions[1]["openapi_schema"]


@pytest.mark.parametrize(
    ("model", "given", "size", "extension"),
    [
        ("black-forest-labs/flux-2-pro", {"resolution": "2 MP", "aspect_ratio": "1:1"}, (1456, 1456), "webp"),
        ("black-forest-labs/flux-2-pro", {"resolution": "0.5 MP", "aspect_ratio": "3:2"}, (864, 592), "webp"),
        ("black-forest-labs/flux-2-pro", {"aspect_ratio": "custom", "width": 500}, (512, 1024), "webp"),
        ("black-forest-labs/flux-kontext-pro", {"aspect_ratio": "match_input_image"}, (1024, 1024), "png"),
        ("black-forest-labs/flux-kontext-pro", {"aspect_ratio": "2:1", "output_format": "jpg"}, (1456, 720), "jpg"),
        ("stability-ai/sdxl", {"width": 640, "height": 1536}, (640, 1536), "png"),
        ("stability-ai/sdxl", {}, (1024, 1024), "png"),
    ],
)
def test_a_picture_has_the_size_that_its_model_is_asked_for(
    model: str, given: Any, size: tuple[int, int], extension: str
) -> None:
    """By megapixels, by a ratio, by free sides; and the format that the model has by itself."""
    (found,) = [each for each in CATALOG.models if each.name == model]
    form = picture_format(found, {"prompt": "x", **given})
    assert ((form.width, form.height), form.extension) == (size, extension)


async def test_a_jpeg_is_a_jpg(acme: World) -> None:
    """Some models spell it so."""
    done = await acme.run("acme/kontext", pictures=[], width=256, height=300, output_format="jpeg")
    answer = await acme.http.get(done["output"])
    assert (answer.headers["content-type"], Image.open(io.BytesIO(answer.content)).size) == ("image/jpeg", (256, 288))


async def test_stats_list_what_runs_and_what_does_not() -> None:
    """All names, and the reasons."""
    async with running_world(catalog=Catalog(left_out=("x: why",))) as world:
        stats = await world.look("stats")
    assert stats["models"] == sorted([*MODELS, TRAINER.name])
    assert stats["not_served"] == ["x: why"]
