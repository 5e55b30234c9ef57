"""A message as a receiver gets it: the sender's sections, and the annotations of the broker.

Annotation names and types as azure-servicebus 7.15 and Microsoft's AMQP protocol guide have them.
"""

from servicebus_emulator import codec
from servicebus_emulator.memory import Message

_LOCK_TOKEN = codec.symbol("x-opt-lock-token")
_LOCKED_UNTIL = codec.symbol("x-opt-locked-until")
_SEQUENCE_NUMBER = codec.symbol("x-opt-sequence-number")
_ENQUEUED_TIME = codec.symbol("x-opt-enqueued-time")
_STATE = codec.symbol("x-opt-message-state")


def rendered(message: Message) -> bytes:
    """The complete encoded message; a locked one carries its lock token and when the lock expires."""
    annotations = [
        (_SEQUENCE_NUMBER, codec.int64(message.sequence_number)),
        (_ENQUEUED_TIME, codec.timestamp(message.enqueued_ms)),
        (_STATE, codec.int32(message.state)),
    ]
    delivery_annotations = []
    if message.lock is not None:
        annotations.append((_LOCKED_UNTIL, codec.timestamp(message.lock.until_ms)))
        delivery_annotations.append((_LOCK_TOKEN, codec.uuid(message.lock.token)))
    return message.content.encoded(
        delivery_count=message.delivery_count,
        delivery_annotations=tuple(delivery_annotations),
        annotations=tuple(annotations),
    )
