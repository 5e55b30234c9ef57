"""Versions, deployments and files of the connector: what is refused before anything is created, and what is kept."""

import asyncio
import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from shared.adapters.replicate.sdk import errors
from shared.adapters.replicate.sdk.connector import ReplicateConnector, artifacts
from tests.adapters.replicate_api.world import LLAMA, OWNER, SCHNELL, TOKEN, TRAINER, World
from tests.adapters.simulators import scripted

OWN = f"{OWNER}/own"
TRAINING = {"input_images": "https://pictures.example/images.zip"}


@pytest.fixture
async def connector(world: World) -> ReplicateConnector:
    """A connected connector on the simulator, whose requests the witness sees."""
    connector = ReplicateConnector(api=world.api)
    await connector.connect()
    world.witness.forget()
    return connector


async def test_refusals_keep_replicates_sentence(connector: ReplicateConnector) -> None:
    """A destination that is not there: what to do is in Replicate's own words."""
    with pytest.raises(errors.NotFoundError, match="training destination does not exist"):
        await connector.train(TRAINER, destination=f"{OWNER}/nowhere", inputs=TRAINING)
    with pytest.raises(errors.ValidationError, match="destination must be owner/name"):
        await connector.train(TRAINER, destination="style", inputs=TRAINING)


async def test_a_versions_config_is_its_training(world: World, connector: ReplicateConnector) -> None:
    """The trainer and its inputs, without those that are named like a secret; the newest version runs then."""
    await connector.create_model(OWNER, "own")
    training = await connector.train(TRAINER, destination=OWN, inputs={**TRAINING, "steps": 9, "hf_token": "hf_x"})
    world.later(60)
    (version,) = await connector.list_model_versions(OWN)
    config = version["config"]
    assert config["trainer"].startswith(f"{TRAINER}:")
    assert (config["training_id"], config["input"]) == (training.id, {**TRAINING, "steps": 9})
    assert (await connector.get_model_version(OWN, version["id"]))["config"] == config
    pushed = world.push(OWN)
    assert [each["id"] for each in await connector.list_model_versions(OWN)] == [pushed, version["id"]]


async def test_the_versions_of_others_have_no_config(world: World, connector: ReplicateConnector) -> None:
    """Their trainings are not ours to read, so no list of ours is asked for."""
    (version,) = await connector.list_model_versions(SCHNELL)
    assert version["config"] == {}
    assert version["openapi_schema"]["components"]
    assert world.witness.operations == ["models.versions.list"]


@pytest.mark.parametrize("fault", [{"kind": "failed", "error": "CUDA out of memory"}, {"kind": "stuck"}])
async def test_a_training_that_makes_no_version_is_no_version(
    world: World, connector: ReplicateConnector, fault: dict[str, Any]
) -> None:
    """It failed, or it runs on: both have its id, and the second says how to follow and how to end it."""
    await connector.create_model(OWNER, "own")
    world.fault(**fault)
    making = asyncio.create_task(
        connector.create_model_version(OWN, "v1", config={"trainer": TRAINER, "input": TRAINING}, timeout=2)
    )
    await asyncio.sleep(0.5)
    world.later(60)
    kind = errors.FailedError if fault["kind"] == "failed" else errors.TimedOutError
    with pytest.raises(kind, match=r"CUDA out of memory|runs on\. Follow it with api\.trainings\.get") as raised:
        await making
    (training,) = [each async for each in world.api.trainings.list()]
    assert vars(raised.value)["prediction_id"] == training.id
    assert await connector.list_model_versions(OWN) == []


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"trainer": TRAINER, "weights_input": "trigger_word"}, "weights_input"),
        ({"trainer": TRAINER}, "weights_input"),
        ({"trainer": TRAINER, "input": [1]}, "input"),
    ],
)
async def test_weights_need_an_input_of_the_trainer(
    world: World, connector: ReplicateConnector, config: dict[str, Any], field: str
) -> None:
    """One that is a file; else its files are named, and no training is started."""
    with pytest.raises(errors.ValidationError) as raised:
        await connector.create_model_version(OWN, "v1", "https://weights.example/a.safetensors", config)
    assert set(raised.value.fields) == {field}
    assert not world.simulator.records


async def test_a_model_is_deployed_and_deployed_again(world: World, connector: ReplicateConnector) -> None:
    """The second time it is the next release, not a second deployment."""
    await connector.deploy_model("chat", LLAMA, deployment_config={"hardware": "gpu-l40s"})
    first = await world.api.deployments.get(f"{OWNER}/chat")
    await connector.deploy_model("chat", LLAMA, deployment_config={"hardware": "gpu-h100", "max_instances": 3})
    again = await world.api.deployments.get(f"{OWNER}/chat")
    assert (first.release, first.min_instances, first.hardware) == (1, 0, "gpu-l40s")
    assert (again.release, again.max_instances, again.hardware) == (2, 3, "gpu-h100")


@pytest.mark.parametrize(
    ("base_model", "config", "problem"),
    [
        (SCHNELL, {}, "deploys meta/meta-llama-3-8b-instruct, and a deployment keeps its model"),
        (LLAMA, {"max_instances": 21}, "max_instances must be from 0 to 20, not 21"),
        (LLAMA, {"visibility": "public"}, "seen and run by its account only"),
        (LLAMA, {"owner": "somebody"}, f"belongs to the token's account, which is {OWNER}"),
        (LLAMA, {"gpu": "T4"}, "deployment_config has no gpu; it has owner, hardware"),
        (LLAMA, {"trainer": TRAINER}, "trainer need an adapter_path"),
        ("acme/none", {}, "Replicate has no model acme/none with a version.*cog push r8.im/darkroom-local/chat"),
        ("llama", {}, "model must be owner/name"),
    ],
)
async def test_what_cannot_be_deployed_is_refused(
    world: World, connector: ReplicateConnector, base_model: str, config: dict[str, Any], problem: str
) -> None:
    """With what is wrong; the deployment that was there stays as it is."""
    await connector.deploy_model("chat", LLAMA)
    with pytest.raises(errors.ReplicateError, match=problem):
        await connector.deploy_model("chat", base_model, deployment_config=config)
    (deployment,) = [each async for each in world.api.deployments.list()]
    assert (deployment.release, deployment.model) == (1, LLAMA)


@pytest.mark.parametrize(
    ("adapter", "config", "kind"),
    [
        ("nothing", {"trainer": TRAINER, "weights_input": "input_images"}, FileNotFoundError),
        (".", {}, errors.NotOfferedError),
        (".", {"trainer": TRAINER}, ValueError),
        (".", {"trainer": TRAINER, "weights_input": "input_images", "min_instances": 1}, ValueError),
    ],
)
async def test_an_adapter_that_cannot_be_used_leaves_nothing(
    world: World, connector: ReplicateConnector, tmp_path: Path, adapter: str, config: dict[str, Any], kind: Any
) -> None:
    """No model, no upload, no training."""
    (tmp_path / "a.safetensors").write_bytes(b"weights")
    with pytest.raises(kind):
        await connector.deploy_model("own", LLAMA, tmp_path / adapter, config)
    assert OWN not in world.simulator.library.models
    assert not world.simulator.library.files
    assert not world.simulator.records


async def test_a_folder_becomes_the_same_zip_every_time(
    world: World, connector: ReplicateConnector, tmp_path: Path
) -> None:
    """Its bytes depend on the names and the contents of its files alone."""
    packed = []
    for name in ("one", "two"):
        (tmp_path / name / "inner").mkdir(parents=True)
        for file in ("b.json", "inner/a.safetensors"):
            (tmp_path / name / file).write_bytes(file.encode())
        await connector.upload_artifact(tmp_path / name, {"name": "adapter", "rank": 16})
        packed.append(list(world.simulator.library.files.values())[-1])
    assert packed[0].content == packed[1].content
    assert (packed[0].name, packed[0].content_type) == ("adapter.zip", "application/zip")
    assert packed[0].metadata == {"name": "adapter", "rank": 16}
    with zipfile.ZipFile(io.BytesIO(packed[0].content)) as archive:
        assert archive.namelist() == ["b.json", "inner/a.safetensors"]


async def test_what_is_too_large_is_refused_before_it_is_packed(
    world: World, connector: ReplicateConnector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the largest file, and what to do; an empty folder is refused too."""
    monkeypatch.setattr(artifacts, "MOST_BYTES", 10)
    with pytest.raises(ValueError, match="and have 0 bytes"):
        await connector.upload_artifact(tmp_path)
    (tmp_path / "small.json").write_bytes(b"1234")
    (tmp_path / "large.bin").write_bytes(b"12345678")
    with pytest.raises(
        ValueError, match=r"have 12 bytes; the largest is large\.bin with 8\. Host it at an https address"
    ):
        await connector.upload_artifact(tmp_path)
    assert world.witness.requests == []


async def test_the_name_behind_an_address_is_not_sent_on(
    world: World, connector: ReplicateConnector, tmp_path: Path
) -> None:
    """An upload's address goes into inputs as Replicate gave it; any other address stays as it is."""
    path = tmp_path / "sea.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n")
    url = await connector.upload_artifact(path, {"name": "the sea"})
    assert url.endswith("#the%20sea.png")
    other = "https://pictures.example/sea.png#top"
    prediction_id = await connector.create_prediction("black-forest-labs/flux-dev", {"prompt": other, "image": url})
    sent = (await connector.get_prediction(prediction_id))["input"]
    assert sent == {"prompt": other, "image": url.partition("#")[0]}


async def test_a_picture_is_downloaded(world: World, connector: ReplicateConnector) -> None:
    """Its bytes, and the media type that its first bytes say; a data URI too."""
    for held in (None, True):
        call = {"input_data": {"output_format": "png"}, "timeout": 20}
        if held:
            result = await connector.inference(SCHNELL, "a ship", **call)  # type: ignore[arg-type]
            (url,) = result["outputs"]
        else:
            prediction_id = await connector.create_prediction(SCHNELL, {"prompt": "a ship", "output_format": "png"})
            url = (await connector.wait_for_prediction(prediction_id, 20, 0.05))["output"][0]
        content, content_type = await connector.download_image(url)
        assert (content[:4], content_type) == (b"\x89PNG", "image/png")
    world.fault(kind="output_wrong_type")
    prediction_id = await connector.create_prediction(SCHNELL, {"prompt": "a ship"})
    url = (await connector.wait_for_prediction(prediction_id, 20, 0.05))["output"][0]
    with pytest.raises(ValueError, match="no picture"):
        await connector.download_image(url)
    with pytest.raises(ValueError, match="larger than 10 bytes"):
        await connector.download_image(url, most_bytes=10)
    world.later(3700)
    with pytest.raises(errors.ExpiredError, match="run it again"):
        await connector.download_image(url)


async def test_a_picture_that_does_not_come_is_no_picture(world: World, connector: ReplicateConnector) -> None:
    """A broken transfer is a ConnectionError, a slow one a TimeoutError."""
    prediction_id = await connector.create_prediction(SCHNELL, {"prompt": "a ship"})
    url = (await connector.wait_for_prediction(prediction_id, 20, 0.05))["output"][0]
    world.fault(kind="output_truncated")
    with pytest.raises(ConnectionError, match="no whole answer"):
        await connector.download_image(url)
    world.fault(kind="output_slow", seconds=5)
    with pytest.raises(TimeoutError, match=r"did not come within 0\.2 s"):
        await connector.download_image(url, timeout=0.2)


@pytest.mark.parametrize(
    "url", ["https://replicate.delivery.evil.example/a.png", "http://127.0.0.1:1/a.png", "file:///etc/passwd", "x", ""]
)
async def test_a_picture_comes_from_replicates_hosts_only(connector: ReplicateConnector, url: str) -> None:
    """Any other address is refused before it is asked for."""
    with pytest.raises(ValueError, match="not at Replicate's own hosts"):
        await connector.download_image(url)


async def test_a_new_machine_is_listed_without_memory_and_price() -> None:
    """It is no reason to fail."""
    account = web.json_response({"username": "acme"})
    listed = web.json_response([{"sku": "gpu-b200-2x", "name": "2x Nvidia B200 GPU"}, {"name": "no sku"}])
    async with scripted(account, listed) as server:
        connector = ReplicateConnector({"api_token": TOKEN}, api_url=f"{server.url}/v1")
        await connector.connect()
        (resource,) = await connector.list_resources()
        await connector.disconnect()
    assert (resource.id, resource.gpu_type, resource.gpu_count, resource.vram_gb) == ("gpu-b200-2x", "B200", 2, None)


async def test_usage_is_bounded_and_says_so(world: World, connector: ReplicateConnector) -> None:
    """The oldest are left out; a deployment that is deleted has no known machine; a time needs its zone."""
    await connector.deploy_model("chat", LLAMA)
    for model_id in (f"{OWNER}/chat", SCHNELL, SCHNELL):
        await connector.create_prediction(model_id, {"prompt": "x"})
    world.fault(kind="failed", error="CUDA out of memory")
    await connector.create_prediction(SCHNELL, {"prompt": "x"})
    await world.api.deployments.delete(f"{OWNER}/chat")
    world.later(5)
    usage = await connector.get_usage()
    assert [(row.name, row.predictions, row.failed) for row in usage.rows] == [(SCHNELL, 3, 1), (f"{OWNER}/chat", 1, 0)]
    assert (usage.rows[1].hardware, usage.usd_micros_at_least) == (None, 0)
    assert usage.complete
    some = await connector.get_usage(most=2)
    assert (some.predictions, some.complete) == (2, False)
    with pytest.raises(ValueError, match="since must have a time zone"):
        await connector.get_usage(usage.since.replace(tzinfo=None))
