"""Account commands through the emulator: to a queue of their own, with the properties of a deferred copy."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.servicebus.aio import ServiceBusClient

from shared.adapters.service_bus import ServiceBusMessenger, connected_by_string, read_envelope
from shared.core.commands.acts import AccountCommand
from shared.core.commands.parsing import parse_command
from shared.core.events.command_event import APPLIED, CommandEvent
from shared.ports import Envelope
from tests.adapters.simulators import running

QUEUES = ("requests", "news", "commands")
ENTITIES = {
    "queues": [{"name": name, "duplicate_detection_window_s": 600} for name in QUEUES],
    "topics": [{"name": "events", "subscriptions": [{"name": "app"}]}],
}
BODY = {"type": "grant", "command_id": "c1", "account_id": "acme", "by": "billing", "credits": 5}


@pytest.mark.stack
async def test_a_command_goes_to_its_own_queue_and_its_event_to_the_topic(tmp_path: Path) -> None:
    """It is read back as it was, with when it came. A scheduled copy is not there yet, and a repeated id comes once."""
    (tmp_path / "entities.json").write_text(json.dumps(ENTITIES), encoding="utf-8")
    command = parse_command(json.dumps(BODY).encode())
    assert isinstance(command, AccountCommand)
    came = datetime.now(UTC).replace(microsecond=0)
    event = CommandEvent(account_id="acme", command_id="c1", kind="grant", by="billing", answer=APPLIED, at=came)
    async with running("servicebus_emulator", "--entities", str(tmp_path / "entities.json")) as ready:
        names: dict[str, Any] = dict(zip(("request_queue", "event_queue", "command_queue"), QUEUES, strict=True))
        messenger = ServiceBusMessenger(connected_by_string(ready["connection_string"]), **names, topic="events")
        for _ in range(2):
            await messenger.send_command(command, Envelope("c-1", deferrals=2, since=came))
        await messenger.send_command(command, Envelope("c-2"), at=datetime.now(UTC) + timedelta(hours=1))
        await messenger.publish(event)
        async with ServiceBusClient.from_connection_string(ready["connection_string"]) as client:
            async with client.get_queue_receiver("commands") as receiver:
                (message,) = await receiver.receive_messages(5, max_wait_time=5)
            async with client.get_subscription_receiver("events", "app") as receiver:
                (published,) = await receiver.receive_messages(5, max_wait_time=5)
        await messenger.close()
    assert json.loads(b"".join(message.body)) == BODY
    assert message.message_id is not None
    envelope = read_envelope(message.message_id, message.application_properties, 1, message.enqueued_time_utc)
    assert (envelope.message_id, envelope.deferrals, envelope.since) == ("c-1", 2, came)
    assert json.loads(b"".join(published.body)) == event.to_json()
    assert published.subject == "darkroom.account.command.applied"
    assert published.application_properties == {b"outcome": b"applied"}
