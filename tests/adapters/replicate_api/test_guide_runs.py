"""The connector as a user of it writes it, rows S7 to S16 of what was asked: predictions, inference, prices, errors.

No test here looks inside: each has the imports, the calls and the ``except`` clauses of a user's own program.
test_guide_models.py has rows S1 to S6.
"""

import asyncio
import time

import pytest

from shared.adapters.replicate.sdk.connector import ReplicateConnector
from tests.adapters.replicate_api.world import LLAMA, OWNER, SCHNELL, TOKEN, TRAINER, World
from tests.adapters.simulators import never_answer, raw_server

CHAT = f"{OWNER}/harbour-chat"


async def test_s7_a_prediction_is_created(world: World, connector: ReplicateConnector) -> None:
    """S7: of the latest version or of a named one; the result is its id."""
    first, second = world.push(CHAT), world.push(CHAT)
    prediction_id = await connector.create_prediction(
        model_id=CHAT, input_data={"prompt": "Write about the sea", "max_tokens": 50, "temperature": 0.8}
    )
    other_id = await connector.create_prediction(model_id=CHAT, input_data={"prompt": "Ahoy"}, version_id=first)
    assert (await connector.get_prediction(prediction_id))["version"] == second
    assert (await connector.get_prediction(other_id))["version"] == first


async def test_s8_a_prediction_is_waited_for(world: World, connector: ReplicateConnector) -> None:
    """S8: its status and output, or a TimeoutError with its id; a prediction that takes too long does not run on."""
    prediction_id = await connector.create_prediction(model_id=LLAMA, input_data={"prompt": "foxes"})
    prediction = await connector.wait_for_prediction(prediction_id=prediction_id, timeout=300, poll_interval=0.05)
    assert prediction["status"] == "succeeded"
    assert "".join(prediction["output"]) == "Here is what I know of it:\nfoxes"
    world.takes(600, 600)
    stuck_id = await connector.create_prediction(model_id=LLAMA, input_data={"prompt": "foxes"})
    with pytest.raises(TimeoutError, match=stuck_id):
        await connector.wait_for_prediction(prediction_id=stuck_id, timeout=0.1, poll_interval=0.05)
    assert (await connector.get_prediction(stuck_id))["status"] == "canceled"


async def test_s9_a_prediction_is_canceled(world: World, connector: ReplicateConnector) -> None:
    """S9: one that runs ends; of one that had succeeded it says that there was nothing to cancel."""
    done_id = await connector.create_prediction(model_id=LLAMA, input_data={"prompt": "foxes"})
    await connector.wait_for_prediction(done_id, poll_interval=0.05)
    assert await connector.cancel_prediction(done_id) is False
    world.takes(600, 600)
    prediction_id = await connector.create_prediction(model_id=LLAMA, input_data={"prompt": "foxes"})
    assert await connector.cancel_prediction(prediction_id) is True
    assert (await connector.get_prediction(prediction_id))["status"] == "canceled"


async def test_s10_results_are_streamed(world: World, connector: ReplicateConnector) -> None:
    """S10: the text comes in parts while the model writes; who stops reading pays for no more."""
    parts = [part async for part in connector.stream(LLAMA, "foxes", {"max_tokens": 64})]
    assert len(parts) > 1
    assert "".join(parts) == "Here is what I know of it:\nfoxes"
    world.takes(0.01, 20)
    stream = connector.stream(LLAMA, "a long story of a fox and of the sea")
    await anext(stream)
    await stream.aclose()
    latest = await anext(aiter(world.api.predictions.list()))
    assert latest.status.value == "canceled"


async def test_s11_inference_answers_with_text_and_latency(world: World, connector: ReplicateConnector) -> None:
    """S11: for one's own model, by its latest or a named version, with the usual settings."""
    version_id = world.push(CHAT)
    result = await connector.inference(
        model_id=CHAT,
        prompt="What is a bollard?",
        generation_config={"max_tokens": 256, "temperature": 0.7, "top_p": 0.9},
    )
    assert result["text"] == "Here is what I know of it:\nWhat is a bollard?"
    assert f"{result['latency_ms']:.2f}ms".endswith(".00ms")
    named = await connector.inference(model_id=CHAT, version_id=version_id, prompt="Hello, world!")
    assert named["version"] == version_id
    sent = (await connector.get_prediction(result["prediction_id"]))["input"]
    assert sent == {"prompt": "What is a bollard?", "max_tokens": 256, "temperature": 0.7, "top_p": 0.9}


async def test_s11_a_time_out_is_never_an_empty_answer(connector: ReplicateConnector, world: World) -> None:
    """S11: it raises, and so does the look at a result that Replicate has deleted after its hour."""
    world.takes(0.01, 600)
    with pytest.raises(TimeoutError, match=r"took over 0\.3 s: canceled"):
        await connector.inference(model_id=LLAMA, prompt="Ahoy", timeout=0.3)
    world.takes(0.01, 0.02)
    result = await connector.inference(model_id=LLAMA, prompt="Ahoy")
    world.later(3700)
    for look in (connector.get_prediction, connector.wait_for_prediction):
        with pytest.raises(RuntimeError, match=r"succeeded, and its output is deleted.*run it again"):
            await look(result["prediction_id"])


async def test_s12_the_token_is_the_only_credential(world: World) -> None:
    """S12: without it ValueError; a malformed or refused one is one too; ``disconnect`` forgets it."""
    connector = ReplicateConnector(api_url=f"{world.url}/v1")
    assert connector.get_required_credentials() == ["api_token"]
    for credentials, problem in (
        ({}, "api_token is required"),
        ({"api_token": "hf_" + "x" * 37}, 'does not start with "r8_"'),
        ({"api_token": f"{TOKEN}\n"}, "a line end"),
        ({"api_token": "r8_" + "w" * 37}, "unauthorized"),
    ):
        with pytest.raises(ValueError, match=problem):
            await connector.connect(credentials)
        assert await connector.verify_connection() is False
    assert await connector.connect({"api_token": TOKEN}) is True
    assert await connector.verify_connection() is True
    assert await connector.disconnect() is True
    assert await connector.verify_connection() is False
    with pytest.raises(ValueError, match="api_token is required"):
        await connector.connect()


async def test_s12_nothing_works_before_connect(world: World) -> None:
    """S12: every call raises RuntimeError "Not connected", before ``connect`` and after ``disconnect``."""
    connector = ReplicateConnector(api_url=f"{world.url}/v1")

    async def read_to_the_end() -> None:
        _ = [part async for part in connector.stream(LLAMA, "Ahoy")]

    for _ in range(2):
        for call in (
            lambda: connector.create_model(owner="a", name="b"),
            lambda: connector.get_model("a/b"),
            lambda: connector.delete_model("a/b"),
            lambda: connector.create_model_version(model_id="a/b", version="v1"),
            lambda: connector.list_model_versions("a/b"),
            lambda: connector.get_model_version("a/b", "c"),
            lambda: connector.delete_model_version("a/b", "c"),
            lambda: connector.deploy_model(model_name="b", base_model="a/c"),
            lambda: connector.train(TRAINER, destination="a/b", inputs={}),
            lambda: connector.upload_artifact("/nowhere", {"name": "x"}),
            lambda: connector.download_image("https://replicate.delivery/x.png"),
            lambda: connector.create_prediction(model_id="a/b", input_data={"prompt": "x"}),
            lambda: connector.get_prediction("p"),
            lambda: connector.wait_for_prediction("p"),
            lambda: connector.cancel_prediction("p"),
            lambda: connector.inference(model_id="a/b", prompt="x"),
            read_to_the_end,
            connector.list_resources,
            connector.get_usage,
        ):
            with pytest.raises(RuntimeError, match=r"^Not connected to Replicate: call connect\("):
                await call()
        assert await connector.connect({"api_token": TOKEN})
        await connector.disconnect()
    assert sum(world.simulator.requests.values()) == 2  # those of the two connects


async def test_s13_machines_and_their_prices(connector: ReplicateConnector) -> None:
    """S13: name, GPU, memory, and the price of an hour in USD, by the second, without a minimum."""
    shown = {}
    for resource in await connector.list_resources():
        pricing = await connector.get_pricing(resource.id)
        shown[resource.id] = f"{resource.name}: {resource.gpu_type} {resource.vram_gb}GB ${pricing.price_per_hour}/hour"
        assert (pricing.resource_id, pricing.currency) == (resource.id, "USD")
        assert (pricing.billing_increment_seconds, pricing.minimum_charge_seconds) == (1, 0)
    assert shown["gpu-t4"] == "Nvidia T4 GPU: T4 16GB $0.81/hour"
    assert shown["gpu-a100-large-2x"] == "2x Nvidia A100 (80GB) GPU: A100 160GB $10.08/hour"
    assert shown["cpu"] == "CPU: None 0GB $0.36/hour"
    with pytest.raises(ValueError, match="Invalid resource ID"):
        await connector.get_pricing("invalid-resource")
    with pytest.raises(ValueError, match="gpu-l40s has as much memory"):
        await connector.get_pricing("replicate-a40-large")


async def test_s14_usage_cost_and_latency_of_a_period(world: World, connector: ReplicateConnector) -> None:
    """S14: by model and by deployment: how many, how long, and what a deployment costs at least."""
    await connector.deploy_model("harbour-chat", LLAMA, deployment_config={"hardware": "gpu-l40s", "min_instances": 2})
    world.takes(1, 3)
    for model_id in (CHAT, CHAT, SCHNELL):
        await connector.create_prediction(model_id=model_id, input_data={"prompt": "Ahoy"})
    world.later(10)
    usage = await connector.get_usage()
    assert (usage.predictions, usage.complete) == (3, True)
    deployed, other = usage.rows
    assert (deployed.name, deployed.predictions, deployed.succeeded, deployed.failed) == (CHAT, 2, 2, 0)
    assert (deployed.run_s, deployed.latency_ms_median) == (6.0, 4000)
    assert (deployed.usd_micros_at_least, deployed.usd_at_least) == (6 * 975, 0.00585)
    assert deployed.usd_micros_per_idle_hour == 2 * 3_510_000
    assert (other.name, other.usd_micros_at_least) == (SCHNELL, None)
    earlier = await connector.get_usage(until=usage.since)
    assert (earlier.predictions, list(earlier.rows)) == (0, [])


async def test_s15_errors_are_pythons_own(world: World, connector: ReplicateConnector) -> None:
    """S15: a failed run is a RuntimeError, a slow one a TimeoutError, and both say what to do or to look at."""
    world.fault(kind="failed", error="CUDA out of memory", before_start=True)
    caught = []
    for timeout in (10, 0.2):
        try:
            await connector.inference(model_id=LLAMA, prompt="Hello", timeout=timeout)
        except TimeoutError as error:
            caught.append(f"Prediction timed out: {error}")
        except RuntimeError as error:
            caught.append(f"Inference failed: {error}")
        world.takes(0.01, 600)
    assert "CUDA out of memory" in caught[0]
    assert "replicate.com/p/" in caught[0]
    assert caught[1].startswith("Prediction timed out: predictions.get: prediction ")


async def test_s15_a_refusal_has_replicates_sentence_and_the_field(connector: ReplicateConnector) -> None:
    """S15: ValueError with the field, its rule and Replicate's own words, and without the prompt."""
    with pytest.raises(ValueError, match=r"num_outputs \(number_lte: Must be less than or equal to 4\)") as raised:
        await connector.create_prediction(SCHNELL, {"prompt": "a secret wish", "num_outputs": 99})
    assert "secret wish" not in str(raised.value)


async def test_s15_a_time_out_is_a_bound() -> None:
    """S15: against a server that never answers, 1 s is at most 1.5 s."""
    async with raw_server(never_answer) as url:
        connector = ReplicateConnector(api_url=f"{url}/v1")
        began = time.monotonic()
        with pytest.raises(TimeoutError, match="no answer within 1 s"):
            await connector.connect({"api_token": TOKEN}, timeout=1)
        assert time.monotonic() - began <= 1.5


async def test_s16_requests_run_together(world: World, connector: ReplicateConnector) -> None:
    """S16: a batch of requests is gathered; one that fails does not end the others, and each keeps its place."""
    world.fault(kind="failed", error="CUDA out of memory", match={"prompt_contains": "second"})
    prompts = ("first", "second", "third")
    results = await asyncio.gather(
        *(connector.inference(model_id=LLAMA, prompt=prompt) for prompt in prompts), return_exceptions=True
    )
    texts = [str(each) if isinstance(each, BaseException) else each["text"][-6:].strip() for each in results]
    assert (texts[0], texts[2]) == ("first", "third")
    assert "CUDA out of memory" in texts[1]


async def test_s16_a_throttle_says_how_long_to_wait(world: World, connector: ReplicateConnector) -> None:
    """S16: nothing was done, and the error has the seconds."""
    world.fault(kind="create_429", seconds=7)
    with pytest.raises(RuntimeError, match=r"throttled.*Nothing was done") as raised:
        await connector.inference(model_id=LLAMA, prompt="Hello")
    assert vars(raised.value)["retry_after_s"] == 7
