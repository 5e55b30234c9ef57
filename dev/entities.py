"""The queues and the topic of the local stack, with the values of the deployment.

Rules of this file:
1. Each value is that of infra/modules/messaging.bicep, and tests/infra/test_stack.py compares them all. So a message is
   dropped, dead-lettered or kept on a laptop for the same reasons as in Azure.
2. One value differs, the lock: after a process is killed, its message stays locked until the lock expires. Two minutes
   as in Azure would be too long to wait.
"""

from collections.abc import Mapping, Sequence

#: The user's app, as far as the stack knows it: one subscription to the events.
SUBSCRIPTION = "app"

#: The settings that name the queues.
QUEUES = ("GENERATION_QUEUE", "PREDICTION_QUEUE", "COMMAND_QUEUE")

_DAY_S = 24 * 60 * 60

#: Replicate repeats a webhook, the timer a check, an app a request: duplicates within this window are dropped.
_DUPLICATES = {"duplicate_detection_window_s": 10 * 60}

_INBOUND = {"max_delivery_count": 10, "default_ttl_s": _DAY_S, "dead_letter_on_expiration": True, **_DUPLICATES}

_LISTENER = {
    "lock_duration_s": 60,
    "max_delivery_count": 10,
    "default_ttl_s": 14 * _DAY_S,
    "dead_letter_on_expiration": True,
}


def entities(
    names: Mapping[str, str], lock_s: int, subscriptions: Sequence[str] = (SUBSCRIPTION,)
) -> Mapping[str, list[dict[str, object]]]:
    """All entities, for servicebus_emulator.entities. ``names``: the settings; ``lock_s``: the queues' lock."""
    queues: list[dict[str, object]] = [{"name": names[name], "lock_duration_s": lock_s, **_INBOUND} for name in QUEUES]
    topic = {
        "name": names["EVENTS_TOPIC"],
        "subscriptions": [{"name": name, **_LISTENER} for name in subscriptions],
        **_DUPLICATES,
    }
    return {"queues": queues, "topics": [topic]}
