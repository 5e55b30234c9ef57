"""A request is opened and paid for once, or refused for a reason."""

import json
from dataclasses import replace
from typing import Any

import pytest

from dev.fakes.accounts import daily
from dev.fakes.messenger import REQUESTS
from dev.fakes.world import KEY, World, facts
from shared.core.keys import Key
from shared.core.lifecycle.state import State
from shared.core.provider.prediction import (
    Created,
    CreateRefused,
    DeferReason,
    NotCreated,
    OutcomeUnknown,
    Prediction,
    Status,
)
from shared.core.reasons import Reason, Refusal
from shared.worker import requests


async def test_a_request_becomes_a_stored_picture_paid_once(world: World) -> None:
    """The normal case: held, created, reported, screened, stored, captured, published."""
    await world.ask(width=1024, height=768)
    assert world.generation().state is State.RUNNING
    assert world.balances() == (9, 1, 0)
    world.replicate.succeed(world.replicate.only_id, [b"picture"])
    await world.webhook(world.replicate.only_id)
    assert world.generation().state is State.SUCCEEDED
    assert world.balances() == (9, 0, 1)
    assert world.blobs.outputs["ada/ada/one/1-0.png"].content == b"picture"
    (event,) = world.events
    assert facts(event)["credits"] == {"held": 1, "captured": 1, "released": 0}
    assert facts(event)["outputs"][0]["name"] == "ada/ada/one/1-0.png"
    world.at_rest()
    assert world.telemetry.names(KEY) == [
        "received",
        "prompt_allowed",
        "credits_held",
        "prediction_created",
        "observed",
        "output_screened",
        "output_stored",
        "captured",
        "published",
    ]
    lengths = [facts["characters"] for name, _, facts in world.telemetry.steps if name == "prompt_allowed"]
    assert lengths == [len(world.generation().request.prompt)]


async def test_what_was_asked_and_what_was_sent_are_both_recorded(world: World) -> None:
    """1024 x 768 was asked; flux-schnell was sent 4:3 at one megapixel and a seed of ours."""
    await world.ask(width=1024, height=768)
    generation = world.generation()
    assert (generation.request.width, generation.request.height) == (1024, 768)
    assert generation.attempt.inputs["aspect_ratio"] == "4:3"
    assert generation.attempt.inputs["seed"] == generation.attempt.seed
    assert generation.attempt.own_seed


async def test_seed_zero_is_the_users_seed(world: World) -> None:
    """0 is sent, and is not taken for a fingerprint of ours."""
    await world.ask(seed=0)
    attempt = world.generation().attempt
    assert (attempt.seed, attempt.inputs["seed"], attempt.own_seed) == (0, 0, False)


async def test_the_same_request_twice_is_one_picture_and_one_charge(world: World) -> None:
    """The second message finds the generation and changes nothing, before the end and after it."""
    await world.ask()
    await world.ask()
    world.replicate.succeed(world.replicate.only_id)
    await world.webhook(world.replicate.only_id)
    before = (world.generation(), world.account())
    await world.ask()
    assert (world.generation(), world.account()) == before
    assert len(world.replicate.creates) == 1
    assert world.balances() == (9, 0, 1)
    world.at_rest()


async def test_an_unsafe_prompt_is_refused_and_no_credit_moves(world: World) -> None:
    """The event says the kind of content; nothing is created at Replicate."""
    await world.ask(prompt="a gory battle")
    (event,) = world.events
    assert (event.outcome, event.reason) == ("rejected", Reason.PROMPT_REFUSED)
    assert "violence" in event.text
    steps = [facts for name, _, facts in world.telemetry.steps if name == "prompt_refused"]
    assert steps == [{"category": "Violence", "characters": len("a gory battle")}]
    assert world.balances() == (10, 0, 0)
    assert not world.replicate.creates
    world.at_rest()


async def test_an_unsafe_negative_prompt_is_refused_too(world: World) -> None:
    """Prompt and negative prompt are both screened."""
    await world.ask(negative_prompt="nothing gory")
    assert world.events[0].reason is Reason.PROMPT_REFUSED


async def test_an_unreadable_verdict_refuses(world: World) -> None:
    """A verdict that lacks a category allows nothing."""
    world.screener.unreadable = True
    await world.ask()
    assert world.events[0].reason is Reason.PROMPT_REFUSED
    assert not world.replicate.creates


async def test_a_user_without_account_has_no_credits(world: World) -> None:
    """Nothing is screened, held or created for an unknown account."""
    await world.ask(Key("eve", "one"))
    (event,) = world.events
    assert (event.outcome, event.reason) == ("rejected", Reason.NO_CREDITS)
    assert not world.screener.texts
    assert "eve" not in world.store.saved_accounts
    world.at_rest()


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"model": "flux-1.1-pro", "max_credits": 4}, Reason.OVER_LIMIT),
        ({"model": "flux-9"}, Reason.UNKNOWN_MODEL),
        ({"num_outputs": 5}, Reason.INVALID_REQUEST),
        ({"prompt": "ab"}, Reason.INVALID_REQUEST),
        ({"width": -1}, Reason.INVALID_REQUEST),
        ({"seed": "lucky"}, Reason.INVALID_REQUEST),
    ],
)
async def test_a_request_that_cannot_be_served_is_refused(world: World, fields: dict[str, Any], reason: Reason) -> None:
    """Each with its code and a sentence; nothing is charged, and one event is published."""
    await world.ask(**fields)
    (event,) = world.events
    assert (event.outcome, event.reason) == ("rejected", reason)
    assert event.text
    assert world.balances() == (10, 0, 0)
    world.at_rest()


async def test_the_daily_limit_refuses_what_goes_beyond_it(world: World) -> None:
    """An account with a limit of 2 credits a day gets two, and a third tomorrow."""
    world.store.put_account(replace(world.account(), limits=(daily(2),)))
    for name in ("one", "two", "three"):
        await world.ask(Key("ada", name))
    assert [event.reason for event in world.events] == [Reason.OVER_LIMIT]
    world.pass_time(24 * 3600)
    await world.ask(Key("ada", "four"))
    assert world.generation(Key("ada", "four")).state is State.RUNNING


async def test_the_last_credit_is_spent_once(world: World) -> None:
    """Of eleven requests on ten credits the eleventh is refused."""
    for number in range(11):
        await world.ask(Key("ada", f"g{number}"))
    assert [event.reason for event in world.events] == [Reason.NO_CREDITS]
    assert world.balances() == (0, 10, 0)
    world.books_balance()


@pytest.mark.parametrize(
    "raw", [b"", b"\xff", b"[]", b"7", b'{"user_id": "a/b"}', b"{" * 1000, b'"' + b"x" * 1_000_000 + b'"']
)
async def test_garbage_is_kept_and_done_with(world: World, raw: bytes) -> None:
    """It is archived whole, nothing else changes, and nothing is raised."""
    await world.deliver(raw, REQUESTS)
    (blob,) = world.blobs.dead_letters.values()
    assert blob.content == raw
    assert blob.metadata["reason"] == "INVALID_REQUEST"
    assert not world.store.saved_generations
    assert not world.index.rows
    assert world.balances() == (10, 0, 0)


async def test_garbage_twice_is_kept_once(world: World) -> None:
    """The archive names a message by its content."""
    await world.deliver(b"[]", REQUESTS)
    await world.deliver(b"[]", REQUESTS)
    assert len(world.blobs.dead_letters) == 1


async def test_a_malformed_copy_of_a_running_request_does_not_disturb_it(world: World) -> None:
    """Garbage under a known id is archived; the generation goes on."""
    await world.ask()
    await world.ask(prompt=7)
    assert world.generation().state is State.RUNNING
    assert not world.events
    assert len(world.blobs.dead_letters) == 1


async def test_while_content_safety_is_down_the_request_waits(world: World) -> None:
    """Never allowed unseen: a copy is scheduled, nothing is held; when it is back, the picture comes."""
    world.screener.down = True
    await world.ask()
    assert world.saved().state is State.RECEIVED
    assert world.balances() == (10, 0, 0)
    assert not world.store.entries_of(KEY)
    (sent,) = world.messenger.scheduled
    assert sent.envelope.deferrals == 1
    world.screener.down = False
    world.pass_time(10)
    await world.pump()
    assert world.generation().state is State.RUNNING


async def test_when_content_safety_stays_down_the_request_ends_without_charge(world: World) -> None:
    """After ``patience_s`` the event says SAFETY_UNAVAILABLE, and the waits had grown."""
    world.screener.down = True
    await world.ask()
    waits = []
    while not world.events:
        (sent,) = world.messenger.scheduled
        assert sent.at is not None
        waits.append((sent.at - world.time).total_seconds())
        world.time = sent.at
        await world.pump()
        assert len(waits) < 500, "it never ends"
    assert world.events[0].reason is Reason.SAFETY_UNAVAILABLE
    assert waits[:3] == [1.5, 3.0, 6.0]
    assert max(waits) <= 300
    assert world.balances() == (10, 0, 0)
    world.at_rest()


@pytest.mark.parametrize(
    "why", [DeferReason.THROTTLED, DeferReason.NO_CREDIT, DeferReason.UNAUTHORIZED, DeferReason.UNREACHABLE]
)
async def test_a_create_that_was_surely_not_made_waits_and_is_made_later(world: World, why: DeferReason) -> None:
    """429, 402, 401 and no connection: WAITING, a copy after the hint, then one prediction."""
    world.replicate.answer_next_create_with(NotCreated(why, 30))
    await world.ask()
    assert world.generation().state is State.WAITING
    assert world.balances() == (9, 1, 0)
    (sent,) = world.messenger.scheduled
    assert sent.at is not None
    assert 30 <= (sent.at - world.time).total_seconds() <= 40
    await world.ask()  # the original again, too early: it must not create
    assert len(world.replicate.creates) == 1
    world.pass_time(40)
    await world.pump()
    generation = world.generation()
    assert generation.state is State.RUNNING
    assert (generation.attempt.number, generation.attempt.posts) == (1, 2)
    assert len(world.replicate.ids()) == 1


async def test_a_create_that_is_never_possible_is_given_up_and_released(world: World) -> None:
    """Hours of 429 end as PROVIDER_UNAVAILABLE with everything given back."""
    for _ in range(1000):
        world.replicate.answer_next_create_with(NotCreated(DeferReason.THROTTLED, 600))
    await world.ask()
    await world.settle()
    assert world.events[0].reason is Reason.PROVIDER_UNAVAILABLE
    assert world.balances() == (10, 0, 0)
    world.at_rest()


async def test_a_create_that_is_refused_ends_with_a_reason_for_the_user(world: World) -> None:
    """422 and 404 are final: the generation fails, its hold is released, its event is published."""
    world.replicate.answer_next_create_with(CreateRefused(Reason.PROVIDER_REFUSED, "output_format is not accepted"))
    await world.ask()
    (event,) = world.events
    assert (event.outcome, event.reason, event.text) == (
        "failed",
        Reason.PROVIDER_REFUSED,
        "output_format is not accepted",
    )
    assert world.balances() == (10, 0, 0)
    world.at_rest()


async def test_a_lost_answer_is_never_followed_by_a_second_create(world: World) -> None:
    """The outcome is unknown: SUBMITTING stays, and the same request again does not POST."""
    world.replicate.answer_next_create_with(OutcomeUnknown("timed out"), really_created=True)
    await world.ask()
    await world.ask()
    assert world.generation().state is State.SUBMITTING
    assert len(world.replicate.creates) == 1
    assert world.balances() == (9, 1, 0)


async def test_an_answer_that_comes_after_its_own_webhook_changes_nothing(world: World) -> None:
    """The webhook adopted the prediction before the create's answer was saved."""
    await world.ask()
    generation = world.generation()
    prediction = Prediction(prediction_id=world.replicate.only_id, status=Status.STARTING)
    world.replicate.answer_next_create_with(Created(prediction))
    await world.webhook(world.replicate.only_id)
    assert world.generation() == generation


async def test_a_refusal_that_could_not_be_published_is_published_with_the_next_delivery(world: World) -> None:
    """A crash before the event was published: the same message publishes it."""
    world.messenger.down = True
    with pytest.raises(Exception, match="service bus"):
        await world.ask(prompt="a gory battle")
    assert not world.events
    world.messenger.down = False
    await world.ask(prompt="a gory battle")
    assert [event.reason for event in world.events] == [Reason.PROMPT_REFUSED]
    world.at_rest()


async def test_a_storage_that_is_down_puts_the_message_off(world: World) -> None:
    """Nothing is lost while Tables is away: the copy says exactly what the original said."""
    world.replicate.answer_next_create_with(NotCreated(DeferReason.THROTTLED, 1))
    await world.ask(width=1024, height=768, metadata={"a": "b"})
    (sent,) = world.messenger.scheduled
    raw = json.dumps(sent.message.to_json()).encode()
    await world.deliver(raw, REQUESTS)
    generation = world.generation()
    assert generation.request == sent.message


async def test_reject_leaves_a_known_generation_alone(world: World) -> None:
    """A refusal that comes late does not overwrite what runs."""
    await world.ask()
    await requests.reject(world.deps, KEY, None, Refusal.of(Reason.SAFETY_UNAVAILABLE))
    assert world.generation().state is State.RUNNING
