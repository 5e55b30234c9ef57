"""The message handler with every modality but trainings: texts, videos, sounds, and their input files."""

from dataclasses import replace
from typing import Any

import pytest

from dev.fakes.world import KEY, World, facts
from shared.adapters.replicate.metrics import measured_of
from shared.core.keys import Key
from shared.core.lifecycle.state import State
from shared.core.money.entries import Move
from shared.core.provider.prediction import DeferReason, NotCreated
from shared.core.reasons import Reason
from shared.core.safety.moderation import keyed_digest
from shared.ports import Limits
from shared.worker.delivery import INLINE_CHARACTERS
from tests.worker.modalities import MP4, STRICT, WAV, WILLING, opened

PICTURE = "https://pictures.example/cat.png"


async def said(world: World, *chunks: str, **fields: Any) -> World:
    """A world in which a text was requested, and returned in these chunks."""
    await world.ask(model="writer", **fields)
    world.replicate.say(world.replicate.only_id, *chunks)
    await world.webhook(world.replicate.only_id)
    return world


async def made(world: World, model: str, *contents: bytes, **fields: Any) -> World:
    """A world in which something was requested, and returned as these files."""
    await world.ask(model=model, **fields)
    world.replicate.succeed(world.replicate.only_id, list(contents))
    await world.webhook(world.replicate.only_id)
    return world


# Texts.


async def test_a_text_is_joined_screened_stored_and_published() -> None:
    """Its chunks are one file of UTF-8, which costs a thousand tokens' credits; a short one is in the event."""
    world = await said(await opened(), "Ein Leucht", "turm", "\n", " 🗼.")
    (output,) = world.events[0].outputs
    assert output.name == "ada/ada/one/1-0.txt"
    assert (output.content_type, output.width, output.height) == ("text/plain; charset=utf-8", 0, 0)
    assert output.text == "Ein Leuchtturm\n 🗼."
    stored = world.blobs.outputs[output.name]
    assert (stored.content.decode(), stored.content_type) == (output.text, output.content_type)
    assert output.size_bytes == len(stored.content)
    assert world.screener.texts == ["A lighthouse at night", output.text]
    assert facts(world.events[0])["outputs"][0]["text"] == output.text
    assert [record.subject for record in world.generation().screenings] == ["prompt", "output 1.0"]
    assert world.balances() == (999, 0, 1)
    assert world.replicate.fetched == []
    world.at_rest()


@pytest.mark.parametrize(("length", "inline"), [(INLINE_CHARACTERS, True), (INLINE_CHARACTERS + 1, False)])
async def test_a_long_text_is_stored_and_not_in_the_event(length: int, inline: bool) -> None:
    """The event has its name and its size."""
    text = "ä" * length
    world = await said(await opened(), text)
    (output,) = world.events[0].outputs
    assert output.text == (text if inline else "")
    assert world.blobs.outputs[output.name].content == text.encode()
    assert output.size_bytes == 2 * length
    world.at_rest()


async def test_a_character_that_was_parted_is_whole() -> None:
    """JSON may split one between two chunks; half of a pair is not valid UTF-8, which a store refuses."""
    world = await said(await opened(), "a \ud83d", "\uddfc b", " \ud83d")
    assert world.events[0].outputs[0].text == "a 🗼 b \ufffd"
    world.at_rest()


async def test_an_unsafe_text_is_neither_stored_nor_published() -> None:
    """However it was split into chunks; nobody pays for it."""
    world = await said(await opened(), "a go", "ry lighthouse")
    (event,) = world.events
    assert (event.outcome, event.reason) == ("failed", Reason.OUTPUT_REFUSED)
    assert event.refused_outputs == 1
    assert not world.blobs.outputs
    assert "a gory" not in str(event.to_json())
    assert world.balances() == (1000, 0, 0)
    world.at_rest()


@pytest.mark.parametrize("chunks", [(), ("",), (" ", "\n")])
async def test_a_text_that_says_nothing_is_no_result(chunks: tuple[str, ...]) -> None:
    """The generation fails, and its hold is released."""
    world = await said(await opened(), *chunks)
    assert world.events[0].reason is Reason.OUTPUT_INVALID
    assert world.balances() == (1000, 0, 0)
    world.at_rest()


async def test_a_text_beyond_the_bound_is_no_result() -> None:
    """By its bytes; the bound itself is fine."""
    for length, outcome in ((5, "succeeded"), (6, "failed")):
        world = await opened()
        world.deps = replace(world.deps, limits=Limits(output_bytes=10))
        await said(world, "ä" * length)
        assert world.events[0].outcome == outcome
        world.at_rest()


async def test_a_system_prompt_is_screened_together_with_the_prompt() -> None:
    """As one text: what is harmless in two fields may not be so together."""
    world = await opened()
    await world.ask(model="writer", system_prompt="Be brief.", negative_prompt="no people", trigger_word="LGHT")
    assert world.screener.texts == ["Be brief.\n\nA lighthouse at night\n\nno people\n\nLGHT"]
    assert world.generation().state is State.RUNNING
    await world.ask(Key("ada", "two"), model="writer", system_prompt="You are gory.")
    assert world.saved(Key("ada", "two")).reason is Reason.PROMPT_REFUSED
    assert len(world.replicate.creates) == 1


async def test_a_text_costs_its_tokens() -> None:
    """What the provider measured is kept as it came, and priced."""
    world = await opened()
    await world.ask(model="writer", max_tokens=2500)
    done = world.replicate.say(world.replicate.only_id, "a lighthouse")
    metrics: dict[str, Any] = {"token_output_count": 12, "predict_time": 0.5, "model_variant": "b"}
    world.replicate.predictions[done.prediction_id] = replace(done, metrics=metrics, measured=measured_of(metrics))
    await world.webhook(done.prediction_id)
    generation = world.generation()
    assert (generation.cost_usd_micros, generation.metrics) == (12, metrics)
    assert world.balances() == (997, 0, 3)
    (published,) = [facts for name, _, facts in world.telemetry.steps if name == "published"]
    assert published["cost_usd_micros"] == 12


# What nobody can look at.


@pytest.mark.parametrize("model", ["film", "song", "voice"])
async def test_what_nobody_can_look_at_is_not_offered_by_default(model: str) -> None:
    """Refused before anything is held, looked at, or asked for."""
    world = await opened(STRICT)
    await world.ask(model=model)
    assert (world.events[0].outcome, world.events[0].reason) == ("rejected", Reason.NOT_SCREENED)
    assert world.screener.texts == []
    assert world.replicate.creates == []
    assert world.balances() == (1000, 0, 0)
    world.at_rest()


@pytest.mark.parametrize("named", ["video", "audio", "training"])
async def test_a_policy_lets_pass_what_it_names_and_nothing_else(named: str) -> None:
    """A policy that lets sounds pass does not let videos pass."""
    world = await opened(replace(STRICT, unscreened=frozenset({named})))
    for number, (model, modality) in enumerate((("film", "video"), ("song", "audio"))):
        key = Key("ada", f"g{number}")
        await world.ask(key, model=model)
        assert (world.saved(key).reason is Reason.NOT_SCREENED) == (modality != named)


async def test_a_policy_that_has_changed_meanwhile_refuses_the_result() -> None:
    """The policy is checked again on delivery."""
    world = await opened()
    await world.ask(model="film")
    world.deps = replace(world.deps, policy=STRICT)
    world.replicate.succeed(world.replicate.only_id, [MP4])
    await world.webhook(world.replicate.only_id)
    assert world.events[0].reason is Reason.OUTPUT_REFUSED
    assert not world.blobs.outputs
    assert world.balances() == (1000, 0, 0)
    world.at_rest()


# Films and sounds.


async def test_a_film_is_stored_as_one() -> None:
    """By its bytes, unscreened, which the record says; for the seconds that were asked for."""
    world = await made(await opened(), "film", MP4, duration_s=9)
    (output,) = world.events[0].outputs
    assert (output.name, output.content_type) == ("ada/ada/one/1-0.mp4", "video/mp4")
    assert (output.width, output.height, output.text) == (0, 0, "")
    assert world.blobs.outputs[output.name].content == MP4
    record = world.generation().screenings[-1]
    assert (record.subject, record.unscreened, record.allowed) == ("output 1.0", "video", True)
    assert world.balances() == (991, 0, 9)
    assert world.generation().cost_usd_micros == 90_000
    assert world.screener.images == []
    world.at_rest()


@pytest.mark.parametrize("content", [b"<html>", WAV, bytes(300), b"\x00\x00\x00\x18ftypavif" + MP4[12:]])
async def test_what_is_no_film_is_no_result(content: bytes) -> None:
    """Whatever its address says that it is."""
    world = await made(await opened(), "film", content)
    assert world.events[0].reason is Reason.OUTPUT_INVALID
    assert not world.blobs.outputs
    assert world.balances() == (1000, 0, 0)
    world.at_rest()


async def test_a_model_may_have_a_bound_of_its_own() -> None:
    """A video of a thousand bytes at most, although the app's own limit is larger."""
    world = await made(await opened(), "film", MP4 + bytes(1000))
    assert world.events[0].reason is Reason.OUTPUT_INVALID
    world.at_rest()


async def test_a_film_begins_with_a_picture_that_was_screened() -> None:
    """The model gets the app's own copy."""
    world = await opened()
    world.inputs.files[PICTURE] = b"a cat"
    await made(world, "film", MP4, image_url=PICTURE)
    ((_, attempt),) = world.replicate.creates
    assert attempt.inputs["start"] == "data:image/png;base64,YSBjYXQ="
    assert world.screener.images == [b"a cat"]
    assert world.generation().cost_usd_micros == 50_000
    world.at_rest()


async def test_pictures_in_a_list_are_one_too() -> None:
    """Screened, stored, and sent as a list of one."""
    world = await opened()
    world.inputs.files[PICTURE] = b"a cat"
    await made(world, "collage", b"a collage", image_url=PICTURE)
    ((_, attempt),) = world.replicate.creates
    assert attempt.inputs["input_images"] == ["data:image/png;base64,YSBjYXQ="]
    saved = world.generation().attempt
    assert saved is not None
    assert str(saved.inputs["input_images"]).startswith("['input:ada/ada/one/")
    assert world.events[0].outcome == "succeeded"
    world.at_rest()


async def test_of_an_object_the_first_file_is_taken() -> None:
    """What else there is belongs to it, and one was asked and held for."""
    world = await made(await opened(), "voice", WAV, b"a prompt in numbers")
    (output,) = world.events[0].outputs
    assert (output.name, output.content_type) == ("ada/ada/one/1-0.wav", "audio/wav")
    assert len(world.replicate.fetched) == 1
    assert world.balances() == (998, 0, 2)
    world.at_rest()


# A sound to go on from.


async def test_a_sound_goes_on_from_a_file_of_the_users() -> None:
    """The model gets an address that lives as long as it may take; the row has the name alone."""
    world = await opened()
    world.deps = replace(world.deps, digest_key=b"a key")
    world.blobs.uploads["ada/ada/horn.wav"] = WAV
    await made(world, "song", WAV, input_file="ada/ada/horn.wav", continuation=True)
    ((_, attempt),) = world.replicate.creates
    assert attempt.inputs["continuation"] is True
    assert str(attempt.inputs["input_audio"]).startswith(
        "https://uploads.example/ada/ada/horn.wav?until=2026-11-21T12:16"
    )
    saved = world.generation().attempt
    assert saved is not None
    assert saved.inputs["input_audio"] == "ada/ada/horn.wav"
    record = world.generation().screenings[0]
    assert (record.subject, record.unscreened, record.allowed) == ("input file", "audio", True)
    assert record.digest == keyed_digest(b"a key", b"ada/ada/horn.wav")
    assert world.blobs.uploads == {"ada/ada/horn.wav": WAV}
    world.at_rest()


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, "The input file is not there. Upload it, then send the request again."),
        (b"", "The input file must have from 1 byte to 1 MiB."),
        (bytes(1024 * 1024 + 1), "The input file must have from 1 byte to 1 MiB."),
    ],
    ids=["missing", "empty", "too large"],
)
async def test_a_file_that_cannot_be_used_is_refused_before_anything_is_held(content: bytes | None, text: str) -> None:
    """Nor screened, nor asked for."""
    world = await opened()
    world.deps = replace(world.deps, limits=Limits(upload_bytes=1024 * 1024))
    if content is not None:
        world.blobs.uploads["ada/ada/horn.wav"] = content
    await world.ask(model="song", input_file="ada/ada/horn.wav")
    (event,) = world.events
    assert (event.outcome, event.reason, event.text) == ("rejected", Reason.INPUT_INVALID, text)
    assert set(world.store.entries_of(KEY)) == {Move.ENDED_UNOPENED}
    assert world.screener.texts == []
    assert world.replicate.creates == []
    world.at_rest()


async def test_a_file_of_the_largest_size_is_taken() -> None:
    """The bound of an input file's size is inclusive."""
    world = await opened()
    world.deps = replace(world.deps, limits=Limits(upload_bytes=1024 * 1024))
    world.blobs.uploads["ada/ada/horn.wav"] = bytes(1024 * 1024)
    await world.ask(model="song", input_file="ada/ada/horn.wav")
    assert world.generation().state is State.RUNNING


@pytest.mark.parametrize("name", ["bob/horn.wav", "ada/../bob/horn.wav", "horn.wav"])
async def test_a_file_of_another_user_is_never_looked_at(name: str) -> None:
    """The request is malformed, whether there is such a file or not."""
    world = await opened()
    world.blobs.uploads["bob/horn.wav"] = WAV
    await world.ask(model="song", input_file=name)
    assert (world.events[0].outcome, world.events[0].reason) == ("rejected", Reason.INVALID_REQUEST)
    assert world.replicate.creates == []
    assert world.balances() == (1000, 0, 0)


async def test_a_model_that_takes_no_file_refuses_one() -> None:
    """It would make something else of it and charge; nothing is held, and nothing is asked."""
    world = await opened()
    before = world.balances()
    await world.ask(model="voice", input_file="ada/ada/horn.wav")
    (event,) = world.events
    assert (event.outcome, event.reason) == ("rejected", Reason.INVALID_REQUEST)
    assert event.text == "input_file is not taken by voice: leave it out, or ask for a model that takes it"
    assert (world.balances(), world.replicate.creates) == (before, [])
    world.at_rest()


async def test_a_file_that_goes_while_the_create_waits_ends_it() -> None:
    """The next try finds nothing to go on from: released, and said so."""
    world = await opened()
    world.blobs.uploads["ada/ada/horn.wav"] = WAV
    world.replicate.answer_next_create_with(NotCreated(DeferReason.THROTTLED, 30))
    await world.ask(model="song", input_file="ada/ada/horn.wav")
    assert world.generation().state is State.WAITING
    world.blobs.uploads.clear()
    await world.settle()
    (event,) = world.events
    assert (event.outcome, event.reason) == ("failed", Reason.INPUT_INVALID)
    assert event.text.startswith("The input file is not there")
    assert len(world.replicate.creates) == 1
    assert world.balances() == (1000, 0, 0)
    world.at_rest()


async def test_a_policy_for_films_alone_lets_no_unseen_sound_in() -> None:
    """An input file that cannot be screened is refused too, unless the policy lets it pass."""
    world = await opened(WILLING)
    world.blobs.uploads["ada/ada/horn.wav"] = WAV
    world.deps = replace(world.deps, policy=replace(WILLING, unscreened=frozenset({"video"})))
    await world.ask(model="song", input_file="ada/ada/horn.wav")
    assert world.events[0].reason is Reason.NOT_SCREENED
