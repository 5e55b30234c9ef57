"""All entities of a namespace: queues, topics, subscriptions, and their sub-queues. Pure.

Paths are compared without regard to case, as Service Bus does:
`<queue>`, `<topic>`, `<topic>/Subscriptions/<name>`, and under queues and subscriptions `/$DeadLetterQueue` and
`/$Transfer/$DeadLetterQueue`.
"""

from collections.abc import Callable, Sequence
from typing import Literal
from uuid import UUID, uuid4

from servicebus_emulator.entities import Entities, QueueSpec, TopicSpec
from servicebus_emulator.errors import NOT_ALLOWED, NOT_FOUND, ServiceError
from servicebus_emulator.memory import Journal, Message
from servicebus_emulator.message import Content
from servicebus_emulator.queues import Queue, Shared

DEAD_LETTER_QUEUE = "/$DeadLetterQueue"
TRANSFER_DEAD_LETTER_QUEUE = "/$Transfer/$DeadLetterQueue"

Use = Literal["send", "receive", "manage"]


class Forgetful:
    """A journal that keeps nothing: the broker is in memory alone."""

    def put(self, path: str, message: Message) -> None:
        """Do nothing."""

    def update(self, path: str, message: Message) -> None:
        """Do nothing."""

    def delete(self, path: str, sequence_number: int) -> None:
        """Do nothing."""

    def reserve(self, path: str, sequence_number: int) -> None:
        """Do nothing."""

    def remember(self, path: str, message_id: bytes, until_ms: int) -> None:
        """Do nothing."""


class Topic(Queue):
    """A topic: it keeps scheduled messages, and copies a message to its subscriptions when it becomes available."""

    def __init__(self, spec: TopicSpec, shared: Shared) -> None:
        own = QueueSpec(name=spec.name, duplicate_detection_window_s=spec.duplicate_detection_window_s)
        super().__init__(spec.name, own, shared)
        self.subscriptions: list[Queue] = []

    def enqueue(self, content: Content, now_ms: int, number: int | None = None) -> None:  # noqa: ARG002 - each copy has its own number
        """Give every subscription a copy."""
        for subscription in self.subscriptions:
            subscription.submit(content, now_ms)


class Broker:
    """The entities by their paths."""

    def __init__(
        self,
        entities: Entities,
        journal: Journal | None = None,
        new_token: Callable[[], UUID] = uuid4,
    ) -> None:
        self._shared = Shared(journal or Forgetful(), new_token)
        self._queues: dict[str, Queue] = {}
        self._not_for_sending: set[Queue] = set()
        self.add(entities)

    @property
    def awake(self) -> set[Queue]:
        """Queues that may have something to deliver. The hub empties the set when it delivers."""
        return self._shared.awake

    def add(self, entities: Entities) -> None:
        """Create entities; ValueError for a name that is taken."""
        for spec in entities.queues:
            self._add_queue(spec.name, spec)
        for topic_spec in entities.topics:
            topic = Topic(topic_spec, self._shared)
            self._register(topic)
            for spec in topic_spec.subscriptions:
                subscription = self._add_queue(f"{topic.path}/Subscriptions/{spec.name}", spec)
                self._not_for_sending.add(subscription)
                topic.subscriptions.append(subscription)

    def find(self, path: str) -> Queue | None:
        """The entity at a path."""
        return self._queues.get(path.strip("/").lower())

    def entity(self, path: str, use: Use = "manage") -> Queue:
        """The entity at a path, checked for a use.

        Raises:
            ServiceError: not-found, or not-allowed when this entity is not used in this way.
        """
        queue = self.find(path)
        if queue is None:
            raise ServiceError(NOT_FOUND, f"The messaging entity '{path}' could not be found.")
        wrong = (use == "send" and queue in self._not_for_sending) or (use == "receive" and isinstance(queue, Topic))
        if wrong:
            raise ServiceError(NOT_ALLOWED, f"The messaging entity '{path}' cannot be used to {use}.")
        return queue

    def submit(self, queue: Queue, contents: Sequence[Content], now_ms: int) -> list[int]:
        """Take sent messages. Returns their sequence numbers."""
        return [queue.submit(content, now_ms) for content in contents]

    def next_deadline_ms(self) -> int | None:
        """When `advance` should be called next."""
        return self._shared.deadlines.next_ms()

    def advance(self, now_ms: int) -> None:
        """Let locks and messages expire, and scheduled messages become available."""
        self._shared.deadlines.run(now_ms)

    def _add_queue(self, path: str, spec: QueueSpec) -> Queue:
        dead_letter_queue = Queue(path + DEAD_LETTER_QUEUE, spec, self._shared)
        # There is no auto-forwarding, so this queue stays empty; clients may receive from it all the same.
        transfers = Queue(path + TRANSFER_DEAD_LETTER_QUEUE, spec, self._shared)
        queue = Queue(path, spec, self._shared, dead_letter_queue)
        for each in (queue, dead_letter_queue, transfers):
            self._register(each)
        self._not_for_sending.update((dead_letter_queue, transfers))
        return queue

    def _register(self, queue: Queue) -> None:
        key = queue.path.strip("/").lower()
        if key in self._queues:
            raise ValueError(f"the entity {queue.path} exists already")
        self._queues[key] = queue
