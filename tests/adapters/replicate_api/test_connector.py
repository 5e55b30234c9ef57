"""The connector: the verbs of an app, and what each says when it cannot."""

import asyncio
import json
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from shared.adapters.replicate.sdk import errors
from shared.adapters.replicate.sdk.api import NewPrediction, ReplicateApi
from shared.adapters.replicate.sdk.connector import ReplicateConnector
from shared.adapters.replicate.sdk.hardware import MACHINES, PRICED_ON
from shared.adapters.replicate.sdk.http import Timeouts
from shared.adapters.replicate.sdk.token import FixedToken
from shared.core.provider.prediction import Status
from tests.adapters.replicate_api.world import LLAMA, OWNER, SCHNELL, TOKEN, TRAINER, World, api_at
from tests.adapters.simulators import closed_port, scripted

TRAINING = {"input_images": "https://pictures.example/images.zip"}


@pytest.fixture
def connector(world: World) -> ReplicateConnector:
    """A connector on the simulator."""
    return ReplicateConnector(world.api)


async def test_connect_returns_the_tokens_account(connector: ReplicateConnector) -> None:
    """And verify_connection and health_check agree; after disconnect a new use connects anew."""
    account = await connector.connect()
    assert (account.username, account.type) == (OWNER, "organization")
    assert await connector.verify_connection()
    health = await connector.health_check()
    assert (health.healthy, health.problem) == (True, "")
    await connector.disconnect()
    assert await connector.verify_connection()


@pytest.mark.parametrize(
    ("token", "problem"),
    [("", "not set"), ("hf_" + "x" * 37, "r8_"), (f"{TOKEN}\r\n", "a line end"), ("r8_" + "w" * 37, "unauthorized")],
)
async def test_connect_says_what_is_wrong_with_a_token(world: World, token: str, problem: str) -> None:
    """Each in its own words; verify_connection says no, health_check why."""
    api = api_at(world.url, token)
    connector = ReplicateConnector(api)
    with pytest.raises(errors.AuthenticationError, match=problem):
        await connector.connect()
    assert not await connector.verify_connection()
    health = await connector.health_check()
    assert not health.healthy
    assert problem in health.problem
    await api.close()


async def test_trouble_is_no_bad_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """When Replicate is not reached, verify_connection raises, and health_check reports it."""
    monkeypatch.setattr("shared.adapters.replicate.sdk.retrying.PAUSES_S", (0.01, 0.02))
    api = api_at(await closed_port(), timeouts=Timeouts(connect_s=0.5, total_s=0.5))
    async with asyncio.timeout(10):
        with pytest.raises(errors.TransientError):
            await ReplicateConnector(api).verify_connection()
        assert "not reached" in (await ReplicateConnector(api).health_check()).problem
    await api.close()


async def test_it_connects_and_disconnects_as_a_block(world: World) -> None:
    """On entering it is connected, on leaving its connections are closed."""
    api = api_at(world.url)
    async with ReplicateConnector(api) as connector:
        assert await connector.verify_connection()
        assert api._caller.connections._api is not None
    assert api._caller.connections._api is None


async def test_inference_answers_with_text_and_time(connector: ReplicateConnector) -> None:
    """A language model's chunks are joined to one text, and the whole run is timed."""
    answer = await connector.inference(LLAMA, {"prompt": "foxes"}, timeout_s=10)
    assert answer.succeeded
    assert answer.text == "Here is what I know of it:\nfoxes"
    assert answer.latency_ms >= 30
    pictures = await connector.inference(SCHNELL, {"prompt": "foxes", "num_outputs": 2}, timeout_s=10)
    assert len(pictures.outputs) == 2


async def test_a_failed_inference_is_an_answer(world: World, connector: ReplicateConnector) -> None:
    """It has not succeeded, and says why."""
    world.fault(kind="failed", error="CUDA out of memory", before_start=True)
    answer = await connector.inference(LLAMA, {"prompt": "foxes"})
    assert not answer.succeeded
    assert (answer.text, answer.prediction.error) == ("", "CUDA out of memory")


async def test_inference_sends_its_deadline_to_replicate(world: World, connector: ReplicateConnector) -> None:
    """So nothing runs for long if this process ends. The bound is at least 5 s, Replicate's minimum."""
    with suppress(errors.TimedOutError):  # a busy machine may not make it in a second, and cancels: that is no create
        await connector.inference(LLAMA, {"prompt": "x"}, timeout_s=1)
    await connector.inference(LLAMA, {"prompt": "x"}, timeout_s=60)
    asked = [request for request in world.witness.requests if request.method == "POST"]
    creates = [request for request in asked if not request.url.path.endswith("/cancel")]
    sent = [(request.headers["cancel-after"], request.headers.get("prefer")) for request in creates]
    assert sent == [("5s", None), ("60s", "wait=59")]


async def test_an_inference_that_outlasts_its_time_is_canceled(world: World, connector: ReplicateConnector) -> None:
    """Even a model that has begun to write: half an answer is not returned."""
    world.takes(0.01, 60)
    with pytest.raises(errors.TimedOutError):
        await connector.inference(LLAMA, {"prompt": "x"}, timeout_s=0.2)
    (prediction,) = [each async for each in world.api.predictions.list()]
    assert prediction.status is Status.CANCELED


async def test_a_model_of_ones_own_runs_by_its_latest_version(world: World, connector: ReplicateConnector) -> None:
    """Replicate takes the bare name of official models only; its refusal created nothing: the version is asked for."""
    world.takes(0.01, 0.02)
    answer = await connector.inference("meta/musicgen", {"prompt": "rain"}, timeout_s=10)
    assert answer.succeeded
    made = [each async for each in world.api.predictions.list()]
    assert [each.model for each in made] == ["meta/musicgen"]
    assert world.witness.operations[:3] == ["predictions.create", "models.get", "predictions.create"]


async def test_a_model_that_is_nowhere_is_not_found(connector: ReplicateConnector) -> None:
    """The look-up raises NotFoundError with Replicate's words."""
    with pytest.raises(errors.NotFoundError, match=r"models\.get"):
        await connector.inference("nobody/nothing", {"prompt": "x"}, timeout_s=10)


async def test_an_input_that_is_refused_is_refused_once(world: World, connector: ReplicateConnector) -> None:
    """It has nothing to do with the version."""
    with pytest.raises(errors.ValidationError, match="num_outputs"):
        await connector.inference(SCHNELL, {"prompt": "x", "num_outputs": 99}, timeout_s=10)
    assert world.witness.operations == ["predictions.create"]


async def test_an_artifact_is_uploaded_from_its_path(connector: ReplicateConnector, tmp_path: Path) -> None:
    """As a text or a Path, under its own name; what is not there is the usual error of Python."""
    path = tmp_path / "images.zip"
    path.write_bytes(b"PK\x03\x04")
    for given in (str(path), path):
        file = await connector.upload_artifact(given, content_type="application/zip")
        assert (file.name, file.size_bytes, file.content_type) == ("images.zip", 4, "application/zip")
    assert (await connector.upload_artifact(bytearray(b"abc"), filename="a.bin")).size_bytes == 3
    with pytest.raises(FileNotFoundError, match=r"nothing\.zip"):
        await connector.upload_artifact(str(tmp_path / "nothing.zip"))
    with pytest.raises(IsADirectoryError):
        await connector.upload_artifact(tmp_path)


async def test_what_is_no_content_is_refused(world: World, connector: ReplicateConnector, tmp_path: Path) -> None:
    """None, a number, a text file, a closed file: in plain words, and nothing is sent."""
    path = tmp_path / "a.txt"
    path.write_text("a")
    with path.open() as text, path.open("rb") as closed:
        closed.close()
        wrong: tuple[Any, ...] = (None, 7, text, closed, ["a"])
        for content in wrong:
            with pytest.raises(errors.ValidationError, match="content must be a path, bytes, or an open binary file"):
                await connector.upload_artifact(content, filename="a.txt")
    with pytest.raises(errors.ValidationError, match="filename"):
        await connector.upload_artifact(b"abc")
    assert world.witness.requests == []


async def test_refusals_keep_replicates_sentence(world: World, connector: ReplicateConnector) -> None:
    """Deleting a public model, a destination that is not there: what to do is in Replicate's own words."""
    await world.api.models.create(f"{OWNER}/shown", hardware="cpu", private=False)
    with pytest.raises(errors.ReplicateError, match="private") as deleted:
        await world.api.models.delete(f"{OWNER}/shown")
    assert deleted.value.status in (400, 403, 422)
    with pytest.raises(errors.NotFoundError, match="training destination does not exist"):
        await connector.train(TRAINER, destination=f"{OWNER}/nowhere", inputs=TRAINING)


async def test_what_outlasts_its_time_is_canceled(world: World, connector: ReplicateConnector) -> None:
    """The wait ends with an error, and the prediction with it."""
    world.takes(60, 60)
    prediction = await world.api.predictions.create_by_model(LLAMA, NewPrediction(inputs={"prompt": "x"}))
    with pytest.raises(errors.TimedOutError, match=prediction.id):
        await connector.wait_for_prediction(prediction.id, timeout_s=0.1, first_look_s=0.05)
    assert (await world.api.predictions.get(prediction.id)).status is Status.CANCELED


async def test_what_ends_at_the_last_moment_is_an_answer() -> None:
    """The cancel finds it succeeded: nothing was lost."""
    running = {"id": "p" * 26, "status": "processing"}
    done = {"id": "p" * 26, "status": "succeeded", "output": "done"}
    async with scripted(*(web.Response(body=json.dumps(each).encode()) for each in (running, done))) as server:
        api = api_at(server.url)
        waited = await ReplicateConnector(api).wait_for_prediction("p" * 26, timeout_s=0)
        await api.close()
    assert waited.text == "done"
    assert [path for _, path, _, _ in server.requests][-1].endswith("/cancel")


async def test_aborted_is_an_end(world: World, connector: ReplicateConnector) -> None:
    """The wait also ends for a prediction that never started."""
    world.fault(kind="abort")
    prediction = await world.api.predictions.create_by_model(LLAMA, NewPrediction(inputs={"prompt": "x"}))
    ended = await connector.wait_for_prediction(prediction.id, timeout_s=5, first_look_s=0.02)
    assert ended.status is Status.ABORTED


async def test_passing_trouble_is_waited_out(
    world: World, connector: ReplicateConnector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A read that fails does not end the wait."""
    monkeypatch.setattr("shared.adapters.replicate.sdk.retrying.PAUSES_S", (0.01, 0.02))
    world.takes(0.01, 0.01)
    prediction = await world.api.predictions.create_by_model(LLAMA, NewPrediction(inputs={"prompt": "x"}))
    world.fault(kind="get_5xx", times=4)
    ended = await connector.wait_for_prediction(prediction.id, timeout_s=20, first_look_s=0.01)
    assert ended.status is Status.SUCCEEDED


async def test_a_model_is_deployed_and_deployed_again(connector: ReplicateConnector) -> None:
    """The second time it is the next release, not a second deployment."""
    first = await connector.deploy_model("chat", LLAMA, hardware="gpu-l40s")
    again = await connector.deploy_model("chat", LLAMA, hardware="gpu-h100", max_instances=3)
    assert (first.release, first.min_instances, first.hardware) == (1, 0, "gpu-l40s")
    assert (again.release, again.max_instances, again.hardware) == (2, 3, "gpu-h100")
    assert first.created_by is not None
    assert first.created_by.username == OWNER
    with pytest.raises(errors.ValidationError, match="another model"):
        await connector.deploy_model("chat", SCHNELL, hardware="gpu-h100")
    with pytest.raises(errors.ValidationError, match="max_instances must be from 0 to 20, not 21"):
        await connector.deploy_model("chat", LLAMA, hardware="gpu-h100", max_instances=21)
    with pytest.raises(errors.NotFoundError):
        await connector.deploy_model("chat", "acme/none", hardware="gpu-h100")


async def test_a_version_comes_from_a_training(world: World, connector: ReplicateConnector) -> None:
    """It cannot be created; the error offers the training, which makes one."""
    with pytest.raises(errors.NotOfferedError, match="cannot be created over HTTP") as raised:
        await connector.create_model_version(f"{OWNER}/style")
    assert "train(trainer, destination='darkroom-local/style'" in raised.value.instead
    assert "cog push r8.im/darkroom-local/style" in raised.value.instead
    await world.api.models.create(f"{OWNER}/style", hardware="cpu")
    training = await connector.train(TRAINER, destination=f"{OWNER}/style", inputs=TRAINING)
    world.later(60)
    done = await world.api.trainings.get(training.id)
    (version,) = [version async for version in world.api.versions.list(f"{OWNER}/style")]
    assert done.trained_version == f"{OWNER}/style:{version.id}"
    assert done.weights_url.startswith("http")


async def test_a_training_needs_its_destination(connector: ReplicateConnector) -> None:
    """One that is not there, or not the account's, is not found; one that is no name is not sent."""
    for destination in (f"{OWNER}/none", SCHNELL):
        with pytest.raises(errors.NotFoundError):
            await connector.train(TRAINER, destination=destination, inputs=TRAINING)
    with pytest.raises(errors.ValidationError, match="destination must be owner/name"):
        await connector.train(TRAINER, destination="style", inputs=TRAINING)


async def test_an_artifact_is_uploaded(connector: ReplicateConnector) -> None:
    """Its address is an input."""
    file = await connector.upload_artifact(b"zip", filename="images.zip", content_type="application/zip")
    assert file.url.endswith(file.id)


async def test_resources_have_memory_and_price(connector: ReplicateConnector) -> None:
    """Those of the account, with the price of an hour and the day that it was true."""
    resources = {resource.sku: resource for resource in await connector.list_resources()}
    a100 = resources["gpu-a100-large"]
    assert (a100.name, a100.vram_gb, a100.usd_micros_per_hour) == ("Nvidia A100 (80GB) GPU", 80, 5_040_000)
    assert a100.priced_on == PRICED_ON == date(2026, 7, 1)
    assert resources["cpu"].vram_gb == 0


async def test_a_new_machine_has_no_price_yet() -> None:
    """It is listed all the same."""
    async with scripted(web.json_response([{"sku": "gpu-b200", "name": "Nvidia B200"}, {"name": "no sku"}])) as server:
        api = ReplicateApi.at(FixedToken(TOKEN), api_url=f"{server.url}/v1")
        (resource,) = await ReplicateConnector(api).list_resources()
        await api.close()
    assert (resource.sku, resource.vram_gb, resource.usd_micros_per_hour) == ("gpu-b200", None, None)


def test_prices_are_the_published_ones(connector: ReplicateConnector) -> None:
    """Per second and hour; several GPUs cost and hold as much as so many; an unknown one has no price."""
    assert connector.get_pricing("gpu-t4").usd_micros_per_hour == 810_000
    assert connector.get_pricing("gpu-h100-8x").usd_micros_per_s == 12_200
    for sku, machine in MACHINES.items():
        single, _, times = sku.rpartition("-")
        if times.removesuffix("x").isdecimal():
            count, one = int(times.removesuffix("x")), MACHINES[single]
            assert (machine.vram_gb, machine.usd_micros_per_s) == (one.vram_gb * count, one.usd_micros_per_s * count)
    with pytest.raises(errors.ValidationError, match="hardware must be one of cpu-small"):
        connector.get_pricing("gpu-a40-large")
