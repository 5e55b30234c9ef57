"""Input files if the storage account has no public address: they are uploaded to the provider's file store."""

from dataclasses import replace

import pytest

from dev.fakes.world import World
from shared.core.requests.field_patterns import INPUT_PREFIX
from shared.ports import Limits
from shared.worker.naming import handed_name
from tests.worker.modalities import WAV, opened

PICTURE = "https://pictures.example/cat.png"
CLOSED = Limits(hand_files_over=True, inline_bytes=4)


@pytest.fixture
def closed(world: World) -> World:
    """A world whose storage has no public address, and in which a picture over four bytes is not sent inline."""
    world.deps = replace(world.deps, limits=CLOSED)
    return world


async def test_a_larger_picture_is_handed_over(closed: World) -> None:
    """The model reads what was screened, from the provider's store; the row has our own reference alone."""
    closed.inputs.files[PICTURE] = b"a cat"
    await closed.ask(model="flux-dev", image_url=PICTURE)
    ((address, (name, content)),) = closed.replicate.uploaded.items()
    ((_, sent),) = closed.replicate.creates
    assert sent.inputs["image"] == address
    assert content == b"a cat"
    saved = closed.generation().attempt
    assert saved is not None
    assert str(saved.inputs["image"]).startswith(INPUT_PREFIX)
    assert name == handed_name(str(saved.inputs["image"]).removeprefix(INPUT_PREFIX))


async def test_a_small_picture_goes_into_the_request(closed: World) -> None:
    """The picture is in the request itself, so nothing is uploaded."""
    closed.inputs.files[PICTURE] = b"cat"
    await closed.ask(model="flux-dev", image_url=PICTURE)
    ((_, sent),) = closed.replicate.creates
    assert str(sent.inputs["image"]).startswith("data:image/")
    assert closed.replicate.uploaded == {}


async def test_a_picture_that_is_gone_ends_it_without_a_create(closed: World) -> None:
    """It is deleted between the check of its size and the upload."""
    closed.inputs.files[PICTURE] = b"a cat"
    address = closed.blobs.input_address

    async def gone_after(name: str, life_s: int, inline_bytes: int) -> str | None:
        found = await address(name, life_s, inline_bytes)
        closed.blobs.inputs.clear()
        return found

    closed.blobs.input_address = gone_after  # type: ignore[method-assign]
    await closed.ask(model="flux-dev", image_url=PICTURE)
    assert closed.replicate.creates == []
    assert closed.balances() == (10, 0, 0)
    closed.at_rest()


async def test_a_sound_is_handed_over() -> None:
    """As an archive always is."""
    world = await opened()
    world.deps = replace(world.deps, limits=CLOSED)
    world.blobs.uploads["ada/ada/horn.wav"] = WAV
    await world.ask(model="song", input_file="ada/ada/horn.wav", continuation=True)
    ((address, handed),) = world.replicate.uploaded.items()
    ((_, sent),) = world.replicate.creates
    assert sent.inputs["input_audio"] == address
    assert handed == (handed_name("ada/ada/horn.wav"), WAV)
    assert world.blobs.uploads == {"ada/ada/horn.wav": WAV}
