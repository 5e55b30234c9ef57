"""What a training delivers: its version, and its weights if they are available."""

import json
import pickle
from dataclasses import replace

import pytest

from dev.fakes.archives import safetensors, tarred, zipped
from shared.core.reasons import Reason
from shared.ports import Limits
from shared.worker.delivery import INLINE_CHARACTERS
from tests.worker.modalities import TAR, TRAINED_VERSION, opened, train, trained


async def test_a_version_without_weights_is_stored_as_json() -> None:
    """So that nothing that was paid for is lost."""
    world = await trained(await opened(), weights=None)
    (output,) = world.events[0].outputs
    assert (output.name, output.content_type, output.text) == (
        "ada/ada/one/1-0.json",
        "application/json",
        TRAINED_VERSION,
    )
    assert json.loads(world.blobs.outputs[output.name].content) == {"version": TRAINED_VERSION}
    assert world.balances() == (900, 0, 100)
    world.at_rest()


@pytest.mark.parametrize("trouble", ["gone", "too large"])
async def test_weights_that_cannot_be_had_leave_the_version(trouble: str) -> None:
    """The model is trained, and runs at the provider: that is what was asked for."""
    world = await opened()
    await train(world)
    world.replicate.train(world.replicate.only_id, TAR)
    if trouble == "gone":
        world.replicate.files.clear()
    else:
        world.deps = replace(world.deps, limits=Limits(output_bytes=len(TAR) - 1))
    await world.webhook(world.replicate.only_id)
    await world.settle(hours=1)
    (output,) = world.events[0].outputs
    assert (output.content_type, output.text) == ("application/json", TRAINED_VERSION)
    assert json.loads(world.blobs.outputs[output.name].content) == {"version": TRAINED_VERSION}
    world.at_rest()


@pytest.mark.parametrize(
    ("weights", "extension", "content_type"),
    [
        (safetensors(), "safetensors", "application/octet-stream"),
        (zipped(("lora.safetensors", safetensors()), ("about.json", b"{}")), "zip", "application/zip"),
        (tarred(("lora.safetensors", safetensors()), mode="w:gz"), "tar.gz", "application/gzip"),
    ],
    ids=["safetensors", "zip", "tar.gz"],
)
async def test_weights_are_known_by_their_header(weights: bytes, extension: str, content_type: str) -> None:
    """Alone or in an archive, whatever the address ends with."""
    world = await trained(await opened(), weights)
    (output,) = world.events[0].outputs
    assert (output.name, output.content_type) == (f"ada/ada/one/1-0.{extension}", content_type)
    assert (output.text, world.blobs.outputs[output.name].content) == (TRAINED_VERSION, weights)


@pytest.mark.parametrize(
    "weights",
    [
        pickle.dumps({"lora": b"numbers"}),
        b"safetensors, say",
        zipped(("archive/data.pkl", pickle.dumps({"lora": b"numbers"}))),
        tarred(("lora.safetensors", safetensors()), ("optimizer.pt", b"numbers")),
        tarred(("lora.safetensors", pickle.dumps({"lora": b"numbers"}))),
        tarred(("config.yaml", b"steps: 10")),
    ],
    ids=["pickle", "text", "torch", "pickle beside", "pickle by another name", "no weights"],
)
async def test_weights_that_may_run_a_program_are_not_stored(weights: bytes) -> None:
    """The version is delivered without them. Without a version there is no result, and nothing is paid."""
    world = await trained(await opened(), weights)
    (output,) = world.events[0].outputs
    assert (output.content_type, output.text) == ("application/json", TRAINED_VERSION)
    assert [blob.content for blob in world.blobs.outputs.values() if weights[:50] in blob.content] == []
    world.at_rest()
    bare = await opened()
    await train(bare)
    bare.replicate.succeed(bare.replicate.only_id, [weights])
    await bare.webhook(bare.replicate.only_id)
    assert (bare.events[0].reason, bare.balances()) == (Reason.OUTPUT_INVALID, (1000, 0, 0))
    assert bare.blobs.outputs == {}


async def test_weights_without_a_version_are_delivered() -> None:
    """A trainer that makes none."""
    world = await opened()
    await train(world)
    world.replicate.succeed(world.replicate.only_id, [TAR])
    await world.webhook(world.replicate.only_id)
    (output,) = world.events[0].outputs
    assert (output.name, output.text) == ("ada/ada/one/1-0.tar", "")
    world.at_rest()


@pytest.mark.parametrize("gone", [True, False], ids=["weights that are gone", "nothing"])
async def test_nothing_of_use_is_no_result(gone: bool) -> None:
    """The generation fails, and its hold is released."""
    world = await opened()
    await train(world)
    world.replicate.succeed(world.replicate.only_id, [TAR] if gone else [])
    world.replicate.files.clear()
    await world.webhook(world.replicate.only_id)
    await world.settle(hours=1)
    assert world.events[0].outcome == "failed"
    assert world.balances() == (1000, 0, 0)
    world.at_rest()


async def test_the_text_in_the_event_has_a_bound() -> None:
    """A version is short; what is not goes into the file whole."""
    world = await opened()
    await train(world)
    world.replicate.say(world.replicate.only_id, "x" * (INLINE_CHARACTERS + 1))
    await world.webhook(world.replicate.only_id)
    (output,) = world.events[0].outputs
    assert len(output.text) == INLINE_CHARACTERS
    assert len(json.loads(world.blobs.outputs[output.name].content)["version"]) == INLINE_CHARACTERS + 1
