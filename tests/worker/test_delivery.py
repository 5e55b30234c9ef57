"""What is kept of an output: it is cleaned and whole, and a black picture counts as a refusal."""

from dataclasses import replace

import pytest

from dev.fakes.images import BLACK, EXTRA, MANIFEST, SHORT
from dev.fakes.screener import UNSAFE_IMAGE
from dev.fakes.world import KEY, World, facts
from shared.core.keys import Key
from shared.core.lifecycle.state import State
from shared.core.reasons import Reason
from shared.core.safety.screening_record import read_record
from tests.worker.modalities import MP4, TAR, WAV, opened, train

PICTURE = "https://pictures.example/cat.png"


async def delivered(world: World, *contents: bytes, model: str = "flux-schnell", key: Key = KEY) -> World:
    """A generation whose prediction brings these files."""
    await world.ask(key, model=model, num_outputs=len(contents))
    prediction_id = world.replicate.ids()[-1]
    world.replicate.succeed(prediction_id, list(contents))
    await world.webhook(prediction_id)
    return world


async def test_what_is_stored_is_what_was_screened(world: World) -> None:
    """Cleaned of what no viewer needs, and of the right size in the event."""
    await delivered(world, b"a cat" + EXTRA)
    assert world.blobs.outputs["ada/ada/one/1-0.png"].content == b"a cat"
    assert world.screener.images == [b"a cat"]
    assert world.events[0].outputs[0].size_bytes == 5
    assert world.balances() == (9, 0, 1)
    world.at_rest()


async def test_what_was_screened_of_an_input_is_what_a_model_gets(world: World) -> None:
    """No place, no thumbnail, no text goes to Replicate."""
    world.inputs.files[PICTURE] = b"a cat" + EXTRA
    await world.ask(model="flux-dev", image_url=PICTURE)
    assert [blob.content for blob in world.blobs.inputs.values()] == [b"a cat"]
    assert world.screener.images == [b"a cat"]
    assert world.replicate.creates[0][1].inputs["image"] == "data:image/png;base64,YSBjYXQ="


async def test_an_input_that_ends_early_is_refused_with_what_would_do(world: World) -> None:
    """The sentence names the formats."""
    world.inputs.files[PICTURE] = SHORT
    await world.ask(model="flux-dev", image_url=PICTURE)
    assert world.events[0].reason is Reason.INPUT_INVALID
    assert "PNG, JPEG, WebP or GIF" in facts(world.events[0])["reason"]["text"]
    assert not world.replicate.creates
    world.at_rest()


async def test_a_manifest_is_recorded_and_kept_beside_the_output(world: World) -> None:
    """With the record of the output, which is read back from its row; the event names the picture alone."""
    await delivered(world, b"a cat" + MANIFEST, b"a dog")
    assert {name: blob.content for name, blob in world.blobs.outputs.items()} == {
        "ada/ada/one/1-0.png": b"a cat",
        "ada/ada/one/1-0.c2pa": MANIFEST,
        "ada/ada/one/1-1.png": b"a dog",
    }
    assert world.blobs.outputs["ada/ada/one/1-0.c2pa"].content_type == "application/c2pa"
    records = world.generation().screenings
    assert [(record.subject, record.provenance) for record in records] == [
        ("prompt", ""),
        ("output 1.0", "valid"),
        ("output 1.1", ""),
    ]
    assert [read_record(record.to_json()) for record in records] == list(records)
    assert [output.name for output in world.events[0].outputs] == ["ada/ada/one/1-0.png", "ada/ada/one/1-1.png"]


async def test_the_manifest_of_a_refused_output_is_not_kept(world: World) -> None:
    """It goes with its picture."""
    await delivered(world, UNSAFE_IMAGE + MANIFEST)
    assert world.events[0].reason is Reason.OUTPUT_REFUSED
    assert not world.blobs.outputs
    assert world.generation().screenings[1].provenance == "valid"
    world.at_rest()


async def test_an_output_that_ended_early_is_fetched_again(world: World) -> None:
    """The transfer was cut; of two, both are delivered in the end and each is paid once."""
    await delivered(world, SHORT, b"a dog")
    uri = world.replicate.fetched[0]
    assert world.generation().state is State.RUNNING
    assert world.balances() == (8, 2, 0)
    world.replicate.files[uri] = b"a cat"
    world.pass_time(10)
    await world.pump()
    assert {name: blob.content for name, blob in world.blobs.outputs.items()} == {
        "ada/ada/one/1-0.png": b"a cat",
        "ada/ada/one/1-1.png": b"a dog",
    }
    assert world.balances() == (8, 0, 2)
    world.at_rest()


async def test_what_ends_early_for_most_of_its_hour_is_no_result(world: World) -> None:
    """Its file will never be whole: released, and the other one is delivered while it is still there."""
    await world.ask(num_outputs=2)
    world.replicate.succeed(world.replicate.only_id, [SHORT, b"a dog"])
    world.pass_time(2999)
    await world.webhook(world.replicate.only_id)
    assert not world.events
    world.pass_time(1)
    await world.webhook(world.replicate.only_id)
    assert [output.name for output in world.events[0].outputs] == ["ada/ada/one/1-1.png"]
    assert world.balances() == (9, 0, 1)
    world.at_rest()


async def test_what_came_in_the_message_was_not_cut_on_its_way(world: World) -> None:
    """A data URI that ends early ends early for good."""
    await world.ask()
    uri = "data:image/png;base64,AAAA"
    prediction = replace(world.replicate.succeed(world.replicate.only_id), outputs=(uri,))
    world.replicate.predictions[world.replicate.only_id] = prediction
    world.replicate.files[uri] = SHORT
    await world.webhook(world.replicate.only_id)
    assert world.events[0].reason is Reason.OUTPUT_INVALID
    assert world.balances() == (10, 0, 0)
    world.at_rest()


@pytest.mark.parametrize(("model", "whole"), [("film", MP4), ("voice", WAV)])
async def test_a_film_or_a_sound_that_ended_early_is_fetched_again(model: str, whole: bytes) -> None:
    """An mp4 without its index, a sound shorter than its head says."""
    world = await opened()
    await world.ask(model=model)
    cut = MP4[:24] if model == "film" else WAV[:30]
    world.replicate.succeed(world.replicate.only_id, [cut])
    await world.webhook(world.replicate.only_id)
    assert world.generation().state is State.RUNNING
    world.replicate.files[world.replicate.fetched[0]] = whole
    world.pass_time(10)
    await world.pump()
    assert [blob.content for blob in world.blobs.outputs.values()] == [whole]
    world.at_rest()


async def test_weights_that_ended_early_are_fetched_again() -> None:
    """A tar without its end; after most of its hour the version alone is the result."""
    for waits_s, content_type in ((10, "application/x-tar"), (3000, "application/json")):
        world = await opened()
        await train(world)
        world.replicate.train(world.replicate.only_id, TAR.rstrip(b"\0"))
        await world.webhook(world.replicate.only_id)
        assert world.generation().state is State.RUNNING
        if waits_s < 3000:
            world.replicate.files[world.replicate.fetched[0]] = TAR
        world.pass_time(waits_s)
        await world.pump()
        assert world.events[0].outputs[0].content_type == content_type
        world.at_rest()


async def test_a_sound_with_pictures_in_it_is_refused() -> None:
    """A policy that lets sounds pass unscreened does not let videos pass."""
    moov = b"\x00\x00\x00\x28moov\x00\x00\x00\x20hdlr" + bytes(8) + b"vide" + bytes(12)
    film = b"\x00\x00\x00\x18ftypM4A " + bytes(12) + moov + b"\x00\x00\x00\x0cmdat" + bytes(4)
    sound = film.replace(b"vide", b"soun")
    for content, outcome in ((film, "failed"), (sound, "succeeded")):
        world = await opened()
        await world.ask(model="voice")
        world.replicate.succeed(world.replicate.only_id, [content])
        await world.webhook(world.replicate.only_id)
        assert world.events[0].outcome == outcome
        world.at_rest()


async def test_a_black_picture_is_the_refusal_of_a_model_that_says_so_in_black(world: World) -> None:
    """It is neither screened nor stored nor paid, and is reported as a refusal; the other one is delivered."""
    await delivered(world, BLACK, b"a dog", model="sdxl")
    (event,) = world.events
    assert [output.name for output in event.outputs] == ["ada/ada/one/1-1.png"]
    assert event.refused_outputs == 1
    assert world.screener.images == [b"a dog"]
    assert event.captured_credits == world.deps.catalog.models["sdxl"].credits
    await delivered(world, BLACK, model="sdxl", key=Key("ada", "two"))
    assert (world.events[1].outcome, world.events[1].reason) == ("failed", Reason.CONTENT_REFUSED)
    assert world.events[1].captured_credits == 0
    assert set(world.blobs.outputs) == {"ada/ada/one/1-1.png"}
    world.at_rest()


async def test_a_black_picture_of_another_model_was_asked_for(world: World) -> None:
    """A model that says no with an error has made what it was asked for."""
    assert not world.deps.catalog.models["flux-1.1-pro"].black_is_refusal
    await delivered(world, BLACK, model="flux-1.1-pro")
    assert world.events[0].outcome == "succeeded"
    world.at_rest()
