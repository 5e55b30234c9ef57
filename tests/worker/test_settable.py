"""Inputs that a request sets, on the road: refused before anything is paid, screened, copied, sent as they passed."""

from dataclasses import replace
from typing import Any

import pytest

from dev.fakes.accounts import daily
from dev.fakes.catalogs import IMAGE, SEED, TEXT, catalog, model
from dev.fakes.images import BROKEN
from dev.fakes.screener import UNSAFE_IMAGE
from dev.fakes.world import KEY, World
from shared import worker
from shared.adapters.net.input_files import InputFetcher
from shared.core.keys import Key
from shared.core.lifecycle.generation import Received
from shared.core.lifecycle.state import State
from shared.core.money.entries import Move
from shared.core.money.limits import Effect
from shared.core.reasons import Reason
from shared.worker.accounts import Command
from tests.core.test_settable import ALBUM, COUNT, FLAG, HOSTILE, NOTE, PICTURE, SCALE, SIZE

CAT, HAT = "https://pictures.example/cat.png", "https://pictures.example/hat.png"
COPY = {CAT: "data:image/png;base64,YSBjYXQ=", HAT: "data:image/png;base64,YSBoYXQ="}

SETTABLE = {"raw": FLAG, "size": SIZE, "copies": COUNT, "style_image": PICTURE, "album": ALBUM, "note": NOTE}
SETTABLE |= {"style_scale": SCALE, "safety_tolerance": {**COUNT, "price_percent": 100, "loosens_safety": True}}
INPUTS = {"prompt": TEXT, "image": IMAGE, "seed": SEED}
CATALOG = catalog(
    {
        "best": model(INPUTS, settable=SETTABLE, credits=3, replicate="owner/best", fallback=["plain", "same"]),
        "same": model(INPUTS, settable=SETTABLE, replicate="owner/same"),
        "plain": model(replicate="owner/plain"),
    }
)


async def opened(**policy: Any) -> World:
    """An account of a thousand credits, two pictures to fetch, and a small catalogue."""
    world = World(credits=1000, catalog=CATALOG)
    await world.open_account()
    world.inputs.files.update({CAT: b"a cat", HAT: b"a hat"})
    if policy:
        world.deps = replace(world.deps, policy=replace(world.deps.policy, **policy))
    return world


async def asked(world: World, inputs: Any, **said: Any) -> None:
    """A request that sets these."""
    await world.ask(**{"model": "best", "inputs": inputs} | said)


def refused(world: World, reason: Reason, key: Key = KEY) -> str:
    """Check that it was refused, with nothing held, created, stored or charged. Returns the sentence."""
    generation = world.saved(key)
    assert (generation.state, generation.reason) == (State.REJECTED, reason)
    assert not world.replicate.creates
    assert world.balances() == (1000, 0, 0)
    assert set(world.store.entries_of(key)) == {Move.ENDED_UNOPENED}
    assert not world.blobs.inputs
    world.at_rest()
    return generation.text


async def test_hostile_inputs_are_refused_by_name_and_nothing_is_charged_fetched_or_screened() -> None:
    """Each of them, one after the other, on one account."""
    world = await opened()
    for number, (name, value, _) in enumerate(HOSTILE):
        key = Key("ada", f"hostile-{number}")
        await asked(world, {name: value}, key=key)
        assert f"inputs.{name} " in refused(world, Reason.INVALID_REQUEST, key)
    assert world.screener.texts == []
    assert world.inputs.fetched == []


async def test_what_is_set_is_sent_as_it_was_set() -> None:
    """Beside what our fields say; the hold covers the worst price, and the capture is that price."""
    world = await opened()
    await asked(world, {"raw": True, "size": "4K", "style_scale": 0.5})
    (_, attempt) = world.replicate.creates[0]
    assert {name: attempt.inputs[name] for name in ("raw", "size", "style_scale")} == {
        "raw": True,
        "size": "4K",
        "style_scale": 0.5,
    }
    assert world.balances() == (992, 8, 0)
    world.replicate.succeed(world.replicate.only_id, [b"a picture"])
    await world.webhook(world.replicate.only_id)
    assert world.balances() == (992, 0, 8)
    assert world.generation().cost_usd_micros == 7500
    world.at_rest()


async def test_a_text_is_screened_with_the_prompt_and_its_verdict_counts() -> None:
    """As one text; with the prompt's reason."""
    world = await opened()
    await asked(world, {"note": "a gory sight"})
    refused(world, Reason.PROMPT_REFUSED)
    assert world.screener.texts[0].endswith("\n\na gory sight")


async def test_a_picture_is_fetched_screened_and_copied_and_the_copy_is_sent() -> None:
    """Once each, in fields and inputs; no address of the user's is kept or sent, and the copies go at the end."""
    world = await opened()
    await asked(world, {"style_image": CAT, "album": [HAT, CAT]}, image_url=CAT)
    (_, attempt) = world.replicate.creates[0]
    assert attempt.inputs["image"] == COPY[CAT]
    assert attempt.inputs["style_image"] == COPY[CAT]
    assert attempt.inputs["album"] == [COPY[HAT], COPY[CAT]]
    assert world.inputs.fetched == [CAT, HAT]
    assert [record.subject for record in world.generation().screenings] == ["prompt", "input image", "input image"]
    assert "pictures.example" not in str(world.generation())
    assert all("pictures.example" not in text for text in world.screener.texts)
    world.replicate.succeed(world.replicate.only_id, [b"a picture"])
    await world.webhook(world.replicate.only_id)
    assert not world.blobs.inputs
    world.at_rest()


@pytest.mark.parametrize(("content", "reason"), [(UNSAFE_IMAGE, Reason.INPUT_REFUSED), (BROKEN, Reason.INPUT_INVALID)])
async def test_a_picture_that_cannot_be_used_refuses_the_request(content: bytes, reason: Reason) -> None:
    """And what was stored before it is deleted."""
    world = await opened()
    world.inputs.files[HAT] = content
    await asked(world, {"album": [CAT, HAT]})
    refused(world, reason)


@pytest.mark.parametrize("address", ["https://pictures.example/none.png", "input:bob/bob/one/secret.png"])
async def test_an_address_that_leads_nowhere_is_named_by_its_place(address: str) -> None:
    """A reference of ours that a user writes leads nowhere: it is no address."""
    world = await opened()
    await asked(world, {"style_image": address})
    assert "inputs.style_image cannot be used" in refused(world, Reason.INPUT_INVALID)


@pytest.mark.parametrize("host", ["10.0.0.7", "127.0.0.1", "169.254.169.254", "[::1]", "[fd00::1]", "192.168.1.1:443"])
async def test_an_address_on_a_private_host_is_refused_without_a_connection(host: str) -> None:
    """By the app's own fetcher, for one picture and for a list."""
    for inputs in ({"style_image": f"https://{host}/x.png"}, {"album": [f"https://{host}/x.png"]}):
        world = await opened()
        world.deps = replace(world.deps, inputs=InputFetcher())
        await asked(world, inputs)
        (name,) = inputs
        assert refused(world, Reason.INPUT_INVALID).startswith(f"inputs.{name} cannot be used: ")


async def test_a_text_that_is_the_address_of_a_picture_is_no_way_past_the_screener() -> None:
    """It is the place that is left out of the screened text, not the words."""
    world = await opened()
    await asked(world, {"style_image": CAT}, prompt=CAT)
    assert world.screener.texts == [CAT]


async def test_an_input_that_loosens_safety_needs_the_policy() -> None:
    """Refused by name without it, before anything is screened; sent with it."""
    world = await opened()
    await asked(world, {"safety_tolerance": 6})
    said = refused(world, Reason.INVALID_REQUEST)
    assert said == "inputs.safety_tolerance loosens the model's own safety, which is not allowed here: leave it out"
    assert world.screener.texts == []
    allowed = await opened(loosened=frozenset({"safety_tolerance"}))
    await asked(allowed, {"safety_tolerance": 6})
    (_, attempt) = allowed.replicate.creates[0]
    assert attempt.inputs["safety_tolerance"] == 6


async def test_a_fallback_that_does_not_list_them_is_passed_by() -> None:
    """``plain`` is before ``same`` in the chain, and is not asked; the copy of the picture goes to ``same``."""
    world = await opened()
    await asked(world, {"style_image": CAT, "raw": True})
    world.replicate.fail(world.replicate.only_id, "Prediction interrupted; please retry (code: PA)")
    await world.webhook(world.replicate.only_id)
    await world.pump()
    assert [attempt.model for _, attempt in world.replicate.creates] == ["best", "same"]
    (_, second) = world.replicate.creates[1]
    assert (second.inputs["raw"], second.inputs["style_image"]) == (True, COPY[CAT])


async def test_another_value_under_the_same_id_is_another_request() -> None:
    """It is refused by name and changes nothing; the same values again are the same request."""
    world = await opened()
    await asked(world, {"raw": True})
    await asked(world, {"raw": False})
    await asked(world, {"raw": True})
    assert len(world.replicate.creates) == 1
    (clash,) = world.messenger.clashed
    assert clash.refusal.reason is Reason.IDEMPOTENCY_MISMATCH


async def waiting(inputs: Any, **policy: Any) -> World:
    """A request that waits for an approval, screened, with its pictures copied."""
    world = await opened(**policy)
    limit = replace(daily(1), effect=Effect.APPROVE)
    await worker.set_limit(world.deps, "ada", limit, Command(command_id="l", by="operator:kim"))
    await asked(world, inputs)
    found = world.saved()
    assert isinstance(found, Received)
    assert "pictures.example" not in str(found)
    world.inputs.files.clear()
    return world


@pytest.mark.parametrize("version", ["", "newer"])
async def test_what_waited_for_an_approval_is_sent_as_it_was_screened(version: str) -> None:
    """The copy, which is what is looked at again if the policy has changed; it is not fetched again."""
    world = await waiting({"style_image": CAT, "note": "oil"})
    if version:
        world.deps = replace(world.deps, policy=replace(world.deps.policy, version=version))
    await worker.approve(world.deps, KEY, "daily", 100, Command(command_id="a", by="operator:kim"))
    await world.pump()
    (_, attempt) = world.replicate.creates[0]
    assert (attempt.inputs["style_image"], attempt.inputs["note"]) == (COPY[CAT], "oil")
    assert len(world.generation().screenings) == (4 if version else 2)


async def test_an_approval_is_no_way_past_a_newer_policy() -> None:
    """What loosens safety is refused if the policy does not allow it any more."""
    world = await waiting({"safety_tolerance": 6}, loosened=frozenset({"safety_tolerance"}))
    world.deps = replace(world.deps, policy=replace(world.deps.policy, version="newer", loosened=frozenset()))
    await worker.approve(world.deps, KEY, "daily", 100, Command(command_id="a", by="operator:kim"))
    await world.pump()
    assert not world.replicate.creates
    assert "inputs.safety_tolerance loosens" in world.saved().text
    world.at_rest()


async def test_no_value_is_in_the_log_or_the_event() -> None:
    """Steps, counts and events have names and numbers of ours only."""
    world = await opened()
    await asked(world, {"note": "a-secret-of-mine", "style_image": CAT})
    world.replicate.succeed(world.replicate.only_id, [b"a picture"])
    await world.webhook(world.replicate.only_id)
    shown = f"{world.telemetry.steps}{world.telemetry.counts}{world.events}"
    assert "a-secret-of-mine" not in shown
    assert "pictures.example" not in shown
