"""The rules of Service Bus, without sockets and with a clock that only the tests move."""

from dataclasses import replace
from itertools import count
from typing import Any
from uuid import UUID

import pytest

from servicebus_emulator import codec, entities
from servicebus_emulator.broker import Broker, Use
from servicebus_emulator.errors import LOCK_LOST, MESSAGE_NOT_FOUND, NOT_ALLOWED, NOT_FOUND, ServiceError
from servicebus_emulator.memory import Message, State
from servicebus_emulator_tests.brokers import ENTITIES, World


@pytest.fixture
def world() -> World:
    """A fresh broker whose lock tokens count up."""
    tokens = count(1)
    return World(Broker(entities.from_json(ENTITIES), new_token=lambda: UUID(int=next(tokens))))


def _token(message: Message) -> UUID:
    assert message.lock is not None
    return message.lock.token


def test_messages_leave_in_the_order_they_came(world: World) -> None:
    """Sequence numbers count up from 1, and delivery follows them."""
    sent = [world.send("q") for _ in range(3)]
    assert sent == [1, 2, 3]
    assert [world.acquire("q").sequence_number for _ in sent] == sent
    assert world.is_empty("q")


def test_an_abandoned_message_goes_back_to_its_place(world: World) -> None:
    """It is delivered before younger ones, with its failed delivery counted."""
    world.send("q")
    world.send("q")
    world.queue("q").abandon(_token(world.acquire("q")), world.now_ms)
    again = world.acquire("q")
    assert (again.sequence_number, again.delivery_count) == (1, 1)


def test_a_released_message_counts_no_delivery(world: World) -> None:
    """A client that hands back what it never showed to anyone does not use up an attempt."""
    world.send("q")
    world.queue("q").release(_token(world.acquire("q")), world.now_ms)
    assert world.acquire("q").delivery_count == 0


def test_a_completed_message_is_gone_and_its_token_dead(world: World) -> None:
    """Settling twice is an error the second time."""
    world.send("q")
    token = _token(world.acquire("q"))
    world.queue("q").complete(token, world.now_ms)
    assert not world.queue("q").messages
    with pytest.raises(ServiceError, match=LOCK_LOST):
        world.queue("q").complete(token, world.now_ms)
    world.pass_time(120)
    assert world.broker.next_deadline_ms() is None


def test_a_lock_expires_at_its_time_and_not_before(world: World) -> None:
    """Expiry frees the message, counts the delivery and kills the token."""
    world.send("q")
    first = world.acquire("q")
    world.pass_time(59.999)
    assert world.is_empty("q")
    world.pass_time(0.001)
    again = world.acquire("q")
    assert again.delivery_count == 1
    with pytest.raises(ServiceError, match=LOCK_LOST):
        world.queue("q").complete(_token(first), world.now_ms)
    world.queue("q").complete(_token(again), world.now_ms)


def test_deadlines_of_old_locks_do_not_pile_up(world: World) -> None:
    """A message that comes and goes for an hour leaves no more entries than one lock duration has."""
    world.send("q")
    for _ in range(360):
        world.queue("q").release(_token(world.acquire("q")), world.now_ms)
        world.acquire("q")
        world.queue("q").expire_lock(1, world.now_ms)
        world.queue("q").memory.messages[1] = replace(world.queue("q").messages[1], delivery_count=0)
        world.pass_time(10)
    assert len(world.broker._shared.deadlines._heap) <= 2 * 60 / 10 + 1


def test_a_lock_is_lost_by_the_clock_even_before_the_timer_ran(world: World) -> None:
    """Late timers do not lengthen a lock."""
    world.send("q")
    token = _token(world.acquire("q"))
    world.now_s += 60
    with pytest.raises(ServiceError, match=LOCK_LOST):
        world.queue("q").complete(token, world.now_ms)


def test_a_renewed_lock_lasts_from_the_renewal(world: World) -> None:
    """Repeated renewals keep a message for any time."""
    world.send("q")
    token = _token(world.acquire("q"))
    for _ in range(5):
        world.pass_time(40)
        assert world.queue("q").renew(token, world.now_ms) == world.now_ms + 60_000
    world.pass_time(59)
    world.queue("q").complete(token, world.now_ms)
    assert not world.queue("q").messages


@pytest.mark.parametrize("way", ["abandon", "expire"])
def test_the_last_failed_delivery_goes_to_the_dead_letters(world: World, way: str) -> None:
    """The third failed delivery counts, by abandoning or by an expired lock."""
    world.send("q")
    for _ in range(3):
        token = _token(world.acquire("q"))
        if way == "abandon":
            world.queue("q").abandon(token, world.now_ms)
        else:
            world.pass_time(60)
    assert not world.queue("q").messages
    dead = world.acquire("q/$DeadLetterQueue")
    assert (dead.sequence_number, dead.delivery_count) == (1, 3)
    assert _notes(dead)["DeadLetterReason"] == "MaxDeliveryCountExceeded"


def _notes(message: Message) -> dict[str, str]:
    return {codec.decode(key)[0]: codec.decode(value)[0] for key, value in message.content.application_properties}


def test_dead_letters_carry_their_reason_and_never_die_again(world: World) -> None:
    """A dead letter has no delivery limit, and cannot be dead-lettered."""
    world.send("q")
    world.queue("q").dead_letter(_token(world.acquire("q")), "bad", "very bad", world.now_ms)
    dead_letters = world.queue("Q/$deadletterqueue")
    for _ in range(5):
        dead_letters.abandon(_token(world.acquire("q/$DeadLetterQueue")), world.now_ms)
    dead = world.acquire("q/$DeadLetterQueue")
    assert _notes(dead) == {"DeadLetterReason": "bad", "DeadLetterErrorDescription": "very bad"}
    with pytest.raises(ServiceError, match=NOT_ALLOWED):
        dead_letters.dead_letter(_token(dead), None, None, world.now_ms)
    dead_letters.complete(_token(dead), world.now_ms)
    assert not dead_letters.messages


def test_a_scheduled_message_appears_at_its_time_with_a_new_number(world: World) -> None:
    """Until then it can only be peeked at."""
    number = world.send("q", scheduled_ms=world.now_ms + 30_000)
    assert world.queue("q").peek(1, 10)[0].state is State.SCHEDULED
    world.pass_time(29.9)
    assert world.is_empty("q")
    world.pass_time(0.1)
    message = world.acquire("q")
    assert message.sequence_number > number
    assert message.enqueued_ms == world.now_ms


def test_a_message_scheduled_for_the_past_comes_at_once(world: World) -> None:
    """A message that is no longer scheduled cannot be canceled."""
    world.send("q", scheduled_ms=world.now_ms)
    assert world.acquire("q").state is State.ACTIVE


def test_cancelling_takes_back_all_or_none(world: World) -> None:
    """One wrong number leaves the others scheduled."""
    number = world.send("q", scheduled_ms=world.now_ms + 1000)
    with pytest.raises(ServiceError, match=MESSAGE_NOT_FOUND):
        world.queue("q").cancel_scheduled([number, 99])
    world.queue("q").cancel_scheduled([number])
    world.pass_time(2)
    assert not world.queue("q").messages


def test_a_deferred_message_is_only_had_by_its_number(world: World) -> None:
    """It keeps its state when abandoned, and can be settled with its new lock."""
    number = world.send("q")
    world.queue("q").defer(_token(world.acquire("q")), world.now_ms)
    assert world.is_empty("q")
    [message] = world.queue("q").receive_deferred([number], world.now_ms, lock=True)
    world.queue("q").abandon(_token(message), world.now_ms)
    [again] = world.queue("q").receive_deferred([number], world.now_ms, lock=True)
    assert (again.state, again.delivery_count) == (State.DEFERRED, 1)
    with pytest.raises(ServiceError, match=MESSAGE_NOT_FOUND):
        world.queue("q").receive_deferred([number], world.now_ms, lock=True)
    world.queue("q").complete(_token(again), world.now_ms)
    assert not world.queue("q").messages


def test_a_deferred_message_can_be_received_and_deleted(world: World) -> None:
    """It is received without a lock and then deleted."""
    number = world.send("q")
    world.queue("q").defer(_token(world.acquire("q")), world.now_ms)
    world.queue("q").receive_deferred([number], world.now_ms, lock=False)
    assert not world.queue("q").messages


def test_only_deferred_messages_can_be_asked_for_by_number(world: World) -> None:
    """An active message is not found in this way."""
    number = world.send("q")
    with pytest.raises(ServiceError, match=MESSAGE_NOT_FOUND):
        world.queue("q").receive_deferred([number], world.now_ms, lock=True)


def test_taking_removes_at_once(world: World) -> None:
    """Receive-and-delete leaves nothing behind."""
    world.send("q")
    taken = world.queue("q").take(world.now_ms)
    assert taken is not None
    assert taken.lock is None
    assert not world.queue("q").messages


def test_peek_sees_everything_in_order_from_a_number_on(world: World) -> None:
    """Locked messages are included, and no more than asked for are returned."""
    for _ in range(5):
        world.send("q")
    world.acquire("q")
    assert [each.sequence_number for each in world.queue("q").peek(1, 3)] == [1, 2, 3]
    assert [each.sequence_number for each in world.queue("q").peek(4, 3)] == [4, 5]


def test_a_message_that_expires_is_dropped(world: World) -> None:
    """Its own time to live counts, up to that of the queue."""
    world.send("forgets", ttl_ms=1000)
    world.send("forgets", ttl_ms=60_000)
    world.pass_time(1)
    assert len(world.queue("forgets").messages) == 1
    world.pass_time(4)
    assert not world.queue("forgets").messages
    assert world.is_empty("forgets/$DeadLetterQueue")


def test_a_message_that_expires_may_go_to_the_dead_letters(world: World) -> None:
    """The queue has a setting for it."""
    world.send("short")
    world.pass_time(5)
    assert _notes(world.acquire("short/$DeadLetterQueue"))["DeadLetterReason"] == "TTLExpiredException"
    world.pass_time(1000)
    assert len(world.queue("short/$DeadLetterQueue").messages) == 1


def test_a_locked_message_outlives_its_time_until_it_is_unlocked(world: World) -> None:
    """Its holder may still complete it; if abandoned, it expires at once."""
    world.send("short")
    world.send("short")
    kept, dropped = world.acquire("short"), world.acquire("short")
    world.pass_time(6)
    world.queue("short").complete(_token(kept), world.now_ms)
    world.queue("short").abandon(_token(dropped), world.now_ms)
    assert not world.queue("short").messages
    assert len(world.queue("short/$DeadLetterQueue").messages) == 1


def test_an_expired_message_is_never_delivered_even_before_the_timer_ran(world: World) -> None:
    """The clock decides, not the timer."""
    world.send("forgets")
    world.now_s += 5
    assert world.is_empty("forgets")


def test_duplicates_are_dropped_within_the_window_only(world: World) -> None:
    """The window counts from the first message, and survives its completion."""
    world.send("once", "same")
    world.queue("once").complete(_token(world.acquire("once")), world.now_ms)
    world.pass_time(9)
    world.send("once", "same")
    assert not world.queue("once").messages
    world.pass_time(1)
    world.send("once", "same")
    assert len(world.queue("once").messages) == 1


def test_a_scheduled_message_is_no_duplicate_of_itself(world: World) -> None:
    """Becoming available is not another send; sending the id again is."""
    world.send("once", "same", scheduled_ms=world.now_ms + 1000)
    world.send("once", "same")
    world.pass_time(1)
    assert len(world.queue("once").messages) == 1
    assert world.acquire("once").state is State.ACTIVE


def test_a_topic_gives_each_subscription_its_own_copy(world: World) -> None:
    """Settling one copy leaves the other alone."""
    world.send("news")
    first, second = world.acquire("news/Subscriptions/a"), world.acquire("NEWS/subscriptions/B")
    world.queue("news/Subscriptions/a").complete(_token(first), world.now_ms)
    world.queue("news/Subscriptions/b").abandon(_token(second), world.now_ms)
    assert not world.queue("news/Subscriptions/a").messages
    assert len(world.queue("news/Subscriptions/b/$DeadLetterQueue").messages) == 1


def test_a_topic_schedules_and_finds_duplicates_before_it_copies(world: World) -> None:
    """A scheduled message reaches the subscriptions at its time, once."""
    for _ in range(2):
        world.send("news", "same", scheduled_ms=world.now_ms + 1000)
    assert world.is_empty("news/Subscriptions/a")
    world.pass_time(1)
    for path in ("news/Subscriptions/a", "news/Subscriptions/b"):
        assert len(world.queue(path).messages) == 1
    assert not world.queue("news").messages


@pytest.mark.parametrize(
    ("path", "use", "condition"),
    [
        ("missing", "send", NOT_FOUND),
        ("news/Subscriptions/missing", "receive", NOT_FOUND),
        ("news", "receive", NOT_ALLOWED),
        ("news/Subscriptions/a", "send", NOT_ALLOWED),
        ("q/$DeadLetterQueue", "send", NOT_ALLOWED),
    ],
)
def test_entities_refuse_what_they_are_not_for(world: World, path: str, use: Use, condition: str) -> None:
    """An unknown path is not found, and a known entity refuses an operation that it does not have."""
    with pytest.raises(ServiceError, match=condition):
        world.broker.entity(path, use)


def test_an_expired_lock_can_be_asked_for(world: World) -> None:
    """The hook for tests acts as time would, and says when there is no lock."""
    number = world.send("q")
    token = _token(world.acquire("q"))
    world.queue("q").expire_lock(number, world.now_ms)
    with pytest.raises(ServiceError, match=LOCK_LOST):
        world.queue("q").complete(token, world.now_ms)
    with pytest.raises(ServiceError, match=MESSAGE_NOT_FOUND):
        world.queue("q").expire_lock(number, world.now_ms)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"queue": []}, "unknown queue"),
        ({"queues": [{}]}, "needs a name"),
        ({"queues": [{"name": "q", "lock_duration": 5}]}, "unknown lock_duration"),
        ({"queues": [{"name": "q", "lock_duration_s": None}]}, "positive number"),
        ({"queues": [{"name": "q", "dead_letter_on_expiration": 1}]}, "true or false"),
        ({"queues": [{"name": "q"}, {"name": "Q"}]}, "used twice"),
        ({"topics": [{"name": "t", "subscriptions": [{"name": "s", "max_delivery_count": 0}]}]}, "positive number"),
    ],
)
def test_misspelt_entities_are_errors(data: dict[str, Any], text: str) -> None:
    """Each error says what is wrong and where."""
    with pytest.raises(ValueError, match=text):
        entities.from_json(data)
