"""The webhook trigger: its answers, the order of its checks, what it enqueues, and what it never reveals."""

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dev.fakes.app import BODY, KEY, NOW, OLD_SECRET, OTHER_SECRET, PROMPT, Delivery, FakeSecrets, FakeWebhook, delivery
from dev.fakes.messenger import EVENTS
from dev.fakes.provider import SIGNING_SECRET
from shared.core.provider.prediction import Status
from shared.core.provider.standard_webhooks import sign
from shared.triggers.replicate_webhook import WEBHOOK_BYTES, Answer


async def test_a_genuine_delivery_is_queued() -> None:
    """The answer is 202, and the event has the key, the attempt and the prediction."""
    webhook = FakeWebhook()
    assert await webhook.deliver(delivery()) == Answer(202, "queued")
    (event,) = webhook.queued
    assert (event.key, event.attempt) == (KEY, 1)
    assert (event.prediction.status, len(event.prediction.outputs)) == (Status.SUCCEEDED, 1)
    assert webhook.messenger.sent[0].queue == EVENTS
    assert webhook.telemetry.names(KEY) == ["webhook_verified"]


REFUSED: dict[str, tuple[Callable[[Delivery], Delivery], int, str]] = {
    "too large": (lambda d: replace(d, body=bytes(WEBHOOK_BYTES + 1)), 413, "larger than"),
    "empty": (lambda d: replace(d, body=b""), 400, "empty"),
    "unsigned": (lambda d: replace(d, headers={}), 401, "unsigned"),
    "without an id": (lambda d: d.with_headers(webhook_id=""), 401, "unsigned"),
    "without a timestamp": (lambda d: d.with_headers(webhook_timestamp=""), 401, "unsigned"),
    "another id": (lambda d: d.with_headers(webhook_id="msg_2"), 401, "no signature matches"),
    "another body": (lambda d: replace(d, body=d.body + b" "), 401, "no signature matches"),
    "another secret": (lambda _: delivery(secret=OTHER_SECRET), 401, "no signature matches"),
    "another version": (lambda d: d.with_headers(webhook_signature="v2,AAAA"), 401, "no signature matches"),
    "no number": (lambda d: d.with_headers(webhook_timestamp="soon"), 401, "not a number"),
    "too old": (lambda _: delivery(age_s=301), 401, "more than 300 s"),
    "too early": (lambda _: delivery(age_s=-301), 401, "more than 300 s"),
    "another attempt": (lambda d: replace(d, query={**d.query, "attempt": "2"}), 401, "digest"),
    "another user": (lambda d: replace(d, query={**d.query, "user": "eve"}), 401, "digest"),
    "no address": (lambda d: replace(d, query={}), 401, "attempt is not a number"),
    "no JSON": (lambda _: delivery(b"\xff{"), 400, "not a prediction"),
    "no prediction": (lambda _: delivery(b'{"id": "abc"}'), 400, "not a prediction"),
    "a bottomless pit": (lambda _: delivery(b"[" * 100_000), 400, "not a prediction"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_a_refused_delivery_is_answered_with_the_cause(case: str) -> None:
    """Each has its status and a short text, and nothing is enqueued."""
    change, status, cause = REFUSED[case]
    webhook = FakeWebhook()
    answer = await webhook.deliver(change(delivery()))
    assert answer.status == status
    assert cause in answer.text
    assert not webhook.messenger.sent
    assert webhook.telemetry.total("darkroom.webhook_refused") == (1 if status == 401 else 0)


@pytest.mark.parametrize("age_s", [-300, -299, 299, 300])
async def test_five_minutes_either_way_are_tolerated(age_s: int) -> None:
    """Clocks differ, and Replicate delivers again later."""
    assert (await FakeWebhook().deliver(delivery(age_s=age_s))).status == 202


async def test_the_largest_body_is_accepted() -> None:
    """A body may have 4 MiB, as data URIs are large."""
    head, tail = b'{"id": "abcdefghij", "status": "succeeded", "output": "', b'"}'
    body = head + b"x" * (WEBHOOK_BYTES - len(head) - len(tail)) + tail
    assert (await FakeWebhook().deliver(delivery(body))).status == 202


async def test_the_order_is_size_emptiness_address_signature_callback_shape() -> None:
    """The answer is about the first thing that is wrong."""
    webhook = FakeWebhook(networks=("203.0.113.0/24",))
    nothing_right = Delivery({"x-forwarded-for": "198.51.100.1"}, {}, b"no prediction")
    found = []
    for sent in (
        replace(nothing_right, body=bytes(WEBHOOK_BYTES + 1)),
        replace(nothing_right, body=b""),
        nothing_right,
        nothing_right.with_headers(x_forwarded_for="203.0.113.9"),
        replace(delivery(b"no prediction"), query={}).with_headers(x_forwarded_for="203.0.113.9"),
        delivery(b"no prediction").with_headers(x_forwarded_for="203.0.113.9"),
        delivery().with_headers(x_forwarded_for="203.0.113.9"),
    ):
        answer = await webhook.deliver(sent)
        found.append((answer.status, answer.text.split(":")[0]))
    assert found == [
        (413, f"the body is larger than {WEBHOOK_BYTES} bytes"),
        (400, "the body is empty"),
        (401, "this address is not allowed to send webhooks"),
        (401, "unsigned"),
        (401, "the callback address is not one of ours"),
        (400, "the body is not a prediction"),
        (202, "queued"),
    ]


async def test_a_bus_that_is_down_is_answered_503() -> None:
    """Replicate delivers again, and then the same delivery is accepted."""
    webhook = FakeWebhook()
    webhook.messenger.down = True
    answer = await webhook.deliver(delivery())
    assert (answer.status, "service bus" in answer.text) == (503, True)
    webhook.messenger.down = False
    assert (await webhook.deliver(delivery())).status == 202


async def test_without_its_secret_a_delivery_is_answered_503() -> None:
    """It is not 401: the delivery may be genuine, and must be repeated."""
    webhook = FakeWebhook()
    webhook.secrets.down = True
    assert (await webhook.deliver(delivery())).status == 503
    assert not webhook.messenger.sent


async def test_an_empty_secret_verifies_nothing() -> None:
    """Anybody can sign with an empty key."""
    webhook = FakeWebhook(FakeSecrets("", "whsec_"))
    assert (await webhook.deliver(delivery())).status == 401


async def test_a_rotated_secret_is_fetched_once() -> None:
    """The first delivery with the new secret fetches it, and the next ones do not."""
    webhook = FakeWebhook(FakeSecrets(OLD_SECRET))
    webhook.secrets.rotated = SIGNING_SECRET
    assert (await webhook.deliver(delivery(address_secret=OLD_SECRET))).status == 202
    assert (await webhook.deliver(delivery(webhook_id="msg_2"))).status == 202
    assert webhook.secrets.refreshes == 1


async def test_the_previous_secret_is_still_accepted() -> None:
    """A delivery may be signed before the rotation and arrive after it."""
    webhook = FakeWebhook(FakeSecrets(SIGNING_SECRET, OLD_SECRET))
    assert (await webhook.deliver(delivery(secret=OLD_SECRET))).status == 202
    assert webhook.secrets.refreshes == 0


async def test_a_failed_signature_fetches_the_secret_once() -> None:
    """One refresh per delivery; an unsigned delivery causes none."""
    webhook = FakeWebhook()
    assert (await webhook.deliver(delivery(secret=OTHER_SECRET))).status == 401
    assert webhook.secrets.refreshes == 1
    assert (await webhook.deliver(Delivery({}, {}, BODY))).status == 401
    assert webhook.secrets.refreshes == 1


async def test_one_good_signature_among_several_is_enough() -> None:
    """During a rotation the sender signs with both secrets."""
    good = delivery()
    signatures = f"v1,AAAA v2,BBBB broken {good.headers['webhook-signature']}"
    assert (await FakeWebhook().deliver(good.with_headers(webhook_signature=signatures))).status == 202


@pytest.mark.parametrize(
    ("forwarded_for", "allowed"),
    [
        ("203.0.113.9", True),
        ("203.0.113.9:52114", True),
        ("198.51.100.1, 203.0.113.9:52114", True),
        ("203.0.113.9, 198.51.100.1", False),
        ("203.0.113.9,198.51.100.1:443", False),
        ("[2001:db8::7]:52114", True),
        ("[2001:db8::7]", True),
        ("2001:db8::7", True),
        ("198.51.100.1, [2001:db9::7]:52114", False),
        ("::ffff:203.0.113.9", True),
        ("198.51.100.1, [::ffff:203.0.113.9]:52114", True),
        ("::ffff:198.51.100.1", False),
        ("::203.0.113.9", False),
        ("203.0.113.9, unknown", False),
        ("203.0.113.9,", False),
        ("", False),
    ],
)
async def test_only_the_address_that_the_platform_saw_counts(forwarded_for: str, allowed: bool) -> None:
    """It is the right-most entry, with or without a port. Entries left of it are the sender's own claim."""
    webhook = FakeWebhook(networks=("203.0.113.0/24", "2001:db8::/32"))
    answer = await webhook.deliver(delivery().with_headers(x_forwarded_for=forwarded_for))
    assert answer.status == (202 if allowed else 401)
    assert bool(webhook.messenger.sent) is allowed


async def test_the_same_delivery_has_the_same_message_id() -> None:
    """So the broker drops it. "start" and "completed" have one webhook id and differ in their bodies."""
    ids = []
    for sent in (delivery(), delivery(age_s=30), delivery(BODY + b"\n"), delivery(webhook_id="msg_2")):
        webhook = FakeWebhook()
        await webhook.deliver(sent)
        ids.append(webhook.messenger.sent[0].envelope.message_id)
    first, again, other_body, other_id = ids
    assert first == again
    assert len({first, other_body, other_id}) == 3


@pytest.mark.parametrize("case", ["taken", "bus down", *REFUSED])
async def test_no_secret_prompt_or_body_is_revealed(case: str, caplog: pytest.LogCaptureFixture) -> None:
    """None is in a log record, with all its fields, or in the answer."""
    caplog.set_level(logging.DEBUG)
    webhook = FakeWebhook()
    webhook.messenger.down = case == "bus down"
    sent = REFUSED[case][0](delivery()) if case in REFUSED else delivery()
    answer = await webhook.deliver(sent)
    shown = answer.text + "".join(str(vars(record)) + record.getMessage() for record in caplog.records)
    digest = delivery().query["digest"]
    for secret in (SIGNING_SECRET, SIGNING_SECRET.removeprefix("whsec_"), PROMPT, "replicate.delivery", digest):
        assert secret not in shown
    assert delivery().headers["webhook-signature"] not in shown


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
_NAMES = ("id", "status", "output", "error", "metrics", "input", "model", "webhook", "created_at", "completed_at")
_PREDICTIONS = st.fixed_dictionaries(
    {"id": st.just("abcdefghij") | _JSON, "status": st.sampled_from(["succeeded", "starting", "new"]) | _JSON},
    optional=dict.fromkeys(_NAMES[2:], _JSON),
)


@given(body=st.binary(min_size=1, max_size=200) | (_JSON | _PREDICTIONS).map(lambda raw: json.dumps(raw).encode()))
async def test_a_signed_body_of_any_shape_is_answered(body: bytes) -> None:
    """The answer is 202 or 400, never an exception, and every enqueued event can be written as JSON."""
    webhook = FakeWebhook()
    answer = await webhook.deliver(delivery(body))
    assert answer.status in {202, 400}
    assert (answer.status == 202) == bool(webhook.queued)
    for event in webhook.queued:
        json.dumps(event.to_json())


_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(
    headers=st.dictionaries(
        st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature", "x-forwarded-for"]),
        _TEXT | st.just(str(int(NOW.timestamp()))),
    ),
    query=st.dictionaries(st.sampled_from(["user", "generation", "attempt", "digest"]), _TEXT),
    body=st.binary(min_size=1, max_size=50),
)
async def test_any_unsigned_delivery_is_answered(headers: Any, query: Any, body: bytes) -> None:
    """The answer is 401, never an exception, and nothing is enqueued."""
    webhook = FakeWebhook(networks=("0.0.0.0/0",)) if "x-forwarded-for" in headers else FakeWebhook()
    answer = await webhook.deliver(Delivery({**headers}, query, body))
    assert answer.status == 401
    assert not webhook.messenger.sent


@given(query=st.dictionaries(st.sampled_from(["user", "generation", "attempt", "digest"]), _TEXT))
async def test_a_genuine_body_is_refused_at_another_address(query: Any) -> None:
    """Replicate does not sign the address. The app's own digest protects it."""
    webhook = FakeWebhook()
    assert (await webhook.deliver(replace(delivery(), query=query))).status == 401
    assert not webhook.messenger.sent


def test_the_signature_is_standard_webhooks() -> None:
    """The example of the standard's own libraries (github.com/standard-webhooks/standard-webhooks, test vectors)."""
    given_signature = sign(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    )
    assert given_signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
