"""The connector as a user of it writes it, for the models of the later guides: text, pictures, films and sounds.

Rows S37 to S39, S48, S51, S55 to S58 and S62 of what was asked. No test here looks inside: each has the imports, the
calls and the ``except`` clauses of a user's own program.
"""

import asyncio
from typing import Any

import pytest

from shared.adapters.replicate.sdk.connector import ReplicateConnector
from tests.adapters.replicate_api.world import LLAMA, SCHNELL, World

DEV = "black-forest-labs/flux-dev"
SDXL = "stability-ai/sdxl"
MINIMAX = "minimax/video-01"
MUSICGEN = "meta/musicgen"


async def test_s37_a_picture_of_a_text(connector: ReplicateConnector) -> None:
    """S37, S56: size, negative prompt, steps, guidance, seed and format by the model's names; one address for each."""
    picture = await connector.inference(
        SDXL,
        "a lighthouse at dusk",
        {"negative_prompt": "people", "width": 768, "height": 512, "num_outputs": 2, "seed": 0},
        input_data={"num_inference_steps": 30, "guidance_scale": 7.5},
    )
    assert (picture["status"], len(picture["outputs"])) == ("succeeded", 2)
    sent = (await connector.get_prediction(picture["prediction_id"]))["input"]
    assert (sent["seed"], sent["negative_prompt"], sent["guidance_scale"]) == (0, "people", 7.5)


async def test_s38_a_picture_of_a_picture(connector: ReplicateConnector) -> None:
    """S38: from an address; a model that takes none says so by the input's name, before anything is created."""
    inputs = {"image": "https://pictures.example/harbour.png", "guidance": 3.5, "seed": 7}
    picture = await connector.inference(DEV, "the same in winter", input_data=inputs)
    assert len(picture["outputs"]) == 1
    with pytest.raises(ValueError, match="image"):
        await connector.create_prediction(SCHNELL, {"prompt": "the same in winter", **inputs})


async def test_s39_a_prediction_is_created_and_waited_for(connector: ReplicateConnector) -> None:
    """S39, S48: created, polled with growing pauses to its end, and its picture fetched: bytes and media type."""
    prediction_id = await connector.create_prediction(SCHNELL, {"prompt": "a boat", "output_format": "png"})
    prediction = await connector.wait_for_prediction(prediction_id, timeout=60)
    content, content_type = await connector.download_image(prediction["output"][0])
    assert (content[:4], content_type) == (b"\x89PNG", "image/png")


async def test_s51_several_at_once(connector: ReplicateConnector) -> None:
    """S51: a gathered batch shares the connections; one that is refused does not end the others."""
    asked: list[dict[str, Any]] = [{"num_outputs": 1}, {"num_outputs": 99}, {"num_outputs": 2}]
    results = await asyncio.gather(
        *(connector.inference(SCHNELL, "boats", input_data=inputs) for inputs in asked), return_exceptions=True
    )
    counts = [len(each["outputs"]) if isinstance(each, dict) else type(each).__name__ for each in results]
    assert counts == [1, "ValidationError", 2]


async def test_s55_a_text_comes_whole_or_in_parts(connector: ReplicateConnector) -> None:
    """S55: with max_tokens and temperature; streamed, the parts are the same text."""
    settings = {"max_tokens": 2000, "temperature": 0.7}
    whole = await connector.inference(LLAMA, "What is a buoy?", settings)
    parts = [part async for part in connector.stream(LLAMA, "What is a buoy?", settings)]
    assert len(parts) > 1
    assert "".join(parts) == whole["text"]


async def test_s55_a_system_prompt_that_a_model_has_no_input_for(world: World, connector: ReplicateConnector) -> None:
    """S55: refused by name before anything is created, with the input that it has: its own template takes both."""
    with pytest.raises(ValueError, match=r"no input system_prompt; it takes .*prompt_template"):
        await connector.inference(LLAMA, "What is a buoy?", {"system_prompt": "You are brief."})
    assert not world.simulator.records
    template = "<|system|>You are brief.<|user|>{prompt}<|assistant|>"
    answer = await connector.inference(LLAMA, "What is a buoy?", {"prompt_template": template})
    assert answer["status"] == "succeeded"


async def test_s57_a_film(world: World, connector: ReplicateConnector) -> None:
    """S57: from a picture; an input that the model has not (fps) is refused by name, and nothing is created."""
    film = await connector.inference(
        MINIMAX, "waves", input_data={"first_frame_image": "https://pictures.example/sea.png"}
    )
    assert len(film["outputs"]) == 1
    with pytest.raises(ValueError, match="has no input fps; it takes duration, first_frame_image"):
        await connector.inference(MINIMAX, "waves", {"fps": 30})
    assert len(world.simulator.records) == 1


async def test_s58_a_sound(world: World, connector: ReplicateConnector) -> None:
    """S58: duration, temperature and the continuation of another sound; what the model does not take is named."""
    inputs = {"duration": 30, "temperature": 1.0, "continuation": True, "input_audio": "https://sounds.example/a.wav"}
    sound = await connector.inference(MUSICGEN, "rain on a roof", input_data=inputs)
    assert len(sound["outputs"]) == 1
    sent = (await connector.get_prediction(sound["prediction_id"]))["input"]
    assert {name: sent[name] for name in inputs} == inputs
    with pytest.raises(ValueError, match="top_z"):
        await connector.create_prediction(MUSICGEN, {"prompt": "rain", "top_z": 250})
    assert len(world.simulator.records) == 1


async def test_s62_a_version_is_looked_up_once(world: World, connector: ReplicateConnector) -> None:
    """S62: the model's latest version, for all its runs of the next minutes."""
    for _ in range(3):
        await connector.create_prediction(MUSICGEN, {"prompt": "rain"})
    assert world.simulator.requests["GET /v1/models/{owner}/{name}"] == 1
