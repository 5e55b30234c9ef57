"""Trainings: a destination, an archive, a version with weights; over webhooks and lists as predictions are."""

import io
import tarfile
from typing import Any

import pytest

from replicate_simulator.models import MODELS, TRAINER
from replicate_simulator_tests import contract
from replicate_simulator_tests.world import DESTINATION, JSON, TRAININGS, Receiver, World

ZIP = b"PK\x03\x04" + bytes(30)
LLAMA = "meta/meta-llama-3-8b-instruct"


async def started(world: World, **more: Any) -> JSON:
    """A training that was just created, of an uploaded archive."""
    answer = await world.train(await world.upload(ZIP), **more)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def test_a_training_makes_a_version_that_runs(world: World, receiver: Receiver) -> None:
    """It sends events at its start and its end, and makes a version of its destination that takes predictions."""
    events = ["start", "completed"]
    created = await started(world, webhook=receiver.url, webhook_events_filter=events, input={"steps": 20})
    assert (created["status"], "output" in created, created["webhook"]) == ("starting", False, receiver.url)
    assert await receiver.wait_for(2) == ["processing", "succeeded"]
    start, done = receiver.bodies
    assert "output" not in start
    assert contract.violations(start, "get", "/trainings/{training_id}", 200) == []
    assert done == await world.trained(created["id"])
    assert (done["webhook"], done["webhook_events_filter"]) == (receiver.url, events)
    assert done["metrics"]["training_step_count"] == 20
    assert "20/20" in done["logs"]
    name, _, version = done["output"]["version"].partition(":")
    assert name == DESTINATION
    listed = (await world.call("GET", f"/v1/models/{name}/versions")).json()["results"]
    assert [each["id"] for each in listed] == [version]
    picture = await world.run(done["output"]["version"], "a TOK fox")
    assert (picture["status"], picture["version"], len(picture["output"])) == ("succeeded", version, 1)
    assert (
        await world.call("POST", f"/v1/models/{name}/predictions", json={"input": {"prompt": "x"}})
    ).status_code == 404


async def test_the_weights_are_a_tar(world: World) -> None:
    """It can be fetched without a token, holds a config with the word, and stays when predictions' data is deleted."""
    done = await world.trained((await started(world, input={"trigger_word": "MYCAT"}))["id"])
    await world.sim("clock", advance_s=7200)
    answer = await world.http.get(done["output"]["weights"])
    assert answer.headers["content-type"] == "application/x-tar"
    with tarfile.open(fileobj=io.BytesIO(answer.content)) as tar:
        config, lora = tar.getnames()
        shown = tar.extractfile(config)
        assert shown is not None
        assert b'trigger_word: "MYCAT"' in shown.read()
    assert lora.endswith(".safetensors")
    assert len(answer.content) < 20_000
    assert (await world.trained(done["id"]))["output"] == done["output"]
    await world.sim("media", bytes=300_000)
    assert len((await world.http.get(done["output"]["weights"])).content) > 300_000


async def test_a_training_is_found_under_predictions_too(world: World) -> None:
    """There its first addresses lead, as the document shows them; in the list of predictions it is not."""
    await world.sim("run_time", start_s=100)
    created = await started(world)
    place = f"{world.url}/v1/predictions/{created['id']}"
    assert (created["urls"]["get"], created["urls"]["cancel"]) == (place, f"{place}/cancel")
    found = await world.get(created["id"])
    assert found["urls"]["get"] == f"{world.url}/v1/trainings/{created['id']}"
    assert (found["status"], found["output"], found["model"]) == ("starting", None, TRAINER.name)
    assert (await world.call("GET", "/v1/predictions")).json()["results"] == []
    canceled = (await world.call("POST", f"/v1/predictions/{created['id']}/cancel")).json()
    assert canceled["status"] == "canceled"
    assert (await world.trained(created["id"]))["status"] == "canceled"


async def test_trainings_are_listed_newest_first_and_canceled(world: World, receiver: Receiver) -> None:
    """A cancel ends a training, says so, and makes no version, also if repeated; predictions are not in the list."""
    await world.sim("run_time", start_s=100)
    await world.create()
    first, second = await started(world), await started(world, webhook=receiver.url)
    listed = (await world.call("GET", "/v1/trainings")).json()["results"]
    assert [each["id"] for each in listed] == [second["id"], first["id"]]
    answers = [(await world.call("POST", f"/v1/trainings/{second['id']}/cancel")).json() for _ in range(2)]
    assert [answer["status"] for answer in answers] == ["canceled", "canceled"]
    assert await receiver.wait_for(1) == ["canceled"]
    assert (await world.call("GET", f"/v1/models/{DESTINATION}/versions")).json()["results"] == []
    assert (await world.call("GET", f"/v1/trainings/{(await world.create())['id']}")).status_code == 404


async def test_a_training_needs_a_trainer_and_a_destination(world: World) -> None:
    """Each mistake has Replicate's real answer; another account's model is no destination."""
    images = await world.upload(ZIP)
    for destination in ("local/none", LLAMA):
        answer = await world.train(images, destination=destination)
        assert answer.json() == {"detail": "The specified training destination does not exist", "status": 404}
    for model, version in ((LLAMA, MODELS[LLAMA].version), (TRAINER.name, "0" * 64), ("acme/none", TRAINER.version)):
        body = {"destination": DESTINATION, "input": {"input_images": images}}
        answer = await world.call("POST", f"/v1/models/{model}/versions/{version}/trainings", json=body)
        assert (answer.status_code, answer.json()["title"]) == (422, "Invalid version or not permitted")
    assert (
        await world.call("POST", "/v1/predictions", json={"version": TRAINER.version, "input": {}})
    ).status_code == 422
    assert (await world.look("stats"))["predictions"] == 0


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"destination": DESTINATION}, ""),
        ({"destination": DESTINATION, "input": []}, "input"),
        ({"destination": DESTINATION, "input": {"steps": 1}}, "input"),
        ({"destination": DESTINATION, "input": {"input_images": "images.zip"}}, "input.input_images"),
        ({"destination": DESTINATION, "input": {"input_images": "https://a.example/x", "sharpness": 1}}, "input"),
        ({"destination": DESTINATION, "input": {"input_images": "https://a.example/x"}, "version": "x"}, ""),
        (
            {
                "destination": DESTINATION,
                "input": {"input_images": "https://a.example/x"},
                "webhook": "http://a.example",
            },
            "webhook",
        ),
    ],
)
async def test_what_is_wrong_is_named_by_its_field(world: World, body: JSON, field: str) -> None:
    """422 with the field, or none for the body itself."""
    await world.sim("models", name=DESTINATION)
    answer = await world.call("POST", TRAININGS, json=body)
    assert (answer.status_code, answer.json()["invalid_fields"][0]["field"]) == (422, field)


@pytest.mark.parametrize(
    ("fault", "status", "created"),
    [
        ({"kind": "create_429"}, 429, 0),
        ({"kind": "create_402"}, 402, 0),
        ({"kind": "create_5xx_before"}, 502, 0),
        ({"kind": "create_5xx_after"}, 502, 1),
        ({"kind": "model_gone", "match": {"model": TRAINER.name}}, 404, 0),
    ],
)
async def test_faults_of_a_create_hit_trainings(world: World, fault: JSON, status: int, created: int) -> None:
    """With the same answers; a fault for a prompt leaves them alone, for they have none."""
    await world.sim("faults", kind="create_401", match={"prompt_contains": ""})
    await world.sim("faults", **fault)
    answer = await world.train(await world.upload(ZIP))
    assert answer.status_code == status
    assert (await world.look("stats"))["predictions"] == created


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ({"kind": "failed", "error": "CUDA out of memory"}, "failed"),
        ({"kind": "overloaded"}, "failed"),
        ({"kind": "nsfw_partial"}, "succeeded"),
        ({"kind": "abort"}, "aborted"),
    ],
)
async def test_faults_of_a_prediction_hit_trainings(world: World, fault: JSON, status: str) -> None:
    """It ends as it shall; only a success makes a version."""
    await world.sim("faults", **fault)
    done = await world.trained((await started(world))["id"])
    assert (done["status"], "output" in done) == (status, status == "succeeded")
    versions = (await world.call("GET", f"/v1/models/{DESTINATION}/versions")).json()["results"]
    assert len(versions) == (status == "succeeded")


async def test_a_webhook_of_a_training_may_be_lost_or_doubled(world: World, receiver: Receiver) -> None:
    """The faults of webhooks are the same."""
    await world.sim("faults", kind="webhook_lost", event="start")
    await world.sim("faults", kind="webhook_doubled", event="completed")
    await started(world, webhook=receiver.url, webhook_events_filter=["start", "completed"])
    assert await receiver.wait_for(2) == ["succeeded", "succeeded"]
    await world.sim("quiet", wait_s=1)
    assert len(receiver.bodies) == 2


async def test_a_destination_is_made_at_once(world: World) -> None:
    """As often as one likes, under the account's name only."""
    for _ in range(2):
        await world.sim("models", name=DESTINATION)
    shown = (await world.call("GET", f"/v1/models/{DESTINATION}")).json()
    assert (shown["visibility"], shown["latest_version"]) == ("private", None)
    for name in ("acme/own", "local/", "local/Own", ""):
        assert (await world.http.post("/_sim/models", json={"name": name})).status_code == 400
