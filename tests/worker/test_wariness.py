"""A message that was lost again and again: its pictures are not decoded in a worker any more."""

import json
from typing import Any

import pytest

from dev.fakes.images import FakeImages
from dev.fakes.messenger import EVENTS, REQUESTS
from dev.fakes.world import World
from shared.core.lifecycle.state import State
from shared.core.reasons import Reason
from shared.ports import Envelope
from shared.worker.wariness import LOST_DELIVERIES, with_wariness

PICTURE = "https://pictures.example/cat.png"


def lost(count: int) -> Envelope:
    """The envelope of a message whose deliveries were lost ``count`` times."""
    return Envelope("m-1", lost=count)


async def ask(world: World, envelope: Envelope, **fields: Any) -> None:
    """The app's request, in this envelope."""
    body = {"generation_id": "one", "user_id": "ada", "prompt": "A lighthouse at night", "model": "flux-schnell"}
    await world.deliver(json.dumps(body | fields).encode(), REQUESTS, envelope)


def test_a_message_that_was_never_lost_is_met_as_ever(world: World) -> None:
    """The dependencies are the same object."""
    assert with_wariness(world.deps, lost(0)) is world.deps


@pytest.mark.parametrize("count", range(LOST_DELIVERIES))
async def test_the_input_of_a_message_that_was_lost_less_often_is_looked_at(world: World, count: int) -> None:
    """Images are decoded in a process of their own from the first loss on."""
    assert getattr(with_wariness(world.deps, lost(count)).images, "is_alone", None) is (count > 0)
    world.inputs.files[PICTURE] = b"a cat"
    await ask(world, lost(count), model="flux-dev", image_url=PICTURE)
    assert world.generation().state is State.RUNNING


async def test_its_input_is_refused_unseen(world: World) -> None:
    """It is not even fetched; nothing is charged, stored or created, and the event says what to do."""
    world.inputs.files[PICTURE] = b"a cat"
    await ask(world, lost(LOST_DELIVERIES), model="flux-dev", image_url=PICTURE)
    generation = world.saved()
    assert generation.state is State.REJECTED
    assert generation.reason is Reason.INPUT_INVALID
    assert "three tries" in generation.text
    assert world.inputs.fetched == []
    assert world.replicate.predictions == {}
    assert world.blobs.inputs == {}
    assert world.account().available == 10


async def test_what_a_delivery_had_stored_goes_with_the_refusal(world: World) -> None:
    """A worker crashed after it had stored the input, and the next try is refused: the picture is deleted."""
    world.inputs.files[PICTURE] = b"a cat"
    await world.blobs.put_input("ada/ada/one/stored.png", b"a cat", "image/png")
    await world.blobs.put_input("ada/other/stored.png", b"a dog", "image/png")
    await ask(world, lost(LOST_DELIVERIES), model="flux-dev", image_url=PICTURE)
    assert world.saved().state is State.REJECTED
    assert set(world.blobs.inputs) == {"ada/other/stored.png"}
    assert world.index.rows == {}


async def test_a_message_without_a_picture_goes_on(world: World) -> None:
    """A prompt ends no worker."""
    await ask(world, lost(LOST_DELIVERIES))
    assert world.generation().state is State.RUNNING


async def test_an_output_that_was_paid_is_decoded_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is delivered and paid all the same; before the first loss it is decoded here."""
    used: list[bool] = []
    as_it_is = FakeImages.for_screening

    async def noted(images: FakeImages, *arguments: Any) -> bytes:
        used.append(images.is_alone)
        return await as_it_is(images, *arguments)

    monkeypatch.setattr(FakeImages, "for_screening", noted)
    for user, count in (("ada", 0), ("bob", 1), ("cid", LOST_DELIVERIES)):
        if user != "ada":
            await world.open_account(user)
        await ask(world, Envelope("app"), user_id=user, generation_id=user)
        prediction_id = list(world.replicate.predictions)[-1]
        world.replicate.succeed(prediction_id, [b"a picture"])
        event = json.dumps(world.replicate.event(prediction_id).to_json()).encode()
        await world.deliver(event, EVENTS, lost(count))
    assert used == [False, True, True]
    assert len(world.blobs.outputs) == 3


async def test_a_copy_carries_what_its_original_had_lost(world: World) -> None:
    """The broker counts the deliveries of a copy from one again; this one was answered, and is not counted."""
    world.screener.down = True
    await ask(world, lost(2))
    (copy,) = world.messenger.scheduled
    assert (copy.envelope.deferrals, copy.envelope.lost) == (1, 2)
