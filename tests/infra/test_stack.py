"""The local stack is made from the same facts as the templates, and they do what they say."""

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
from azure.servicebus import ServiceBusMessage, ServiceBusReceivedMessage, ServiceBusSubQueue
from azure.servicebus.aio import ServiceBusClient

from dev.entities import SUBSCRIPTION, entities
from servicebus_emulator.emulator import Emulator
from shared.triggers.replicate_webhook import WEBHOOK_BYTES

TEMPLATE = Path(__file__).parents[2] / "infra" / "modules" / "messaging.bicep"

NAMES = {"GENERATION_QUEUE": "requests", "PREDICTION_QUEUE": "news", "COMMAND_QUEUE": "commands"}
NAMES |= {"EVENTS_TOPIC": "events"}

#: What a property of the template is in the emulator's words.
WORDS = {
    "lockDuration": "lock_duration_s",
    "maxDeliveryCount": "max_delivery_count",
    "defaultMessageTimeToLive": "default_ttl_s",
    "duplicateDetectionHistoryTimeWindow": "duplicate_detection_window_s",
    "deadLetteringOnMessageExpiration": "dead_letter_on_expiration",
}

#: What has no counterpart: the emulator detects duplicates where there is a window, is not bounded, and has no filters.
WITHOUT = {"requiresDuplicateDetection": "true", "maxSizeInMegabytes": "5120"}
WITHOUT |= {"deadLetteringOnFilterEvaluationExceptions": "true"}

UNITS = {"D": 86400, "H": 3600, "M": 60, "S": 1}


def facts(resource: str) -> dict[str, object]:
    """The properties of a resource of the template, in the emulator's words; an unknown one is an error."""
    text = re.sub(r"//.*", "", TEMPLATE.read_text(encoding="utf-8"))
    found = re.search(rf"^resource {resource} '.*?properties: {{(.*?)\n  }}", text, re.MULTILINE | re.DOTALL)
    assert found, resource
    given = dict(re.findall(r"^\s*(\w+): (\S+)\s*$", found[1], re.MULTILINE))
    for name, value in WITHOUT.items():
        assert given.pop(name, value) == value
    return {WORDS[name]: read(text, value) for name, value in given.items()}


def read(text: str, value: str) -> object:
    """A value of the template, or of its variable: a number, a truth, or the seconds of a duration."""
    named = re.search(rf"^var {value} = (\S+)$", text, re.MULTILINE)
    value = (named[1] if named else value).strip("'")
    duration = re.fullmatch(r"PT?(\d+)([DHMS])", value)
    if duration:
        return int(duration[1]) * UNITS[duration[2]]
    return value == "true" if value in {"true", "false"} else int(value)


def test_the_queues_are_those_of_the_templates() -> None:
    """Every property of each, but for the lock, which is the stack's own to choose."""
    theirs = facts("inbound")
    assert theirs.pop("lock_duration_s") == 120
    for name, queue in zip(("requests", "news", "commands"), entities(NAMES, lock_s=30)["queues"], strict=True):
        assert queue == {"name": name, "lock_duration_s": 30, **theirs}


def test_the_topic_is_that_of_the_templates() -> None:
    """With its one listener; what lives in the topic lives as long in the subscription, where the emulator counts."""
    listener, topic = facts("listener"), facts("events")
    assert topic.pop("default_ttl_s") == listener["default_ttl_s"]
    assert entities(NAMES, lock_s=30)["topics"] == [
        {"name": "events", "subscriptions": [{"name": SUBSCRIPTION, **listener}], **topic}
    ]


def test_no_body_is_read_that_the_webhook_would_refuse() -> None:
    """The platform's own bound equals the webhook route's: a larger body is refused by its headers alone."""
    name = "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT"
    deployed = json.loads((TEMPLATE.parents[1] / "settings.json").read_text(encoding="utf-8"))
    local = json.loads((TEMPLATE.parents[2] / "local.settings.json.example").read_text(encoding="utf-8"))["Values"]
    assert deployed[name] == local[name] == str(WEBHOOK_BYTES)


@pytest.mark.timeout(60)
async def test_a_request_whose_time_is_over_is_a_dead_letter() -> None:
    """It does not vanish: it lies where the app puts its dead letters, with the broker's reason."""
    with Emulator(entities(NAMES, lock_s=30)) as emulator:
        async with ServiceBusClient.from_connection_string(emulator.connection_string) as client:
            async with client.get_queue_sender("requests") as sender:
                await sender.send_messages(
                    ServiceBusMessage(b"{}", message_id="m-1", time_to_live=timedelta(seconds=1))
                )
            dead_letters = client.get_queue_receiver(
                "requests", sub_queue=ServiceBusSubQueue.DEAD_LETTER, max_wait_time=10
            )
            async with dead_letters:
                found: list[ServiceBusReceivedMessage] = await dead_letters.receive_messages(max_wait_time=10)
                (dead,) = found
                await dead_letters.complete_message(dead)
        assert (dead.message_id, dead.dead_letter_reason) == ("m-1", "TTLExpiredException")
        assert emulator.count("requests") == emulator.count("requests/$DeadLetterQueue") == 0
