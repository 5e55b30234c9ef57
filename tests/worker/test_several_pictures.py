"""Several pictures, a mask and a last frame: each is fetched, screened and stored before a model gets any."""

from typing import Any

import pytest

from dev.fakes.images import BROKEN
from dev.fakes.screener import UNSAFE_IMAGE
from dev.fakes.world import World
from shared.core.reasons import Reason

CAT, HAT, MASK = (f"https://pictures.example/{name}.png" for name in ("cat", "hat", "mask"))


@pytest.fixture
def world() -> World:
    """A world in which three pictures can be fetched."""
    made = World()
    made.inputs.files.update({CAT: b"a cat", HAT: b"a hat", MASK: b"a mask"})
    return made


async def test_a_model_gets_each_picture_as_it_was_screened(world: World) -> None:
    """In their order; one record for each; no address of the user's is kept or sent. All go at the end."""
    await world.open_account()
    await world.ask(model="flux-2-klein-4b", image_url=CAT, image_urls=[HAT, CAT])
    (_, attempt) = world.replicate.creates[0]
    assert attempt.inputs["images"] == [
        "data:image/png;base64,YSBjYXQ=",
        "data:image/png;base64,YSBoYXQ=",
        "data:image/png;base64,YSBjYXQ=",
    ]
    assert [record.subject for record in world.generation().screenings] == ["prompt", "input image", "input image"]
    assert world.inputs.fetched == [CAT, HAT]
    assert "pictures.example" not in str(world.generation())
    world.replicate.succeed(world.replicate.only_id)
    await world.webhook(world.replicate.only_id)
    assert not world.blobs.inputs
    world.at_rest()


async def test_a_mask_goes_to_its_own_input(world: World) -> None:
    """Screened like the picture."""
    await world.open_account()
    await world.ask(model="sdxl", image_url=CAT, mask_url=MASK)
    (_, attempt) = world.replicate.creates[0]
    assert attempt.inputs["image"] == "data:image/png;base64,YSBjYXQ="
    assert attempt.inputs["mask"] == "data:image/png;base64,YSBtYXNr"
    assert len(world.blobs.inputs) == 2


@pytest.mark.parametrize(("content", "reason"), [(UNSAFE_IMAGE, Reason.INPUT_REFUSED), (BROKEN, Reason.INPUT_INVALID)])
@pytest.mark.parametrize("fields", [{"mask_url": MASK}, {"image_urls": [MASK]}])
async def test_one_picture_that_cannot_be_used_refuses_all(
    world: World, content: bytes, reason: Reason, fields: dict[str, Any]
) -> None:
    """Nothing is held or created, and what was stored before it is deleted."""
    await world.open_account()
    before = world.balances()
    world.inputs.files[MASK] = content
    await world.ask(model="sdxl" if "mask_url" in fields else "flux-2-klein-4b", image_url=CAT, **fields)
    assert (world.events[0].outcome, world.events[0].reason) == ("rejected", reason)
    assert not world.blobs.inputs
    assert not world.replicate.creates
    assert world.balances() == before
    world.at_rest()


async def test_what_a_model_does_not_take_is_not_fetched(world: World) -> None:
    """It is refused, because the picture would be another one without it."""
    await world.open_account()
    await world.ask(model="flux-dev", image_url=CAT, mask_url=MASK)
    assert "mask_url is not taken by flux-dev" in world.events[0].text
    assert world.inputs.fetched == []


async def test_nothing_of_another_users_is_read(world: World) -> None:
    """A reference in a list is refused like one in a field."""
    await world.open_account()
    await world.ask(model="flux-2-klein-4b", image_urls=["input:bob/bob/one/secret.png"])
    assert world.events[0].reason is Reason.INPUT_INVALID
    assert not world.replicate.creates
