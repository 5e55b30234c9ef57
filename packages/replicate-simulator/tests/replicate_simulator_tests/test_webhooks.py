"""Webhooks: the published signature vectors, what is sent when, retries, and each webhook fault."""

import asyncio
import json
import time

import pytest

from replicate_simulator.webhooks import RETRY_PAUSES_S, key_of, sign
from replicate_simulator_tests.world import SECRET, Receiver, World, running_world

VECTORS = [
    (
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "1614265330",
        b'{"test": 2432232314}',
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    ),
    (
        "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
        "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W",
        "1674087231",
        b'{"id":"ufawqhfynnddngldkgtslldrkq","status":"succeeded","output":["https://replicate.delivery/x/out-0.webp"]}',
        "v1,bPUfTkrIeap3vi02/o/J0sO+lzXzik4utYdPom3teOo=",
    ),
]
ALL = ["start", "logs", "output", "completed"]


def verified(receiver: Receiver, index: int, secret: str = SECRET) -> bool:
    """Whether a webhook's signature is right and fresh, over the bytes that came."""
    headers, body = receiver.requests[index]
    fresh = abs(time.time() - int(headers["webhook-timestamp"])) < 5
    signed = sign(secret, headers["webhook-id"], headers["webhook-timestamp"], body)
    return fresh and headers["webhook-signature"] == signed


@pytest.mark.parametrize(("secret", "message_id", "timestamp", "body", "signature"), VECTORS)
def test_the_signature_is_that_of_the_vectors(
    secret: str, message_id: str, timestamp: str, body: bytes, signature: str
) -> None:
    """Both published vectors come out."""
    assert sign(secret, message_id, timestamp, body) == signature


def test_retries_end_a_minute_after_the_end() -> None:
    """The pauses grow and add up to about a minute."""
    assert 55 <= sum(RETRY_PAUSES_S) <= 65
    assert list(RETRY_PAUSES_S) == sorted(set(RETRY_PAUSES_S))


@pytest.mark.parametrize("bad", ["whsec_", "whsec_%%", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", ""])
def test_what_is_no_secret_is_refused(bad: str) -> None:
    """A secret without its prefix or without base64 is refused."""
    with pytest.raises(ValueError, match=r"secret|base64|padding"):
        key_of(bad)


async def test_every_event_comes_signed_once_and_in_order(world: World, receiver: Receiver) -> None:
    """All four events: the bodies are those of GET, the ids differ, the last body is the final prediction."""
    created = await world.create(webhook=receiver.url, webhook_events_filter=ALL)
    assert await receiver.wait_for(4) == ["processing", "processing", "processing", "succeeded"]
    assert [body["output"] is None for body in receiver.bodies] == [True, True, False, False]
    assert all(verified(receiver, index) for index in range(4))
    assert len({headers["webhook-id"] for headers, _ in receiver.requests}) == 4
    assert receiver.bodies[3] == await world.get(created["id"])
    assert receiver.bodies[3]["webhook"] == receiver.url
    assert receiver.requests[0][0]["Content-Type"] == "application/json"


async def test_the_default_is_output_and_completed(world: World, receiver: Receiver) -> None:
    """Without a filter two webhooks come, and no third."""
    await world.create(webhook=receiver.url)
    assert await receiver.wait_for(2) == ["processing", "succeeded"]
    await world.sim("quiet", wait_s=1)
    assert len(receiver.bodies) == 2


async def test_only_the_terminal_webhook_is_tried_again(receiver: Receiver) -> None:
    """A refused start is gone; a refused completed comes again with its id, until it is taken."""
    receiver.answers = [503, 500, 404]
    async with running_world(time_scale=60) as world:
        await world.create(webhook=receiver.url, webhook_events_filter=["start", "completed"])
        assert await receiver.wait_for(4) == ["processing", "succeeded", "succeeded", "succeeded"]
        await world.sim("quiet", wait_s=1)
        (truth,) = await world.look("predictions")
    assert [each["tries"] for each in truth["webhooks"]] == [[503], [500, 404, 200]]
    assert len({headers["webhook-id"] for headers, _ in receiver.requests}) == 2


async def test_it_gives_up_after_a_minute(world: World) -> None:
    """Nobody listens: after seven tries nothing is under way any more."""
    await world.create(webhook="http://127.0.0.1:9/hook", webhook_events_filter=["completed"])
    async with asyncio.timeout(3):
        while (stats := await world.look("stats"))["webhooks_in_flight"] or not stats["webhooks_sent"]:
            await world.sim("clock", advance_s=30)
    (truth,) = await world.look("predictions")
    assert truth["webhooks"][0]["tries"] == ["ClientConnectorError"] * 7


async def test_a_redirect_is_neither_followed_nor_tried_again(receiver: Receiver) -> None:
    """A 301 loses the webhook silently."""
    receiver.answers = [301]
    async with running_world(time_scale=60) as world:
        await world.create(webhook=receiver.url, webhook_events_filter=["completed"])
        await receiver.wait_for(1)
        await world.sim("quiet", wait_s=1)
    assert len(receiver.bodies) == 1


async def test_cancel_sends_a_webhook_and_abort_does_not(world: World, receiver: Receiver) -> None:
    """`completed` covers canceled; of an aborted prediction nobody hears."""
    await world.sim("run_time", start_s=30)
    canceled = await world.create(webhook=receiver.url)
    await world.call("POST", f"/v1/predictions/{canceled['id']}/cancel")
    assert await receiver.wait_for(1) == ["canceled"]
    aborted = await world.create(webhook=receiver.url, headers={"Cancel-After": "5s"})
    await world.sim("clock", advance_s=6)
    assert (await world.get(aborted["id"]))["status"] == "aborted"
    await world.sim("quiet", wait_s=1)
    assert len(receiver.bodies) == 1


async def test_webhook_lost(world: World, receiver: Receiver) -> None:
    """A lost webhook never comes; the other event of the same prediction does."""
    await world.sim("faults", kind="webhook_lost", event="completed")
    await world.create(webhook=receiver.url, webhook_events_filter=["start", "completed"])
    await world.sim("quiet", wait_s=1)
    assert [body["status"] for body in receiver.bodies] == ["processing"]
    (truth,) = await world.look("predictions")
    assert truth["webhooks"][1]["tries"] == ["lost"]


async def test_webhook_doubled(world: World, receiver: Receiver) -> None:
    """The same webhook comes twice, under one id."""
    await world.sim("faults", kind="webhook_doubled")
    await world.create(webhook=receiver.url, webhook_events_filter=["completed"])
    assert await receiver.wait_for(2) == ["succeeded"] * 2
    assert receiver.requests[0][0]["webhook-id"] == receiver.requests[1][0]["webhook-id"]


async def test_webhook_late(world: World, receiver: Receiver) -> None:
    """A late webhook comes when its simulated seconds have passed."""
    await world.sim("faults", kind="webhook_late", seconds=600)
    created = await world.create(webhook=receiver.url, webhook_events_filter=["completed"])
    await world.finished(created["id"])
    assert receiver.bodies == []
    await world.sim("clock", advance_s=601)
    assert await receiver.wait_for(1) == ["succeeded"]


async def test_webhook_reordered(world: World, receiver: Receiver) -> None:
    """Completed comes first, start after it."""
    await world.sim("faults", kind="webhook_reordered")
    await world.create(webhook=receiver.url, webhook_events_filter=["start", "completed"])
    assert await receiver.wait_for(2) == ["succeeded", "processing"]


async def test_webhook_bad_signature(world: World, receiver: Receiver) -> None:
    """The signature does not verify; the next prediction's does."""
    await world.sim("faults", kind="webhook_bad_signature")
    for _ in range(2):
        created = await world.create(webhook=receiver.url, webhook_events_filter=["completed"])
        await world.finished(created["id"])
        await world.sim("quiet", wait_s=1)
    assert [verified(receiver, index) for index in range(2)] == [False, True]


async def test_a_rotated_secret_signs_from_now_on(world: World, receiver: Receiver) -> None:
    """The API gives the new secret, and the next webhook is signed with it."""
    new = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
    await world.sim("webhook-secret", secret=new)
    assert (await world.call("GET", "/v1/webhooks/default/secret")).json() == {"key": new}
    await world.create(webhook=receiver.url, webhook_events_filter=["completed"])
    await receiver.wait_for(1)
    assert verified(receiver, 0, new)
    assert not verified(receiver, 0)
    assert json.loads(receiver.requests[0][1]) == receiver.bodies[0]
