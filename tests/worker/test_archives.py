"""A training's archive: every picture and caption is screened before anything is paid, and the model gets just that."""

import io
import zipfile
from dataclasses import replace

import pytest

from dev.fakes.archives import PICTURES_ZIP, safetensors, tarred, zipped
from dev.fakes.images import BROKEN, EXTRA, NO_IMAGE
from dev.fakes.screener import UNSAFE_IMAGE
from dev.fakes.world import KEY, World
from shared.core.catalog.mapping import Input
from shared.core.lifecycle.state import State
from shared.core.modality import InputKind
from shared.core.reasons import Reason
from shared.core.requests.field_patterns import INPUT_PREFIX
from shared.ports import Limits
from tests.worker.modalities import opened, train


def of(*files: tuple[str, bytes]) -> bytes:
    """An archive of ten harmless pictures and these."""
    return zipped(*((f"{number}.jpg", b"picture %d" % number) for number in range(10)), *files)


async def trained_on(archive: bytes, world: World | None = None) -> World:
    """A training that was asked for, of this archive."""
    world = world or await opened()
    world.blobs.uploads["ada/ada/pictures.zip"] = archive
    await train(world)
    return world


def handed_over(world: World) -> dict[str, bytes]:
    """The files of the one archive that the provider got."""
    ((_, content),) = world.replicate.uploaded.values()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def refused(world: World, reason: Reason) -> str:
    """The sentence of the refusal. Nothing was held, paid, stored or handed over."""
    (event,) = world.events
    assert (event.outcome, event.reason) == ("rejected", reason), event
    assert world.balances() == (1000, 0, 0)
    assert (world.replicate.uploaded, world.replicate.creates, world.blobs.inputs) == ({}, [], {})
    world.at_rest()
    return event.text


async def test_a_dirty_picture_refuses_the_training_before_anything_is_held() -> None:
    """One of eleven: the sentence names it, and the record says what was found."""
    world = await trained_on(of(("beach/dirty.jpg", UNSAFE_IMAGE)))
    text = refused(world, Reason.INPUT_REFUSED)
    assert text == "The picture beach/dirty.jpg in the archive was refused by the content rules (sexual content)."
    record = world.saved(KEY).screenings[-1]
    assert (record.subject, record.allowed, record.category, record.severities["Sexual"]) == (
        "input archive",
        False,
        "Sexual",
        6,
    )


async def test_a_dirty_picture_behind_thousands_of_bytes_is_found_wherever_it_is() -> None:
    """The first, the last, and one at the edge of a batch."""
    for place in (0, 7, 8, 15, 16):
        files = [(f"{number:02}.jpg", b"picture") for number in range(17)]
        files[place] = (files[place][0], UNSAFE_IMAGE)
        world = await trained_on(zipped(*files))
        assert files[place][0] in refused(world, Reason.INPUT_REFUSED)


async def test_a_dirty_caption_is_named() -> None:
    """It is found among the others, which are screened together."""
    world = await trained_on(of(("3.txt", b"a gory end"), ("4.txt", b"a calm sea")))
    assert "caption or name of 3 in the archive was refused" in refused(world, Reason.INPUT_REFUSED)
    assert world.screener.images == []


async def test_a_dirty_file_name_is_refused() -> None:
    """Some trainers read the name as the caption."""
    world = await trained_on(of(("gory.jpg", b"picture")))
    assert "caption or name of gory" in refused(world, Reason.INPUT_REFUSED)


async def test_captions_that_are_harmful_only_together_are_refused_together() -> None:
    """No single one is to blame, so the sentence names the first and the last."""
    world = await opened()
    world.screener.words["end\n\n1\nof"] = world.screener.words["gory"]
    await trained_on(of(("0.txt", b"the end"), ("1.txt", b"of all")), world)
    assert "captions from 0 to" in refused(world, Reason.INPUT_REFUSED)


async def test_long_captions_are_screened_in_groups() -> None:
    """No text that the screener gets is much longer than a group."""
    files = [(f"{number:02}.jpg", b"picture") for number in range(20)]
    texts = [(f"{number:02}.txt", b"sea " * 1500) for number in range(20)]
    world = await trained_on(zipped(*files, *texts))
    assert world.generation().state is State.RUNNING
    assert len(world.screener.texts) == 5
    assert max(map(len, world.screener.texts)) < 41_000


async def test_the_model_gets_what_was_screened_and_nothing_else() -> None:
    """Cleaned pictures and captions, under their names; the record's digest is of that archive."""
    archive = tarred(("./in/a.jpg", b"sea" + EXTRA), ("./in/a.txt", "\ufeffADA swims".encode()), ("./b.png", b"sky"))
    world = await opened()
    world.deps = replace(world.deps, digest_key=b"key")
    await trained_on(archive, world)
    assert handed_over(world) == {"in/a.jpg": b"sea", "in/a.txt": b"ADA swims", "b.png": b"sky"}
    assert world.screener.images == [b"sky", b"sea"]
    prompt, captions, pictures = world.generation().screenings
    assert len({prompt.digest, captions.digest, pictures.digest}) == 3
    assert all(record.allowed and len(record.digest) == 32 for record in (captions, pictures))
    assert (captions.screeners, pictures.screeners) == (("content_safety",), ("content_safety",))


async def test_an_archive_that_is_swapped_after_the_look_changes_nothing() -> None:
    """The create waits, the upload is replaced, and the model gets what was screened."""
    world = await opened()
    world.replicate.down = True
    await trained_on(PICTURES_ZIP, world)
    world.blobs.uploads["ada/ada/pictures.zip"] = of(("dirty.jpg", UNSAFE_IMAGE))
    world.replicate.down = False
    await world.tick(60)
    assert world.generation().state is State.RUNNING
    assert set(handed_over(world)) == {"harbour.txt", "harbour.jpg", "night.png"}


async def test_a_request_cannot_name_the_copy_of_another_generation() -> None:
    """What looks like a reference is an upload like any other, and there is none of that name."""
    world = await opened()
    await trained_on(PICTURES_ZIP, world)
    (copied,) = world.blobs.inputs
    other = replace(KEY, generation_id="two")
    await world.ask(other, model="trainer", prompt=None, input_file=f"{INPUT_PREFIX}{copied}", destination="ada/lora")
    assert [event.reason for event in world.events if event.key == other] == [Reason.INVALID_REQUEST]


@pytest.mark.parametrize(
    ("archive", "said"),
    [
        (b"PK\x03\x04 pictures", "directory is missing"),
        (zipped(), "There is no picture in it"),
        (of(("readme.md", b"")), "readme.md is neither a picture"),
        (of(("lora.safetensors", safetensors())), "lora.safetensors is neither"),
        (of(("inner.zip", zipped())), "inner.zip is an archive in the archive"),
        (of(("other.txt", b"")), "other.txt is the caption of no picture"),
        (of(("1.txt", b"\xff\xfe")), "1.txt is no text in UTF-8"),
        (of(("1.txt", b"a\x00b")), "1.txt has control characters"),
        (of(("x/fake.jpg", NO_IMAGE)), "x/fake.jpg cannot be used. It is broken, or no PNG"),
        (of(("x/half.jpg", BROKEN)), "x/half.jpg cannot be used"),
        (of(("../up.jpg", b"")), "../up.jpg leads out"),
    ],
)
async def test_what_cannot_be_learnt_from_is_refused_by_name(archive: bytes, said: str) -> None:
    """Before anything is held; the user reads which file it is."""
    text = refused(await trained_on(archive), Reason.INPUT_INVALID)
    assert text.startswith("The archive cannot be used. ")
    assert said in text


async def test_an_upload_that_has_grown_since_it_was_weighed_is_not_read_on() -> None:
    """It is replaced between the check of its size and its copy."""
    world = await opened()
    world.deps = replace(world.deps, limits=Limits(upload_bytes=len(PICTURES_ZIP)))
    sized = world.blobs.upload_size

    async def then_grows(name: str) -> int | None:
        size = await sized(name)
        world.blobs.uploads[name] += bytes(10)
        return size

    world.blobs.upload_size = then_grows  # type: ignore[method-assign]
    assert "larger than an upload" in refused(await trained_on(PICTURES_ZIP, world), Reason.INPUT_INVALID)


async def test_a_screener_that_is_down_makes_the_training_wait() -> None:
    """Nothing is held or stored until it is back; then everything is looked at again."""
    world = await opened()
    world.screener.down = True
    await trained_on(PICTURES_ZIP, world)
    assert (world.balances(), world.blobs.inputs, world.events) == ((1000, 0, 0), {}, [])
    world.screener.down = False
    await world.tick(120)
    assert world.generation().state is State.RUNNING


async def test_a_picture_that_is_not_assessed_whole_refuses() -> None:
    """What cannot be read as safe is unsafe, though others were: their severities do not stand in for it."""
    world = await opened()
    world.screener.unreadable = True
    await train(world, trigger_word=None)
    assert "was refused by the content rules" in refused(world, Reason.INPUT_REFUSED)


async def test_a_look_that_takes_too_long_is_done_again() -> None:
    """A function call ends after five minutes, so the look ends before."""
    world = await opened()
    several = world.screener.several

    async def slow(images: list[bytes], plan: str = "") -> object:
        world.pass_time(150)
        return await several(images, plan)

    world.screener.several = slow  # type: ignore[method-assign,assignment]
    await trained_on(zipped(*((f"{number:02}.jpg", b"picture") for number in range(30))), world)
    assert (world.balances(), world.blobs.inputs, world.events) == ((1000, 0, 0), {}, [])


async def test_what_has_ended_workers_is_not_looked_at() -> None:
    """After three lost deliveries: nothing is paid yet, and each try costs others their time."""
    world = await opened()
    world.deps = replace(world.deps, wary=True)
    await trained_on(PICTURES_ZIP, world)
    assert "three tries" in refused(world, Reason.INPUT_INVALID)
    assert world.screener.images == []


# A sample.


async def test_a_policy_may_have_a_sample_screened() -> None:
    """Above its number so many are, the record says so, and each picture is decoded all the same."""
    world = await opened()
    world.deps = replace(world.deps, policy=replace(world.deps.policy, sample_pictures_above=4))
    await trained_on(of(), world)
    assert len(world.screener.images) == 4
    assert world.generation().screenings[-1].sampled == "4 of 10"
    assert len(handed_over(world)) == 10
    broken = await opened()
    broken.deps = replace(broken.deps, policy=world.deps.policy)
    await trained_on(of(("broken.jpg", BROKEN)), broken)
    assert "broken.jpg cannot be used" in refused(broken, Reason.INPUT_INVALID)


async def test_the_sample_follows_from_a_secret_seed() -> None:
    """Two seeds draw two samples; the seed is in nothing that is saved, sent or logged."""
    drawn = []
    for seed in (123_456_789, 987_654_321):
        world = await opened()
        policy = replace(world.deps.policy, sample_pictures_above=4)
        world.deps = replace(world.deps, policy=policy, new_seed=lambda seed=seed: seed)  # type: ignore[misc]
        await trained_on(of(), world)
        drawn.append(tuple(world.screener.images))
        records = str([record.to_json() for record in world.generation().screenings])
        assert str(seed) not in records + str(world.events) + str(world.telemetry.steps)
    assert drawn[0] != drawn[1]


async def test_by_default_all_are_screened() -> None:
    """The record does not say sampled."""
    world = await trained_on(of())
    assert len(world.screener.images) == 10
    assert world.generation().screenings[-1].sampled == ""
    assert "sampled" not in world.generation().screenings[-1].to_json()


async def test_the_copy_is_deleted_when_the_training_ends() -> None:
    """Whether it succeeded or was refused; the upload is the app's, and stays."""
    world = await trained_on(PICTURES_ZIP)
    assert len(world.blobs.inputs) == 1
    await world.cancel()
    await world.settle()
    assert world.blobs.inputs == {}
    assert world.blobs.uploads["ada/ada/pictures.zip"] == PICTURES_ZIP


@pytest.mark.parametrize(("content", "state"), [(UNSAFE_IMAGE, State.REJECTED), (b"a picture", State.RUNNING)])
async def test_a_picture_beside_the_archive_is_screened_too(content: bytes, state: State) -> None:
    """A trainer of an operator's own catalogue may take one. It gets our copy, never the user's address."""
    world, url = await opened(), "https://pictures.example/style.png"
    catalog = world.deps.catalog
    trainer = catalog.models["trainer"]
    style = Input(name="style", kind=InputKind.IMAGE, field="image_url")
    taking = replace(trainer, inputs={**trainer.inputs, "style": style}, fallback=())
    world.deps = replace(world.deps, catalog=replace(catalog, models={**catalog.models, "trainer": taking}))
    world.inputs.files[url] = content
    world.blobs.uploads["ada/ada/pictures.zip"] = of()
    await train(world, image_url=url)
    assert world.saved(KEY).state is state
    assert all(url not in str(sent.inputs) for _, sent in world.replicate.creates)
    assert len(world.replicate.creates) == (state is State.RUNNING)
    assert [record.subject for record in world.saved(KEY).screenings][-1] == "input image"
