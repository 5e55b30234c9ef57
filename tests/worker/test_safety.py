"""What is screened, what is recorded of it, and that nothing unscreened is paid for, sent on, or shown."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from dev.fakes.blobs import Blob
from dev.fakes.images import BROKEN, NO_IMAGE
from dev.fakes.screener import UNSAFE_IMAGE
from dev.fakes.world import CATALOG, KEY, World
from shared import worker
from shared.core.catalog.catalog import Catalog, Model
from shared.core.dependency import Dependency
from shared.core.keys import Key
from shared.core.lifecycle.generation import Closed
from shared.core.lifecycle.state import State
from shared.core.provider.prediction import OutcomeUnknown
from shared.core.reasons import Reason
from shared.core.safety.moderation import Category, Partial, Policy, keyed_digest
from shared.ports import Limits, Unavailable
from tests.worker.modalities import MP4

PICTURE = "https://pictures.example/cat.png"
POLICY = Policy("test", dict.fromkeys(Category, 4))


def with_dependencies(world: World, **changes: Any) -> World:
    """The world with other dependencies."""
    world.deps = replace(world.deps, **changes)
    return world


def with_model(**changes: Any) -> Catalog:
    """The catalogue with flux-schnell changed."""
    changed: Model = replace(CATALOG.models["flux-schnell"], **changes)
    return Catalog(CATALOG.version, {**CATALOG.models, "flux-schnell": changed})


async def delivered(world: World, *contents: bytes, **fields: Any) -> World:
    """A generation whose prediction brings these files."""
    await world.ask(num_outputs=len(contents), **fields)
    world.replicate.succeed(world.replicate.only_id, list(contents))
    await world.webhook(world.replicate.only_id)
    return world


# The record.


async def test_what_passed_has_a_record_of_prompt_and_outputs(world: World) -> None:
    """The record has the screener, its assessment, the policy, the time, and only a keyed digest of the prompt."""
    with_dependencies(world, digest_key=b"a key")
    await delivered(world, b"a", b"b")
    records = world.generation().screenings
    assert [(record.subject, record.allowed) for record in records] == [
        ("prompt", True),
        ("output 1.0", True),
        ("output 1.1", True),
    ]
    prompt = records[0]
    assert (prompt.policy, prompt.plan, prompt.screeners, prompt.at) == (
        "test",
        "premium",
        ("content_safety",),
        world.time,
    )
    assert prompt.digest == keyed_digest(b"a key", b"A lighthouse at night")
    assert "lighthouse" not in str([record.to_json() for record in records])
    world.at_rest()


async def test_a_refused_prompt_has_its_record(world: World) -> None:
    """Saved with the refusal, in one transaction."""
    await world.ask(prompt="a gory battle")
    refused = world.saved()
    assert isinstance(refused, Closed)
    (record,) = refused.screenings
    assert (record.allowed, record.category, record.severities["Violence"]) == (False, "Violence", 6)


async def test_both_texts_are_one_question(world: World) -> None:
    """Prompt and negative prompt cost one call."""
    await world.ask(negative_prompt="people")
    assert world.screener.texts == ["A lighthouse at night\n\npeople"]


async def test_a_verdict_is_kept_once_however_often_the_news_come(world: World) -> None:
    """A second webhook adds nothing."""
    await delivered(world, b"a")
    await world.webhook(world.replicate.only_id)
    assert len(world.generation().screenings) == 2


async def test_the_plan_decides(world: World) -> None:
    """What is refused on one plan passes on another."""
    with_dependencies(world, policy=replace(POLICY, plans={"premium": {Category.VIOLENCE: 8}}))
    await world.ask(prompt="a gory battle")
    assert world.generation().state is State.RUNNING
    await worker.grant(world.deps, "bob", 5, grant_id="a")
    await world.ask(Key("bob", "one"), prompt="a gory battle")
    assert world.saved(Key("bob", "one")).reason is Reason.PROMPT_REFUSED


# Outputs.


async def test_the_policy_may_refuse_all_for_one(world: World) -> None:
    """Nothing is delivered, nothing stays, nothing is charged."""
    with_dependencies(world, policy=replace(POLICY, partial_outputs=Partial.REFUSE_ALL))
    await delivered(world, b"fine", UNSAFE_IMAGE)
    assert (world.events[0].outcome, world.events[0].reason) == ("failed", Reason.OUTPUT_REFUSED)
    assert world.events[0].refused_outputs == 2
    assert world.balances() == (10, 0, 0)
    assert not world.blobs.outputs
    world.at_rest()


async def test_a_refused_output_is_gone_by_default(world: World) -> None:
    """With zero days of quarantine it is stored nowhere."""
    await delivered(world, UNSAFE_IMAGE)
    assert not world.blobs.quarantined
    assert not world.blobs.outputs


async def test_a_refused_output_is_kept_for_an_appeal(world: World) -> None:
    """It is in the quarantine, which only operators can read, until its days are over."""
    with_dependencies(world, limits=Limits(quarantine_days=3))
    await delivered(world, b"fine", UNSAFE_IMAGE)
    (name,) = world.blobs.quarantined
    assert name == "ada/ada/one/1-1.png"
    assert world.blobs.quarantined[name].metadata == {"generation_id": "one", "category": "Sexual"}
    assert set(world.blobs.outputs) == {"ada/ada/one/1-0.png"}
    world.pass_time(3 * 86_400 - 10)
    assert await worker.sweep(world.deps) == 0
    world.pass_time(20)
    assert await worker.sweep(world.deps) == 1
    assert not world.blobs.quarantined


async def test_while_the_screener_is_down_no_output_is_stored(world: World) -> None:
    """An output that is not screened yet is not shown; when the screener is back, it is delivered."""
    await world.ask()
    world.replicate.succeed(world.replicate.only_id)
    world.screener.down = True
    await world.webhook(world.replicate.only_id)
    assert not world.blobs.outputs
    assert world.generation().state is State.RUNNING
    world.screener.down = False
    await world.settle()
    assert world.events[0].outcome == "succeeded"
    world.at_rest()


# Other modalities.


@pytest.mark.parametrize("modality", ["video", "audio"])
async def test_what_nobody_can_look_at_is_not_offered(modality: str) -> None:
    """By default it is refused on admission, before anything is paid."""
    world = World(catalog=with_model(modality=modality))
    await world.open_account()
    await world.ask()
    assert (world.events[0].outcome, world.events[0].reason) == ("rejected", Reason.NOT_SCREENED)
    assert not world.replicate.creates
    assert world.balances() == (10, 0, 0)
    world.at_rest()


async def test_a_policy_may_let_it_pass_and_the_record_says_so() -> None:
    """The prompt is screened all the same, and the file has to be what it should be."""
    world = with_dependencies(
        World(catalog=with_model(modality="video")), policy=replace(POLICY, unscreened=frozenset({"video"}))
    )
    await world.open_account()
    await delivered(world, MP4, b"no film")
    (output,) = world.generation().outputs
    assert (output.name, output.content_type) == ("ada/ada/one/1-0.mp4", "video/mp4")
    assert world.generation().screenings[1].unscreened == "video"
    assert world.screener.texts
    assert world.balances() == (9, 0, 1)


async def test_a_text_is_screened_whole_before_it_is_stored() -> None:
    """It comes in chunks; a text that is refused as a whole is not shown in part."""
    world = World(catalog=with_model(modality="text"))
    await world.open_account()
    for key, chunks in ((KEY, ["once upon ", "a time"]), (Key("ada", "two"), ["a go", "ry tale"])):
        await world.ask(key)
        prediction_id = world.replicate.ids()[-1]
        world.replicate.succeed(prediction_id, [])
        prediction = replace(world.replicate.predictions[prediction_id], outputs=tuple(chunks))
        world.replicate.predictions[prediction_id] = prediction
        await world.webhook(prediction_id)
    assert world.blobs.outputs["ada/ada/one/1-0.txt"].content == b"once upon a time"
    assert set(world.blobs.outputs) == {"ada/ada/one/1-0.txt"}
    assert [event.outcome for event in world.events] == ["succeeded", "failed"]
    assert world.screener.texts[-1] == "a gory tale"
    assert world.balances() == (9, 0, 1)


# Input images.


async def test_what_was_screened_is_what_the_model_gets(world: World) -> None:
    """Fetched once; sent as the bytes that passed, never as the user's address."""
    world.inputs.files[PICTURE] = b"a cat"
    await world.ask(model="flux-dev", image_url=PICTURE, prompt_strength=0.5)
    (_, attempt) = world.replicate.creates[0]
    assert attempt.inputs["image"] == "data:image/png;base64,YSBjYXQ="
    assert attempt.inputs["prompt_strength"] == 0.5
    saved = world.generation().attempt
    assert saved is not None
    assert str(saved.inputs["image"]).startswith("input:ada/ada/one/")
    assert [record.subject for record in world.generation().screenings] == ["prompt", "input image"]
    assert world.inputs.fetched == [PICTURE]
    assert PICTURE not in str(world.generation())


async def test_a_large_input_goes_by_a_signed_address_that_outlives_the_queue(world: World) -> None:
    """Longer than Replicate may keep the prediction waiting."""
    world.inputs.files[PICTURE] = b"x" * (256 * 1024 + 1)
    await world.ask(model="flux-dev", image_url=PICTURE)
    (_, attempt) = world.replicate.creates[0]
    assert str(attempt.inputs["image"]).startswith("https://inputs.example/ada/ada/one/")
    assert "until=2026-11-21T12:18:00Z" in str(attempt.inputs["image"])  # 180 s and a quarter of an hour
    assert "inputs.example" not in str(world.generation())


async def test_the_input_goes_when_the_generation_ends(world: World) -> None:
    """The input is deleted, however the generation ends."""
    world.inputs.files[PICTURE] = b"a cat"
    await world.ask(model="flux-dev", image_url=PICTURE, num_outputs=1)
    assert world.blobs.inputs
    world.replicate.succeed(world.replicate.only_id)
    await world.webhook(world.replicate.only_id)
    assert not world.blobs.inputs
    world.at_rest()


async def test_a_second_try_is_sent_the_same_picture(world: World) -> None:
    """The address has another picture by then: nobody fetches it again."""
    world.inputs.files[PICTURE] = b"a cat"
    world.replicate.answer_next_create_with(OutcomeUnknown("timed out"))
    await world.ask(model="flux-dev", image_url=PICTURE)
    world.inputs.files[PICTURE] = UNSAFE_IMAGE
    for _ in range(10):
        await world.tick(60)
        world.messenger.forget_ids()
    sent = [attempt.inputs["image"] for _, attempt in world.replicate.creates]
    assert len(sent) == 2
    assert sent[0] == sent[1]
    assert len(world.inputs.fetched) == 1


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (UNSAFE_IMAGE, Reason.INPUT_REFUSED),
        (NO_IMAGE, Reason.INPUT_INVALID),
        (BROKEN, Reason.INPUT_INVALID),
        (None, Reason.INPUT_INVALID),
    ],
)
async def test_an_input_that_cannot_be_used_refuses(world: World, content: bytes | None, reason: Reason) -> None:
    """Nothing is stored, held or created."""
    if content is not None:
        world.inputs.files[PICTURE] = content
    await world.ask(model="flux-dev", image_url=PICTURE)
    assert (world.events[0].outcome, world.events[0].reason) == ("rejected", reason)
    assert not world.blobs.inputs
    assert not world.replicate.creates
    assert world.balances() == (10, 0, 0)
    world.at_rest()


async def test_an_unsafe_prompt_spares_the_fetch(world: World) -> None:
    """No input is fetched for a request that is refused anyway."""
    await world.ask(model="flux-dev", image_url=PICTURE, prompt="a gory cat")
    assert not world.inputs.fetched


async def test_a_model_without_an_image_input_refuses_one(world: World) -> None:
    """It is neither fetched nor charged for: a picture made without it would be another one."""
    before = world.balances()
    await world.ask(model="flux-schnell", image_url=PICTURE)
    (event,) = world.events
    assert (event.outcome, event.reason) == ("rejected", Reason.INVALID_REQUEST)
    assert "image_url is not taken by flux-schnell" in event.text
    assert not world.inputs.fetched
    assert (world.balances(), world.replicate.creates) == (before, [])


async def test_a_reference_of_ours_in_a_request_is_refused(world: World) -> None:
    """A user cannot name another user's input."""
    world.blobs.inputs["bob/bob/one/secret.png"] = Blob(b"secret", "image/png", {})
    await world.ask(model="flux-dev", image_url="input:bob/bob/one/secret.png")
    assert world.events[0].reason is Reason.INPUT_INVALID
    assert not world.replicate.creates


async def test_an_address_that_was_never_screened_is_not_sent(world: World) -> None:
    """Whatever brought it there, and whatever is stored under that name: the last look is before the create."""
    world.blobs.inputs[PICTURE] = Blob(b"another cat", "image/png", {})
    world.inputs.files[PICTURE] = b"a cat"
    await world.ask(model="flux-dev", image_url=PICTURE)
    generation = world.generation()
    raw = replace(generation.attempt, inputs={**generation.attempt.inputs, "image": PICTURE})
    world.store.put_generation(replace(generation, state=State.WAITING, attempt=replace(raw, retry_at=world.time)))
    await world.ask(model="flux-dev", image_url=PICTURE)
    assert len(world.replicate.creates) == 1
    assert world.events[0].reason is Reason.INPUT_INVALID


async def test_an_input_that_cannot_be_read_now_is_tried_again(world: World) -> None:
    """Storage is away at the create: surely nothing was created, so it is WAITING and made later."""
    world.inputs.files[PICTURE] = b"a cat"
    address = world.blobs.input_address

    async def away(*args: Any) -> str | None:
        raise Unavailable(Dependency.BLOBS, "the test has taken it down")

    world.blobs.input_address = away  # type: ignore[method-assign, assignment]
    await world.ask(model="flux-dev", image_url=PICTURE)
    assert world.generation().state is State.WAITING
    assert not world.replicate.creates
    world.blobs.input_address = address  # type: ignore[method-assign]
    world.pass_time(60)
    await world.pump()
    assert len(world.replicate.creates) == 1


async def test_an_input_that_is_gone_ends_the_generation(world: World) -> None:
    """Nothing can be sent in its place."""
    world.inputs.files[PICTURE] = b"a cat"

    async def gone(*args: Any) -> str | None:
        return None

    world.blobs.input_address = gone  # type: ignore[method-assign, assignment]
    await world.ask(model="flux-dev", image_url=PICTURE)
    assert (world.events[0].outcome, world.events[0].reason) == ("failed", Reason.INPUT_INVALID)
    assert world.balances() == (10, 0, 0)
    world.at_rest()


async def test_a_model_without_an_image_input_is_no_fallback(world: World) -> None:
    """A picture made without the one that was given is another picture."""
    world.inputs.files[PICTURE] = b"a cat"
    await world.ask(model="flux-dev", image_url=PICTURE)
    assert world.generation().chain == ("flux-dev",)


async def test_an_input_whose_request_died_is_swept(world: World) -> None:
    """After two days: no call that copied it can still open its generation. The index is read only for what is old."""
    reads = 0
    read = world.index.of_account

    def counted(account_id: str = "") -> AsyncIterator[Key]:
        nonlocal reads
        reads += 1
        return read(account_id)

    world.index.of_account = counted  # type: ignore[method-assign]
    for name in ("ada/ada/one/x.png", "ada/ada/one/y.png", "bob/ada/one/x.png"):
        await world.blobs.put_input(name, b"a cat", "image/png")
    world.pass_time(2 * 86_400 - 10)
    assert (await worker.sweep(world.deps), reads) == (0, 0)
    world.pass_time(20)
    assert (await worker.sweep(world.deps), reads) == (3, 1)
    assert not world.blobs.inputs
