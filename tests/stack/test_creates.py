"""Creates that go wrong: throttled, refused, or answered too late. One prediction and one charge, or none."""

import asyncio

import pytest

from shared import worker
from shared.core.lifecycle.state import State
from shared.core.requests.messages import Check
from shared.ports import Envelope
from tests.stack.road import Road, key_of, later

pytestmark = pytest.mark.stack


async def test_a_throttled_create_is_retried_after_each_kind_of_hint(road: Road) -> None:
    """In the header, in the body, or in the text: after the seconds named, once, paid once.

    One after the other, for a 429 holds back all creates. The text of an account without credit is not among them: it
    would slow the whole stack down to 6 a minute.
    """
    for hint in ("header", "body", "text"):
        message = await road.message()
        await road.fault("create_429", message, hint=hint, seconds=1)
        outcome = await road.outcome(message)
        (defer,) = road.log.steps(outcome.key, "create_deferred")
        assert (defer["why"], defer["seconds"]) == ("throttled", 1)
        attempt = outcome.generation.attempt
        assert (attempt.number, attempt.posts) == (1, 2)
        await road.paid_once(outcome, message["prompt"])


async def test_a_refused_token_is_refreshed_once(road: Road) -> None:
    """A 401 has created nothing; the token is fetched again, and the second POST makes the one prediction."""
    message = await road.message()
    await road.fault("create_401", message)
    outcome = await road.outcome(message)
    assert not road.log.steps(outcome.key, "create_deferred")
    await road.paid_once(outcome, message["prompt"])


async def test_missing_credit_at_replicate_waits(road: Road) -> None:
    """After a 402, which an operator must solve, the generation waits for minutes, and its user may cancel it."""
    message = await road.message()
    key = key_of(message)
    await road.fault("create_402", message)
    await road.send(message)
    defer = await road.log.step(key, "create_deferred")
    assert defer["why"] == "no credit"
    await road.cancel(key)
    outcome = await road.ended(key)
    assert outcome.reason == "CANCELED_BY_USER"
    assert not await road.predictions(message["prompt"])
    await road.paid_nothing(outcome)


async def test_what_only_the_operator_can_mend_waits_and_is_reported(road: Road) -> None:
    """An edge's page, a 403 for the account, a load balancer's 404, a webhook address that is not taken.

    One after the other, with a picture in between: five in a row would leave all creates alone.
    """
    for kind, params, why in (
        ("create_403", {"page": True}, "blocked"),
        ("create_404", {}, "misrouted"),
        ("create_422_webhook", {}, "webhook refused"),
    ):
        message = await road.message()
        key = key_of(message)
        await road.fault(kind, message, **params)
        await road.send(message)
        defer = await road.log.step(key, "create_deferred")
        assert (defer["why"], defer["seconds"]) == (why, 60)
        await road.cancel(key)
        outcome = await road.ended(key)
        assert outcome.reason == "CANCELED_BY_USER"
        assert not await road.predictions(message["prompt"])
        await road.paid_nothing(outcome)
        other = await road.message()
        await road.paid_once(await road.outcome(other), other["prompt"])


async def test_an_input_that_the_model_refuses_ends_with_a_reason(road: Road) -> None:
    """422 is final: the generation fails, its credits are released, and the reason says what to do."""
    outcome = await road.generate("create_422")
    assert (outcome.event["type"], outcome.reason) == ("darkroom.generation.failed", "PROVIDER_REFUSED")
    await road.paid_nothing(outcome)


async def test_a_lost_answer_is_adopted(road: Road) -> None:
    """The prediction exists all the same, and is found by its webhook or in Replicate's list."""

    async def lost(kind: str, *, silent: bool) -> None:
        message = await road.message()
        await road.fault(kind, message)
        if silent:
            await road.fault("webhook_lost", message)
        outcome = await road.outcome(message)
        assert len(road.log.steps(outcome.key, "outcome_unknown")) == 1
        assert bool(road.log.steps(outcome.key, "observed")) is not silent
        (made,) = await road.predictions(message["prompt"])
        assert not made["answered"]
        await road.paid_once(outcome, message["prompt"])

    kinds = ("create_5xx_after", "create_timeout_after")
    await asyncio.gather(*(lost(kind, silent=silent) for kind in kinds for silent in (False, True)))


async def test_a_create_that_never_was_is_made_again_only_after_its_time(road: Road) -> None:
    """A 5xx before anything was created: no second POST until Cancel-After has passed; then one, paid once."""
    await road.generate()  # a success, so that five failures in a row do not open the circuit of creates
    message = await road.message()
    key = key_of(message)
    await road.fault("create_5xx_before", message)
    await road.send(message)
    await road.log.step(key, "outcome_unknown")
    await road.log.step(key, "checked", 2)  # the timer has asked for the list, and not found it
    generation = await road.generation(key)
    assert (generation.state, generation.attempt.posts) == (State.SUBMITTING, 1)
    assert not await road.predictions(message["prompt"])
    assert await road.balances(key.user_id) == (9, 1, 0)
    over = later(road.deps, generation.attempt.cancel_after_s + 60)
    await worker.handle(over, Check(key), Envelope("later"), "")  # it is lost: the next attempt opens
    await worker.handle(over, Check(key), Envelope("later"), "")  # and is made
    outcome = await road.ended(key)
    assert outcome.event["data"]["attempts"] == 2
    await road.paid_once(outcome, message["prompt"])
