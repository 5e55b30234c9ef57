"""The connector's own promises: what each verb sends, and what it says when it cannot."""

import asyncio
from contextlib import suppress
from dataclasses import replace

import pytest

from replicate_simulator.models import MODELS
from shared.adapters.replicate.sdk import errors
from shared.adapters.replicate.sdk.connector import ReplicateConnector, targets
from shared.adapters.replicate.sdk.http import Timeouts
from shared.core.provider.prediction import Status
from tests.adapters.replicate_api.world import LLAMA, OWNER, SCHNELL, TOKEN, TRAINER, World
from tests.adapters.simulators import closed_port

OWN = f"{OWNER}/own"
TRAINING = {"input_images": "https://pictures.example/images.zip"}


@pytest.fixture
async def connector(world: World) -> ReplicateConnector:
    """A connected connector on the simulator, whose requests the witness sees."""
    connector = ReplicateConnector(api=world.api)
    await connector.connect()
    world.witness.forget()
    return connector


async def test_health_says_why_there_is_no_connection(world: World) -> None:
    """Not connected, refused since, not reached: ``verify_connection`` says no, ``health_check`` why."""
    connector = ReplicateConnector({"api_token": TOKEN}, api_url=f"{world.url}/v1")
    assert "Not connected" in (await connector.health_check()).problem
    await connector.connect()
    assert (await connector.health_check()).problem == ""
    world.simulator.settings.token = "r8_" + "n" * 37
    assert "unauthorized" in (await connector.health_check()).problem
    assert not await connector.verify_connection()
    await connector.disconnect()


async def test_replicate_that_is_not_reached_is_a_connection_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """``connect`` raises it, and there is no connection then."""
    monkeypatch.setattr("shared.adapters.replicate.sdk.retrying.PAUSES_S", (0.01, 0.02))
    timeouts = Timeouts(connect_s=0.5, total_s=0.5)
    connector = ReplicateConnector({"api_token": TOKEN}, api_url=f"{await closed_port()}/v1", timeouts=timeouts)
    async with asyncio.timeout(10):
        with pytest.raises(ConnectionError, match="not reached"):
            await connector.connect()
    with pytest.raises(errors.NotConnectedError):
        await connector.list_resources()


async def test_it_connects_and_disconnects_as_a_block(world: World) -> None:
    """On entering it is connected, on leaving its connections are closed and its token is forgotten."""
    async with ReplicateConnector({"api_token": TOKEN}, api_url=f"{world.url}/v1") as connector:
        connections = connector.connected("test").connections()
        open_api = connections._api
        assert open_api is not None
    assert connections._api is not open_api
    assert TOKEN not in str(vars(connector))


async def test_an_api_that_is_given_stays_open(world: World, connector: ReplicateConnector) -> None:
    """Others use its connections too."""
    await connector.disconnect()
    assert world.api.connections()._api is not None
    await connector.connect()


async def test_a_second_connect_closes_the_first_ones_connections(world: World) -> None:
    """And forgets what was learned: the second token may be another account's."""
    connector = ReplicateConnector({"api_token": TOKEN}, api_url=f"{world.url}/v1")
    await connector.connect()
    connections = connector.connected("test").connections()
    await connector.create_model(OWNER, "mine", hardware="cpu")
    await connector.connect({"api_token": TOKEN})
    assert not connections._api
    assert (await connector.get_model(f"{OWNER}/mine"))["hardware"] is None
    await connector.disconnect()


async def test_a_models_files_are_its_outputs(connector: ReplicateConnector) -> None:
    """One for each, in ``outputs``; the inputs go as they are."""
    pictures = await connector.inference(SCHNELL, "foxes", input_data={"num_outputs": 2}, timeout=10)
    assert len(pictures["outputs"]) == 2
    assert pictures["latency_ms"] >= 30


async def test_a_failed_prediction_is_an_answer_of_the_wait(world: World, connector: ReplicateConnector) -> None:
    """It has not succeeded, and says why; ``inference`` raises it."""
    world.fault(kind="failed", error="CUDA out of memory", before_start=True, times=2)
    prediction_id = await connector.create_prediction(LLAMA, {"prompt": "foxes"})
    prediction = await connector.wait_for_prediction(prediction_id, poll_interval=0.05)
    assert (prediction["status"], prediction["error"]) == ("failed", "CUDA out of memory")
    with pytest.raises(errors.FailedError, match="ended as failed: CUDA out of memory") as raised:
        await connector.inference(LLAMA, "foxes")
    assert raised.value.prediction_id


async def test_inference_sends_its_deadline_to_replicate(world: World, connector: ReplicateConnector) -> None:
    """So nothing runs for long if this process ends. The bound is at least 5 s, Replicate's minimum."""
    with suppress(errors.TimedOutError):  # a busy machine may not make it in a second, and cancels: that is no create
        await connector.inference(LLAMA, "x", timeout=1)
    await connector.inference(LLAMA, "x", timeout=60)
    asked = [request for request in world.witness.requests if request.method == "POST"]
    creates = [request for request in asked if not request.url.path.endswith("/cancel")]
    sent = [(request.headers["cancel-after"], request.headers.get("prefer")) for request in creates]
    assert sent == [("5s", None), ("60s", "wait=59")]


async def test_an_inference_that_outlasts_its_time_is_canceled(world: World, connector: ReplicateConnector) -> None:
    """Even a model that has begun to write: half an answer is not returned."""
    world.takes(0.01, 60)
    with pytest.raises(errors.TimedOutError):
        await connector.inference(LLAMA, "x", timeout=0.2)
    (prediction,) = [each async for each in world.api.predictions.list()]
    assert prediction.status is Status.CANCELED


async def test_a_community_model_runs_by_its_latest_version(world: World, connector: ReplicateConnector) -> None:
    """Replicate takes the bare name of official models only; its refusal created nothing: the version is asked for."""
    world.takes(0.01, 0.02)
    answer = await connector.inference("meta/musicgen", "rain", timeout=10)
    assert answer["status"] == "succeeded"
    made = [each async for each in world.api.predictions.list()]
    assert [each.model for each in made] == ["meta/musicgen"]
    assert world.witness.operations[:3] == ["predictions.create", "models.get", "predictions.create"]
    world.witness.forget()
    await connector.create_prediction("meta/musicgen", {"prompt": "rain"})
    assert world.witness.operations == ["predictions.create"]  # the version is known now


async def test_a_model_of_ones_own_is_asked_for_once(world: World, connector: ReplicateConnector) -> None:
    """First its deployment, then its version; a version that is deleted since is looked up again."""
    first, second = world.push(OWN), world.push(OWN)
    prediction_id = await connector.create_prediction(OWN, {"prompt": "x"})
    assert world.witness.operations == ["deployments.get", "models.get", "predictions.create"]
    assert (await connector.get_prediction(prediction_id))["version"] == second
    await world.api.versions.delete(OWN, second)
    world.witness.forget()
    prediction_id = await connector.create_prediction(OWN, {"prompt": "x"})
    assert world.witness.operations == ["predictions.create", "models.get", "predictions.create"]
    assert (await connector.get_prediction(prediction_id))["version"] == first
    assert len(world.simulator.records) == 2


async def test_a_new_version_runs_when_the_kept_one_is_old(
    world: World, connector: ReplicateConnector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was looked up is believed for some minutes only."""
    monkeypatch.setattr(targets, "KEPT_S", 0)
    world.push(OWN)
    await connector.create_prediction(OWN, {"prompt": "x"})
    second = world.push(OWN)
    prediction_id = await connector.create_prediction(OWN, {"prompt": "x"})
    assert (await connector.get_prediction(prediction_id))["version"] == second


async def test_a_version_runs_by_itself(world: World, connector: ReplicateConnector) -> None:
    """As 64 digits, behind a name, or beside one; it is never replaced by another."""
    version = world.push(OWN)
    for model_id, version_id in ((version, None), (f"{OWN}:{version}", None), (OWN, version)):
        prediction_id = await connector.create_prediction(model_id, {"prompt": "x"}, version_id)
        assert (await connector.get_prediction(prediction_id))["version"] == version
    world.witness.forget()
    with pytest.raises(errors.ValidationError):
        await connector.create_prediction(OWN, {"prompt": "x"}, "0" * 64)
    assert world.witness.operations == ["predictions.create"]
    for wrong in ("v1", "", f"{SCHNELL}:{version}"):
        with pytest.raises(errors.ValidationError, match="version_id"):
            await connector.create_prediction(OWN, {"prompt": "x"}, wrong)
    assert world.witness.operations == ["predictions.create"]


async def test_a_deployment_runs_before_the_model_of_its_name(world: World, connector: ReplicateConnector) -> None:
    """Somebody made it to be used; a version that is named runs as such."""
    version = world.push(OWN)
    await world.api.deployments.create(
        "own", model=OWN, version=version, hardware="gpu-t4", min_instances=0, max_instances=1
    )
    prediction_id = await connector.create_prediction(OWN, {"prompt": "x"})
    assert (await connector.get_prediction(prediction_id))["deployment"] == OWN
    prediction_id = await connector.create_prediction(OWN, {"prompt": "x"}, version)
    assert (await connector.get_prediction(prediction_id))["deployment"] == ""


async def test_an_empty_model_says_how_it_gets_a_version(connector: ReplicateConnector) -> None:
    """A training, or Cog, with its name in the commands."""
    await connector.create_model(OWNER, "own")
    with pytest.raises(errors.NotFoundError, match=f"{OWN} has no version yet.*cog push r8.im/{OWN}"):
        await connector.create_prediction(OWN, {"prompt": "x"})


async def test_a_setting_goes_to_the_models_own_input(world: World, connector: ReplicateConnector) -> None:
    """By the published schema; what the model has no input for is refused by name, and nothing is created."""
    llama = MODELS[LLAMA]
    renamed = {"prompt": llama.inputs["prompt"], "max_new_tokens": llama.inputs["max_tokens"]}
    world.push(OWN, replace(llama, inputs=renamed))
    result = await connector.inference(OWN, "x", {"max_tokens": 7})
    sent = (await connector.get_prediction(result["prediction_id"]))["input"]
    assert sent == {"prompt": "x", "max_new_tokens": 7}
    with pytest.raises(
        errors.ValidationError, match="has no input beam, temperature; it takes max_new_tokens"
    ) as raised:
        await connector.inference(OWN, "x", {"temperature": 1, "beam": 2})
    assert raised.value.fields == {"beam": "unknown", "temperature": "unknown"}
    assert len(world.simulator.records) == 1


async def test_a_model_that_is_nowhere_is_not_found(connector: ReplicateConnector) -> None:
    """The look-up raises NotFoundError with Replicate's words."""
    with pytest.raises(errors.NotFoundError, match=r"models\.get"):
        await connector.inference("nobody/nothing", "x", timeout=10)


async def test_an_input_that_is_refused_is_refused_once(world: World, connector: ReplicateConnector) -> None:
    """It has nothing to do with the version."""
    with pytest.raises(errors.ValidationError, match="num_outputs"):
        await connector.inference(SCHNELL, "x", input_data={"num_outputs": 99}, timeout=10)
    assert world.witness.operations == ["predictions.create"]


async def test_refusals_keep_replicates_sentence(world: World, connector: ReplicateConnector) -> None:
    """Deleting a public model, a destination that is not there: what to do is in Replicate's own words."""
    await world.api.models.create(f"{OWNER}/shown", hardware="cpu", private=False)
    with pytest.raises(errors.ReplicateError, match="private") as deleted:
        await world.api.models.delete(f"{OWNER}/shown")
    assert deleted.value.status in (400, 403, 422)
    with pytest.raises(errors.NotFoundError, match="training destination does not exist"):
        await connector.train(TRAINER, destination=f"{OWNER}/nowhere", inputs=TRAINING)


async def test_aborted_is_an_end(world: World, connector: ReplicateConnector) -> None:
    """The wait also ends for a prediction that never started."""
    world.fault(kind="abort")
    prediction_id = await connector.create_prediction(LLAMA, {"prompt": "x"})
    ended = await connector.wait_for_prediction(prediction_id, 5, 0.05)
    assert ended["status"] == "aborted"


async def test_passing_trouble_is_waited_out(
    world: World, connector: ReplicateConnector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A read that fails does not end the wait."""
    monkeypatch.setattr("shared.adapters.replicate.sdk.retrying.PAUSES_S", (0.01, 0.02))
    world.takes(0.01, 0.01)
    prediction_id = await connector.create_prediction(LLAMA, {"prompt": "x"})
    world.fault(kind="get_5xx", times=4)
    ended = await connector.wait_for_prediction(prediction_id, 20, 0.05)
    assert ended["status"] == "succeeded"


async def test_a_prediction_may_be_left_running(world: World, connector: ReplicateConnector) -> None:
    """Then the error says until when: its Cancel-After, or Replicate's own limit."""
    world.takes(600, 600)
    for cancel_after, until in ((None, "for 30 min after its start"), (90, r"until \d\d:\d\d:\d\d UTC")):
        prediction_id = await connector.create_prediction(LLAMA, {"prompt": "x"}, cancel_after=cancel_after)
        with pytest.raises(errors.TimedOutError, match=f"it may run on {until}") as raised:
            await connector.wait_for_prediction(prediction_id, 0.1, cancel_on_timeout=False)
        assert raised.value.prediction_id == prediction_id
        assert (await connector.get_prediction(prediction_id))["status"] == "starting"


async def test_a_failed_stream_raises(world: World, connector: ReplicateConnector) -> None:
    """At its end, after what was written."""
    world.fault(kind="failed", error="CUDA out of memory")
    with pytest.raises(errors.FailedError, match="CUDA out of memory"):
        _ = [part async for part in connector.stream(LLAMA, "x")]


async def test_a_stream_that_takes_too_long_is_canceled(world: World, connector: ReplicateConnector) -> None:
    """With the prediction's id, like any other wait."""
    world.takes(600, 600)
    with pytest.raises(errors.TimedOutError, match=r"prediction \w+ took over 0\.3 s: canceled"):
        _ = [part async for part in connector.stream(LLAMA, "x", timeout=0.3)]
    (prediction,) = [each async for each in world.api.predictions.list()]
    assert prediction.status is Status.CANCELED
