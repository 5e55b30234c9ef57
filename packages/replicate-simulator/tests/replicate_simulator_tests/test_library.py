"""Models, deployments and files of the simulator: its rules, over a real socket.

That its answers keep the published contract is shown with the client, in tests/adapters/replicate_api.
"""

import json
from typing import Any

import httpx
import pytest

from replicate_simulator.models import MODELS
from replicate_simulator_tests.world import TOKEN, World

OWN = {"owner": "local", "name": "own", "visibility": "private", "hardware": "cpu"}
LLAMA = "meta/meta-llama-3-8b-instruct"
CHAT = {
    "name": "chat",
    "model": LLAMA,
    "version": MODELS[LLAMA].version,
    "hardware": "gpu-l40s",
    "min_instances": 0,
    "max_instances": 1,
}


async def ask(world: World, method: str, path: str, **options: Any) -> httpx.Response:
    """Calls with the token."""
    return await world.http.request(method, path, headers={"Authorization": f"Bearer {TOKEN}"}, **options)


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("POST", "/v1/models", {**OWN, "hardware": "gpu-a40"}, "hardware"),
        ("POST", "/v1/models", {**OWN, "visibility": "secret"}, "visibility"),
        ("POST", "/v1/models", {"owner": "local"}, ""),
        ("POST", "/v1/models", {**OWN, "price": 1}, ""),
        ("PATCH", "/v1/models/local/own", {"visibility": "public"}, ""),
        ("POST", "/v1/deployments", {**CHAT, "min_instances": 6}, "min_instances"),
        ("POST", "/v1/deployments", {**CHAT, "max_instances": "1"}, "max_instances"),
    ],
)
async def test_what_is_wrong_is_named_by_its_field(
    world: World, method: str, path: str, body: dict[str, Any], field: str
) -> None:
    """422 with the field, or none for the body itself."""
    await ask(world, "POST", "/v1/models", json=OWN)
    answer = await ask(world, method, path, json=body)
    assert (answer.status_code, answer.json()["invalid_fields"][0]["field"]) == (422, field)


async def test_models_have_an_owner_and_a_life(world: World) -> None:
    """Only one's own can be made and changed; twice is refused; deleted only while private and empty."""
    assert (await ask(world, "POST", "/v1/models", json={**OWN, "owner": "meta"})).status_code == 404
    assert (await ask(world, "PATCH", f"/v1/models/{LLAMA}", json={"readme": "mine"})).status_code == 404
    assert (await ask(world, "DELETE", f"/v1/models/{LLAMA}")).status_code == 404
    assert (await ask(world, "POST", "/v1/models", json=OWN)).status_code == 201
    assert (await ask(world, "POST", "/v1/models", json=OWN)).status_code == 422
    assert (await ask(world, "GET", "/v1/models/local/own/readme")).status_code == 404
    names = [each["name"] for each in (await ask(world, "GET", "/v1/models")).json()["results"]]
    assert "own" not in names  # it is private
    assert (await ask(world, "DELETE", "/v1/models/local/own")).status_code == 204
    assert (await ask(world, "GET", "/v1/models/local/own")).status_code == 404


async def test_a_deployment_runs_its_own_version(world: World) -> None:
    """Predictions by it name it; a change is the next release; one that keeps a machine is not deleted."""
    assert (await ask(world, "POST", "/v1/deployments", json=CHAT)).status_code == 200
    assert (await ask(world, "POST", "/v1/deployments", json=CHAT)).status_code == 422
    assert (await ask(world, "POST", "/v1/deployments", json={**CHAT, "version": "0" * 64})).status_code == 422
    path = "/v1/deployments/local/chat"
    created = await ask(world, "POST", f"{path}/predictions", json={"input": {"prompt": "x"}})
    shown = created.json()
    assert (shown["model"], shown["deployment"]) == (LLAMA, "local/chat")
    changed = (await ask(world, "PATCH", path, json={"min_instances": 1})).json()["current_release"]
    assert (changed["number"], changed["configuration"]["min_instances"]) == (2, 1)
    assert (await ask(world, "DELETE", path)).status_code == 400
    await ask(world, "PATCH", path, json={"min_instances": 0})
    assert (await ask(world, "DELETE", path)).status_code == 204
    assert (await ask(world, "GET", path)).status_code == 404


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"content": ("a.txt", b"abc")}, 201),
        ({"filename": (None, "a.txt")}, 422),
        ({"content": ("x" * 256, b"abc")}, 422),
        ({"content": ("a.txt", b"abc"), "owner": (None, "me")}, 422),
        ({"content": ("a.txt", b"abc"), "metadata": (None, "{")}, 422),
    ],
)
async def test_a_file_is_a_form(world: World, form: dict[str, Any], status: int) -> None:
    """With content, a name of at most 255 bytes, metadata in JSON, and nothing else."""
    assert (await ask(world, "POST", "/v1/files", files=form)).status_code == status


async def test_a_file_beyond_the_limit_is_413(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the documented words."""
    monkeypatch.setattr("replicate_simulator.file_api._MOST_BYTES", 10)
    answer = await ask(world, "POST", "/v1/files", files={"content": ("a.bin", b"x" * 11)})
    assert (answer.status_code, answer.json()["detail"]) == (413, "Files must be less than 100MB in size")


@pytest.mark.parametrize(("query", "status"), [("", 400), ("query=flux&limit=0", 400), ("query=flux&limit=50", 200)])
async def test_a_search_needs_a_query(world: World, query: str, status: int) -> None:
    """And a limit from 1 to 50, where there is one."""
    assert (await ask(world, "GET", f"/v1/search?{query}")).status_code == status


async def test_a_version_has_the_schema_of_its_inputs(world: World) -> None:
    """With choices in schemas of their own, as Cog writes them."""
    answer = await ask(world, "GET", "/v1/models/black-forest-labs/flux-schnell")
    schemas = answer.json()["latest_version"]["openapi_schema"]["components"]["schemas"]
    assert schemas["Input"]["required"] == ["prompt"]
    assert schemas["Input"]["properties"]["num_outputs"]["maximum"] == 4
    assert schemas["Input"]["properties"]["megapixels"]["allOf"] == [{"$ref": "#/components/schemas/megapixels"}]
    assert schemas["megapixels"]["enum"] == ["1", "0.25"]
    assert schemas["Output"]["type"] == "array"


async def test_a_text_streams_as_it_is_written(world: World) -> None:
    """Events with ids and a `done` at the end; again from the first on for whoever connects again; no token needed."""
    created = await world.create(f"/v1/models/{LLAMA}/predictions")
    stream = created["urls"]["stream"].removeprefix(world.url)
    text, again = (await world.http.get(stream)).text, (await world.http.get(stream)).text
    assert text == again
    events = [event.split("\n") for event in text.strip().split("\n\n")]
    assert [event[0] for event in events] == ["event: output"] * (len(events) - 1) + ["event: done"]
    assert len({event[1] for event in events}) == len(events)
    done = await world.finished(created["id"])
    assert "".join(done["output"]).endswith("a red fox")
    assert done["metrics"]["output_token_count"] == len(done["output"]) == len(events) - 1
    assert json.loads(events[-1][1].removeprefix("data: ")) == {}


async def test_a_picture_streams_as_its_address(world: World) -> None:
    """Once it is there, as one event; nobody's prediction has no stream."""
    created = await world.create()
    stream = created["urls"]["stream"].removeprefix(world.url)
    text = (await world.http.get(stream)).text
    done = await world.finished(created["id"])
    (address,) = done["output"]
    assert [line for line in text.splitlines() if line.startswith(("event", "data"))] == [
        "event: output",
        f"data: {address}",
        "event: done",
        "data: {}",
    ]
    assert (await world.http.get(f"/stream/{'p' * 26}")).status_code == 404


async def test_a_model_of_ones_own_is_pushed(world: World) -> None:
    """With `like` it gets a version of its own each time, which runs as the other model does; an unknown one is 400."""
    for count in (1, 2):
        pushed = (await world.http.post("/_sim/models", json={"name": "local/chat", "like": LLAMA})).json()
        versions = (await ask(world, "GET", "/v1/models/local/chat/versions")).json()["results"]
        assert len({each["id"] for each in versions}) == count
        assert versions[0]["id"] == pushed["latest_version"]["id"] != MODELS[LLAMA].version
    body = {"version": versions[0]["id"], "input": {"prompt": "foxes"}}
    assert (await ask(world, "POST", "/v1/predictions", json=body)).json()["model"] == "local/chat"
    for like in ("nobody/none", "local/empty", 7):
        assert (await world.http.post("/_sim/models", json={"name": "local/other", "like": like})).status_code == 400
    assert (await ask(world, "GET", "/v1/models/local/other")).status_code == 404
