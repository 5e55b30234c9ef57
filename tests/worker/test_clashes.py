"""Same id, other content: refused by name, in an event of its own, and nothing of the running generation changes."""

import hashlib
import json
from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dev.fakes.messenger import REQUESTS
from dev.fakes.world import KEY, START, World, read
from shared import worker
from shared.adapters.azure_storage.tables import rows
from shared.core.dependency import Dependency
from shared.core.keys import Key
from shared.core.lifecycle.generation import Closed, Received
from shared.core.lifecycle.state import State
from shared.core.provider.prediction import DeferReason, NotCreated
from shared.core.reasons import Reason
from shared.core.requests.fields import FIELDS
from shared.core.requests.messages import GenerationRequest
from shared.core.requests.parsing import parse_request
from shared.ports import Envelope, Loaded, Unavailable
from tests.worker.test_turns import plans

BODY: dict[str, Any] = {"user_id": "ada", "generation_id": "one", "prompt": "A lighthouse", "model": "flux-schnell"}
OTHER = BODY | {"prompt": "A kingfisher"}


PICTURE = "https://pictures.example.com/a.png"


async def opened(**changes: Any) -> World:
    """A world in which ada's request runs."""
    world = World()
    world.inputs.files[PICTURE] = b"picture"
    await world.open_account()
    await send(world, BODY | changes)
    return world


async def send(world: World, body: object, seconds: float = 0, **envelope: Any) -> None:
    """Deliver a message that was enqueued now."""
    world.pass_time(seconds)
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    await world.deliver(raw, REQUESTS, Envelope("m", enqueued_at=world.time, **envelope))


def everything(world: World) -> tuple[Any, ...]:
    """What a clash must not change."""
    found = (world.store.saved_generations, world.store.saved_accounts, world.store.entries, world.index.rows)
    return deepcopy((*found, world.replicate.creates, world.messenger.scheduled, world.events))


def refusals(world: World) -> list[Reason]:
    """Why requests were refused since the last call."""
    found, world.messenger.clashed = world.messenger.clashed, []
    return [event.refusal.reason for event in found]


MISMATCH = Reason.IDEMPOTENCY_MISMATCH


async def ended(world: World) -> World:
    """The same world after its generation has succeeded."""
    world.replicate.succeed(world.replicate.only_id)
    await world.webhook(world.replicate.only_id)
    return world


@pytest.mark.parametrize(
    "other",
    [OTHER, BODY | {"seed": 7}, BODY | {"model": "flux-dev"}, BODY | {"metadata": {"a": "b"}}, BODY | {"prompt": 7}],
    ids=str,
)
@pytest.mark.parametrize("when", ["runs", "ended", "waits", "refused"])
async def test_another_request_under_the_id_changes_nothing_and_is_refused(when: str, other: dict[str, Any]) -> None:
    """In every state; also a message that cannot be read. Its event is no end of the generation."""
    world = await opened(model="no-such-model" if when == "refused" else "flux-schnell")
    if when == "ended":
        await ended(world)
    if when == "waits":
        world = World()
        await world.open_account()
        world.screener.down = True
        await send(world, BODY)
        assert isinstance(world.saved(), Received)
    before = everything(world)
    await send(world, other, 1)
    assert everything(world) == before
    (event,) = world.messenger.clashed
    assert refusals(world) == [MISMATCH]
    assert event.to_json() == {
        "specversion": "1.0",
        "id": f"ada/ada/one/request/refused/{event.digest}",
        "source": "/darkroom",
        "type": "darkroom.request.refused",
        "subject": "ada/ada/one",
        "time": world.time.isoformat(),
        "datacontenttype": "application/json",
        "data": {
            "generation_id": "one",
            "user_id": "ada",
            "account_id": "ada",
            "reason": {"code": "IDEMPOTENCY_MISMATCH", "text": event.refusal.text},
        },
    }
    world.books_balance()


async def test_the_same_content_is_the_same_answer() -> None:
    """However it is written: other order, nulls, defaults, an unknown field. An end is published again, once a send."""
    world = await ended(await opened(guidance_scale=3, model="flux-dev"))
    same: dict[str, Any] = {
        "allow_fallback": True,
        "strict": False,
        "metadata": {},
        "negative_prompt": "",
        "seed": None,
    }
    same |= BODY | {"guidance_scale": 3.0, "model": "flux-dev", "widht": 7, "type": "generate"}
    before = everything(world)
    await send(world, same, 1)
    assert [event.outcome for event in world.events] == ["succeeded"] * 2
    assert everything(world)[:-1] == before[:-1]
    assert refusals(world) == []


async def test_two_requests_at_once_one_opens_and_the_other_is_refused() -> None:
    """Both have read that there is none: the one that is saved later finds the first one's, opened or waiting."""
    for waits in (False, True):
        world = World()
        await world.open_account()
        real = world.store.load

        async def overtaken(
            key: Any, version: str = "", world: World = world, real: Any = real, waits: bool = waits
        ) -> Loaded:
            found: Loaded = await real(key)
            world.store.load = real  # type: ignore[method-assign]  # once
            world.screener.down = waits
            await send(world, BODY)
            world.screener.down = False
            return found

        world.store.load = overtaken  # type: ignore[method-assign]  # a rival comes between
        await send(world, OTHER)
        assert refusals(world) == [MISMATCH]
        world.pass_time(60)
        await world.pump()
        assert world.generation().request.prompt == "A lighthouse"
        assert len(world.replicate.creates) == 1
        world.books_balance()


async def test_of_two_requests_at_once_without_a_turn_one_waits_and_the_other_is_refused() -> None:
    """The one that is parked later finds the first one's row: it must not end in silence."""
    world = World(plans=plans(concurrency=1))
    await world.open_account()
    await world.ask(Key("ada", "before"))
    real = world.store.load

    async def overtaken(key: Any, version: str = "") -> Loaded:
        found: Loaded = await real(key)
        world.store.load = real  # type: ignore[method-assign]  # once
        await send(world, BODY)
        return found

    world.store.load = overtaken  # type: ignore[method-assign]  # a rival comes between
    await send(world, OTHER)
    world.pass_time(60)
    await world.pump()
    assert refusals(world) == [MISMATCH]
    waits = world.saved()
    assert isinstance(waits, Received)
    assert (waits.request.prompt, waits.reason) == ("A lighthouse", Reason.WAITS_FOR_TURN)
    assert world.account().held == 1
    world.books_balance()


async def test_a_copy_of_our_own_is_compared_by_the_digest_that_it_carries() -> None:
    """The picture has another address by now, and still the request goes on; for a new id the body's digest counts."""
    world = await opened(image_url=PICTURE, model="flux-dev")
    saved = world.generation()
    assert saved.request.image_url != PICTURE
    copy = saved.request.to_json()
    await send(world, copy, 1, since=START, digest=saved.request.digest)
    assert refusals(world) == []
    await send(world, copy, 1, since=START)
    assert refusals(world) == [MISMATCH]
    await send(world, BODY | {"generation_id": "two"}, since=START, digest="0" * 64)
    body = parse_request(json.dumps(BODY).encode())[0]
    assert isinstance(body, GenerationRequest)
    assert world.generation(replace(KEY, generation_id="two")).request.digest == body.digest


async def test_a_picture_whose_create_waits_goes_on_by_its_copy() -> None:
    """The whole road of a copy: Replicate refuses for a minute, and the copy has our address of the picture."""
    world = World()
    world.inputs.files[PICTURE] = b"picture"
    await world.open_account()
    world.replicate.answer_next_create_with(NotCreated(DeferReason.THROTTLED, 30))
    await send(world, BODY | {"image_url": PICTURE, "model": "flux-dev"})
    assert world.generation().state is State.WAITING
    world.pass_time(120)
    await world.pump()
    assert world.generation().state is State.RUNNING
    assert refusals(world) == []


@pytest.mark.parametrize("first", ["cancel", "garbage"])
async def test_a_row_without_a_digest_takes_any_request_as_the_same(first: str) -> None:
    """A cancel came first, or fields could not be read: there is nothing to compare with."""
    world = World()
    await world.open_account()
    cancel = {"type": "cancel", "user_id": "ada", "generation_id": "one"}
    await send(world, cancel if first == "cancel" else BODY | {"prompt": 7})
    saved = world.saved()
    assert isinstance(saved, Closed)
    assert saved.request is None
    await send(world, BODY, 1)
    await send(world, OTHER, 1)
    await send(world, BODY | {"prompt": 8}, 1)
    assert refusals(world) == []
    assert world.saved() == saved
    assert {event.outcome for event in world.events} == {"canceled" if first == "cancel" else "rejected"}


async def test_what_waited_too_long_ends_no_other_request() -> None:
    """The tables were down for hours, so the clash was found out only when the message was given up."""
    world = World()
    await world.open_account()
    world.screener.down = True
    await send(world, BODY)
    before = everything(world)
    world.pass_time(1)
    other = read(json.dumps(OTHER).encode(), REQUESTS)
    assert isinstance(other, GenerationRequest)
    real, tries = world.store.load, iter((True, False))

    async def down_once(key: Any, version: str = "") -> Loaded:
        if next(tries, False):
            raise tables_down()
        return await real(key)

    world.store.load = down_once  # type: ignore[method-assign]  # an outage
    long_ago = world.time - timedelta(days=1)
    await worker.handle(world.deps, other, Envelope("c", 9, long_ago, enqueued_at=world.time), REQUESTS)
    assert everything(world) == before
    assert refusals(world) == [MISMATCH]


def tables_down() -> Exception:
    """Tables do not answer."""
    return Unavailable(Dependency.TABLES, "the test has taken it down")


async def test_a_dead_letter_of_another_request_ends_nothing() -> None:
    """It is archived; one of the same request, or of a copy that carries its digest, ends the generation."""
    world = await opened()
    before, raw = everything(world), json.dumps(OTHER).encode()
    await worker.dead_letter(world.deps, read(raw, REQUESTS), raw, REQUESTS)
    assert everything(world) == before
    assert refusals(world) == [MISMATCH]
    assert len(world.blobs.dead_letters) == 1
    digest = world.generation().request.digest
    await worker.dead_letter(world.deps, read(raw, REQUESTS), raw, REQUESTS, digest)
    assert world.events[0].reason is Reason.DEAD_LETTERED
    assert [blob.metadata.get("request_digest") for blob in world.blobs.dead_letters.values()] == [digest]


async def test_the_digest_is_saved_with_each_type_of_generation() -> None:
    """And read back from its row, in a column of its own; a row without it has none."""
    world = await opened()
    opened_one = world.saved()
    refused = (await opened(model="no-such-model")).saved()
    world = World()
    world.screener.down = True
    await world.open_account()
    await send(world, BODY)
    for saved in (opened_one, refused, world.saved()):
        assert saved.request is not None
        row = rows.generation_row(saved)
        assert row["request_digest"] == saved.request.digest
        again = rows.generation_of(row)
        assert again.request is not None
        assert again.request.digest == saved.request.digest
        bare = rows.generation_of({name: value for name, value in row.items() if name != "request_digest"})
        assert bare.request is not None
        assert bare.request.digest == ""


def test_a_digest_is_of_nothing_but_what_the_user_sent() -> None:
    """It is saved for as long as the generation is, and compared by later versions, which know more fields."""
    message = read(json.dumps(BODY).encode(), REQUESTS)
    assert isinstance(message, GenerationRequest)
    assert message.digest == hashlib.sha256(b'{"model":"flux-schnell","prompt":"A lighthouse"}').hexdigest()


_FIELDS = st.fixed_dictionaries({}, optional={field.name: st.just(field.example) for field in FIELDS})


@settings(max_examples=2 * settings().max_examples, deadline=None)
@given(_FIELDS, _FIELDS)
def test_two_requests_have_one_digest_only_if_they_are_the_same(one: dict[str, Any], two: dict[str, Any]) -> None:
    """And a request that is written out and read again keeps its own."""
    ids = {"user_id": "ada", "generation_id": "one"}
    read_back = [parse_request(json.dumps({"prompt": "a"} | each | ids).encode())[0] for each in (one, two)]
    first, second = read_back
    if not isinstance(first, GenerationRequest) or not isinstance(second, GenerationRequest):
        return
    assert (first.digest == second.digest) == (first == second)
    copy = parse_request(json.dumps(first.to_json()).encode())[0]
    assert isinstance(copy, GenerationRequest)
    assert copy.digest == first.digest
