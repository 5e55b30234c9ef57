"""Trainings: the archive is uploaded, a version is delivered, and no training is ever started twice."""

import asyncio
import json
from dataclasses import replace
from typing import BinaryIO

import pytest

from dev.fakes.messenger import EVENTS, REQUESTS
from dev.fakes.world import KEY, facts
from shared import worker
from shared.core.dependency import Dependency
from shared.core.lifecycle.state import State
from shared.core.provider.prediction import CreateRefused, DeferReason, NotCreated, OutcomeUnknown
from shared.core.reasons import Reason, Refusal
from shared.core.requests.field_patterns import INPUT_PREFIX
from shared.ports import OutputUnfit, Unavailable
from tests.worker.modalities import STRICT, TAR, TRAINED_VERSION, ZIP, opened, train, trained

LOST_S = 3600 + 60 + 1


async def test_an_archive_is_uploaded_and_a_version_is_delivered() -> None:
    """Its weights are stored, its version is in the event, and what was requested is paid."""
    world = await trained(await opened())
    ((address, (name, content)),) = world.replicate.uploaded.items()
    assert (name[-4:], content) == (".zip", ZIP)
    ((_, sent),) = world.replicate.creates
    assert sent.inputs == {"input_images": address, "trigger_word": "LGHT"}
    assert (sent.destination, sent.trains) == ("ada/lora", True)
    (output,) = world.events[0].outputs
    assert (output.name, output.content_type, output.text) == (
        "ada/ada/one/1-0.tar",
        "application/x-tar",
        TRAINED_VERSION,
    )
    assert world.blobs.outputs[output.name].content == TAR
    assert facts(world.events[0])["outputs"][0]["text"] == TRAINED_VERSION
    assert world.balances() == (900, 0, 100)
    assert world.screener.texts == ["LGHT", "harbour\nLGHT above the harbour\n\nnight\n"]
    assert world.screener.images == [b"a lighthouse", b"the same at night"]
    assert [(record.subject, record.unscreened) for record in world.generation().screenings] == [
        ("prompt", ""),
        ("input captions", ""),
        ("input archive", ""),
        ("output 1.0", "training"),
    ]
    world.at_rest()


async def test_what_is_saved_names_the_file_and_not_where_it_was_handed() -> None:
    """A later try uploads it again."""
    world = await opened()
    await train(world, training_steps=500)
    saved = world.generation().attempt
    assert saved is not None
    inputs = dict(saved.inputs)
    copied = inputs.pop("input_images")
    assert inputs == {"trigger_word": "LGHT", "steps": 500}
    assert world.blobs.inputs[str(copied).removeprefix(INPUT_PREFIX)].content == ZIP
    assert world.generation().ignored_fields == ()


async def test_a_training_without_a_trigger_word_is_screened_for_none() -> None:
    """Its captions are all that there is to read."""
    world = await opened()
    await train(world, trigger_word=None)
    assert len(world.screener.texts) == 1
    assert world.generation().state is State.RUNNING


async def test_a_trigger_word_is_screened() -> None:
    """It is what the user wrote."""
    world = await opened()
    await train(world, trigger_word="gory")
    assert world.events[0].reason is Reason.PROMPT_REFUSED
    assert world.replicate.uploaded == {}


# Refused before anything is held.


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"destination": None, "modality": "training"}, Reason.INVALID_REQUEST),
        ({"input_file": None}, Reason.INVALID_REQUEST),
        ({"input_file": "ada/ada/other.zip"}, Reason.INPUT_INVALID),
        ({"training_steps": 2}, Reason.INVALID_REQUEST),
        ({"max_credits": 99}, Reason.OVER_LIMIT),
    ],
    ids=str,
)
async def test_what_cannot_be_trained_is_refused_before_anything_is_held(
    said: dict[str, object], reason: Reason
) -> None:
    """No credit is held, nothing is uploaded."""
    world = await opened()
    await train(world, **said)
    assert (world.events[0].outcome, world.events[0].reason) == ("rejected", reason)
    assert world.balances() == (1000, 0, 0)
    assert (world.replicate.uploaded, world.replicate.creates) == ({}, [])
    world.at_rest()


async def test_trainings_are_not_offered_by_default() -> None:
    """A policy that does not name them: what a training makes cannot be screened."""
    world = await opened(STRICT)
    await train(world)
    assert world.events[0].reason is Reason.NOT_SCREENED
    assert world.replicate.uploaded == {}


# Handing over.


async def test_an_archive_that_cannot_be_handed_over_now_is_handed_over_later() -> None:
    """Nothing was created: the same attempt is tried again."""
    world = await opened()
    world.replicate.down = True
    await train(world)
    assert world.generation().state is State.WAITING
    assert world.replicate.creates == []
    assert world.balances() == (900, 100, 0)
    world.replicate.down = False
    await world.tick(60)
    generation = world.generation()
    assert generation.state is State.RUNNING
    assert (generation.attempt.number, generation.attempt.posts) == (1, 2)
    assert len(world.replicate.creates) == 1


async def test_who_dies_while_an_archive_is_handed_over_has_started_nothing() -> None:
    """It may take a minute: the message comes again, and nobody has to wait until a create could not run any more."""
    world = await opened()
    upload = world.replicate.upload

    async def dies(name: str, file: BinaryIO) -> str:
        assert world.generation().state is State.WAITING
        raise asyncio.CancelledError

    world.replicate.upload = dies  # type: ignore[method-assign]
    with pytest.raises(asyncio.CancelledError):
        await train(world)
    assert world.balances() == (900, 100, 0)
    assert world.replicate.creates == []
    world.replicate.upload = upload  # type: ignore[method-assign]
    await train(world)
    assert world.generation().state is State.RUNNING
    assert len(world.replicate.creates) == 1
    assert world.balances() == (900, 100, 0)


async def test_of_two_that_hand_an_archive_over_one_starts_the_training() -> None:
    """A copy and the timer at once: the second finds that the first has gone on."""
    world = await opened()
    upload = world.replicate.upload
    doubled = False

    async def overtaken(name: str, file: BinaryIO) -> str:
        nonlocal doubled
        if not doubled:
            doubled = True
            await train(world)
        return await upload(name, file)

    world.replicate.upload = overtaken  # type: ignore[method-assign]
    await train(world)
    assert len(world.replicate.creates) == 1
    assert len(world.replicate.uploaded) == 2
    assert world.balances() == (900, 100, 0)


async def test_a_store_that_is_down_defers_the_create() -> None:
    """The create waits for as long as the store's hint says."""
    world = await opened()
    read = world.blobs.read_input

    async def down(name: str, file: BinaryIO) -> bool:
        raise Unavailable(Dependency.BLOBS, "the test says so", 40)

    world.blobs.read_input = down  # type: ignore[method-assign]
    await train(world)
    assert world.generation().state is State.WAITING
    world.blobs.read_input = read  # type: ignore[method-assign]
    await world.tick(30)
    assert world.replicate.creates == []
    await world.tick(30)
    assert world.generation().state is State.RUNNING


async def test_an_archive_that_the_provider_does_not_take_ends_it() -> None:
    """It has grown since it was weighed: released, and said so."""
    world = await opened()

    async def unfit(name: str, file: BinaryIO) -> str:
        raise OutputUnfit(Refusal(Reason.INPUT_INVALID, "The input file is too large."))

    world.replicate.upload = unfit  # type: ignore[method-assign]
    await train(world)
    (event,) = world.events
    assert (event.outcome, event.reason, event.text) == (
        "failed",
        Reason.INPUT_INVALID,
        "The input file is too large.",
    )
    assert world.replicate.creates == []
    assert world.balances() == (1000, 0, 0)
    world.at_rest()


async def test_an_archive_that_is_gone_ends_it() -> None:
    """Our copy of it is deleted before the create."""
    world = await opened()
    world.replicate.answer_next_create_with(NotCreated(DeferReason.THROTTLED, 30))
    await train(world)
    world.blobs.inputs.clear()
    await world.settle()
    assert world.events[0].text.startswith("The input file is not there")
    assert world.balances() == (1000, 0, 0)
    world.at_rest()


async def test_a_destination_that_is_not_there_goes_to_no_other_trainer() -> None:
    """The text of the refusal reaches the user."""
    world = await opened()
    world.replicate.answer_next_create_with(CreateRefused(Reason.PROVIDER_REFUSED, "Create that model first."))
    await train(world)
    (event,) = world.events
    assert (event.reason, event.text, event.attempts) == (
        Reason.PROVIDER_REFUSED,
        "Create that model first.",
        1,
    )
    world.at_rest()


# Asked for and canceled as what it is: the fake knows no prediction of a training's id.


async def test_a_training_is_canceled_by_its_user() -> None:
    """It is canceled at the provider too."""
    world = await opened()
    await train(world)
    world.replicate.start(world.replicate.only_id)
    await world.cancel()
    assert world.generation().state is State.CANCELED
    assert world.replicate.canceled == [world.replicate.only_id]
    assert world.balances() == (1000, 0, 0)
    world.at_rest()


async def test_a_training_that_was_reported_in_part_is_read() -> None:
    """Its news came without outputs: they would have been too large for the queue."""
    world = await opened()
    await train(world)
    done = world.replicate.train(world.replicate.only_id, TAR)
    event = world.replicate.event(done.prediction_id)
    cut = replace(event, prediction=replace(done, outputs=(), complete=False))
    await world.deliver(json.dumps(cut.to_json()).encode(), EVENTS)
    assert world.events[0].outputs[0].text == TRAINED_VERSION
    world.at_rest()


async def test_the_timer_asks_for_a_training() -> None:
    """Its webhook was lost, so the timer reads it and delivers."""
    world = await opened()
    await train(world)
    world.replicate.train(world.replicate.only_id, TAR)
    await world.tick(60)
    assert world.generation().state is State.SUCCEEDED
    world.at_rest()


async def test_a_training_that_never_ends_is_stopped() -> None:
    """Trainings know no ``Cancel-After``: it is our own cancel that bounds it."""
    world = await opened()
    await train(world)
    world.replicate.start(world.replicate.only_id)
    await world.tick(LOST_S)
    assert world.replicate.canceled == [world.replicate.only_id]
    assert world.generation().reason is Reason.TIMED_OUT
    assert world.balances() == (1000, 0, 0)
    world.at_rest()


async def test_a_dead_letter_stops_a_training() -> None:
    """It would cost more than any picture."""
    world = await opened()
    await train(world)
    request = world.generation().request
    await worker.dead_letter(world.deps, request, json.dumps(request.to_json()).encode(), REQUESTS)
    assert world.replicate.canceled == [world.replicate.only_id]
    world.at_rest()


async def test_a_training_whose_answer_was_lost_is_found_in_its_own_list() -> None:
    """By the address that it was given; nothing is created again."""
    world = await opened()
    world.replicate.answer_next_create_with(OutcomeUnknown("timed out"), really_created=True)
    await train(world)
    assert world.generation().state is State.SUBMITTING
    await world.tick(60)
    assert world.generation().state is State.RUNNING
    assert len(world.replicate.creates) == 1


async def test_a_training_that_was_lost_is_never_started_again() -> None:
    """It may still run, and nothing bounds it: it ends, released, though the chain has another trainer."""
    world = await opened()
    world.replicate.answer_next_create_with(OutcomeUnknown("timed out"))
    await train(world)
    assert world.generation().chain == ("trainer", "trainer-too")
    await world.tick(LOST_S)
    (event,) = world.events
    assert (event.outcome, event.reason, event.attempts) == ("failed", Reason.LOST, 1)
    assert len(world.replicate.creates) == 1
    assert world.balances() == (1000, 0, 0)
    await world.settle()
    assert len(world.replicate.creates) == 1
    world.at_rest()


async def test_a_training_that_was_lost_and_is_heard_of_later_is_stopped() -> None:
    """Nobody waits for it any more, and nobody pays for it but us: as little as can be."""
    world = await opened()
    world.replicate.answer_next_create_with(OutcomeUnknown("timed out"), really_created=True)
    await train(world)
    training_id = world.replicate.only_id
    world.replicate.unlisted.add(training_id)
    await world.tick(LOST_S)
    assert world.generation(KEY).reason is Reason.LOST
    assert world.replicate.running
    world.replicate.start(training_id)
    await world.webhook(training_id)
    assert world.replicate.canceled == [training_id]
    assert world.telemetry.total("darkroom.extra_predictions") == 1
    world.at_rest()


async def test_a_trainer_that_failed_for_a_while_leaves_it_to_the_next() -> None:
    """It is over, and that is known; the archive is handed over again."""
    world = await opened()
    await train(world)
    world.replicate.fail(world.replicate.only_id, "Prediction interrupted; please retry (code: PA)")
    await world.webhook(world.replicate.only_id)
    await world.pump()
    first, second = world.replicate.creates
    assert (first[1].model, second[1].model, second[1].destination) == ("trainer", "trainer-too", "ada/lora")
    assert len(world.replicate.uploaded) == 2
    world.replicate.train(world.replicate.ids()[1], TAR)
    await world.webhook(world.replicate.ids()[1])
    assert world.events[0].model == "trainer-too"
    world.at_rest()


async def test_a_training_that_nobody_finds_ends_as_lost_and_is_stopped_if_heard_of() -> None:
    """Looked for until ``cancel_after_s``, then released. Operators learn what it may cost; its news stops it."""
    world = await opened()
    world.replicate.answer_next_create_with(OutcomeUnknown("timed out"), really_created=True)
    await train(world)
    training = world.replicate.only_id
    world.replicate.unlisted.add(training)
    await world.tick(LOST_S - 120)
    assert world.generation().state is State.SUBMITTING
    await world.tick(120)
    assert (world.generation().state, world.generation().reason) == (State.FAILED, Reason.LOST)
    assert world.balances() == (1000, 0, 0)
    assert len(world.replicate.creates) == 1
    (reported,) = [facts for name, _, facts in world.telemetry.steps if name == "training_lost"]
    assert reported == {"model": "trainer", "usd_micros": 3000}
    world.replicate.start(training)
    await world.webhook(training)
    assert world.replicate.canceled == [training]
    assert world.store.saved_versions == {}
    assert world.balances() == (1000, 0, 0)
    world.at_rest()
