"""The queues, topics and subscriptions of a namespace, read from JSON.

{"queues": [{"name", "lock_duration_s", "max_delivery_count", "duplicate_detection_window_s", "default_ttl_s",
             "dead_letter_on_expiration"}],
 "topics": [{"name", "duplicate_detection_window_s", "subscriptions": [{"name", ... as a queue}]}]}

Only names are required. Anything misspelt is an error, because a silent default takes long to find.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSpec:
    """A queue or a subscription. The defaults are those of the Azure portal, where it has one; times are in seconds."""

    name: str
    lock_duration_s: float = 60
    max_delivery_count: int = 10
    duplicate_detection_window_s: float | None = None
    default_ttl_s: float | None = None
    dead_letter_on_expiration: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSpec:
    """A topic with its subscriptions; each of these gets a copy of every message."""

    name: str
    subscriptions: tuple[QueueSpec, ...] = ()
    duplicate_detection_window_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entities:
    """All entities of a namespace."""

    queues: tuple[QueueSpec, ...] = ()
    topics: tuple[TopicSpec, ...] = ()


def from_json(data: Mapping[str, Any]) -> Entities:
    """Read the entities from parsed JSON.

    Raises:
        ValueError: a name is missing or doubled, a key unknown, or a value of the wrong type.
    """
    _refuse_unknown("the entities", data, {"queues", "topics"})
    entities = Entities(
        queues=tuple(_queue("queue", item) for item in data.get("queues", ())),
        topics=tuple(_topic(item) for item in data.get("topics", ())),
    )
    names = [queue.name.lower() for queue in entities.queues] + [topic.name.lower() for topic in entities.topics]
    doubled = {name for name in names if names.count(name) > 1}
    if doubled:
        raise ValueError(f"entity names used twice: {', '.join(sorted(doubled))}")
    return entities


def from_file(path: Path) -> Entities:
    """Read the entities from a JSON file; ValueError names what is wrong in it."""
    return from_json(json.loads(path.read_text(encoding="utf-8")))


def from_names(queues: Sequence[str], topics: Sequence[str]) -> Entities:
    """Entities with all defaults; a topic is `NAME` or `NAME/SUBSCRIPTION`, once for each of its subscriptions.

    Raises:
        ValueError: a name is missing or doubled.
    """
    subscriptions: dict[str, list[dict[str, str]]] = {}
    for each in topics:
        topic, slash, subscription = each.partition("/")
        subscriptions.setdefault(topic, []).extend([{"name": subscription}] if slash else [])
    return from_json(
        {
            "queues": [{"name": name} for name in queues],
            "topics": [{"name": name, "subscriptions": items} for name, items in subscriptions.items()],
        }
    )


def _queue(kind: str, item: Mapping[str, Any]) -> QueueSpec:
    where = _named(kind, item)
    _refuse_unknown(where, item, {field.name for field in fields(QueueSpec)})
    for key in ("lock_duration_s", "max_delivery_count", "duplicate_detection_window_s", "default_ttl_s"):
        optional = key in {"duplicate_detection_window_s", "default_ttl_s"}
        _check_positive(where, item, key, optional=optional)
    if not isinstance(item.get("dead_letter_on_expiration", False), bool):
        raise ValueError(f"{where}: dead_letter_on_expiration must be true or false")  # noqa: TRY004 - one error type
    return QueueSpec(**item)


def _topic(item: Mapping[str, Any]) -> TopicSpec:
    where = _named("topic", item)
    _refuse_unknown(where, item, {field.name for field in fields(TopicSpec)})
    _check_positive(where, item, "duplicate_detection_window_s", optional=True)
    return TopicSpec(
        name=item["name"],
        subscriptions=tuple(_queue(f"{where}, subscription", each) for each in item.get("subscriptions", ())),
        duplicate_detection_window_s=item.get("duplicate_detection_window_s"),
    )


def _named(kind: str, item: Mapping[str, Any]) -> str:
    name = item.get("name")
    if not isinstance(name, str) or not name.strip("/ "):
        raise ValueError(f"a {kind} needs a name")
    return f"{kind} {name}"


def _refuse_unknown(where: str, item: Mapping[str, Any], known: set[str]) -> None:
    unknown = sorted(set(item) - known)
    if unknown:
        raise ValueError(f"{where}: unknown {', '.join(unknown)}; known are {', '.join(sorted(known))}")


def _check_positive(where: str, item: Mapping[str, Any], key: str, *, optional: bool) -> None:
    value = item.get(key, 1)
    if value is None and optional:
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        raise ValueError(f"{where}: {key} must be a positive number")
