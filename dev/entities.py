"""The queues and the topic of the local stack, with the facts of the deployment.

Rules of this file:
1. Each fact is that of infra/modules/messaging.bicep; tests/infra/test_stack.py compares them all. What a message
   meets on a laptop is what it meets in Azure: it is dropped, buried or kept for the same reasons.
2. One of them differs: a lock of two minutes would let whoever kills a process wait for so long.
"""

from collections.abc import Mapping, Sequence

#: The app in front, as far as the stack knows it: one subscription to the events.
SUBSCRIPTION = "app"

_DAY_S = 24 * 60 * 60

#: Replicate repeats a webhook, the timer a check, an app a request: what comes again within this is dropped.
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
    queues: list[dict[str, object]] = [
        {"name": names[name], "lock_duration_s": lock_s, **_INBOUND}
        for name in ("GENERATION_QUEUE", "PREDICTION_QUEUE")
    ]
    topic = {
        "name": names["EVENTS_TOPIC"],
        "subscriptions": [{"name": name, **_LISTENER} for name in subscriptions],
        **_DUPLICATES,
    }
    return {"queues": queues, "topics": [topic]}
