"""The $management node of an entity: peek, schedule, renew, settle by token, deferred messages.

Operations, names (misspelt ones too) and status codes: Microsoft Learn, "AMQP 1.0 in Azure Service Bus: request
response-based operations", and azure-servicebus 7.15. Status 204 means an empty result.
"""

from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

from servicebus_emulator import codec, message, requests, unsupported
from servicebus_emulator.errors import (
    ARGUMENT_ERROR,
    LOCK_LOST,
    MESSAGE_NOT_FOUND,
    NOT_IMPLEMENTED,
    SIZE_EXCEEDED,
    ServiceError,
)
from servicebus_emulator.hub import Hub
from servicebus_emulator.queues import Queue
from servicebus_emulator.rendering import rendered
from servicebus_emulator.requests import Request
from servicebus_emulator.unsupported import Feature

_STATUS = {LOCK_LOST: 410, MESSAGE_NOT_FOUND: 404, NOT_IMPLEMENTED: 501}  # all others: 400
_LOCK_MODE = 1  # receiver-settle-mode "second"

_Field = tuple[str, bytes]


def answer(hub: Hub, queue: Queue, request: Request) -> bytes:
    """The encoded reply to a request. A request that is refused gets a reply too; nothing is raised."""
    try:
        operation = _OPERATIONS.get(request.operation, _unknown)
        field = operation(hub, queue, request)
    except ServiceError as error:
        return _refusal(request, error)
    except codec.MALFORMED:
        return _refusal(request, ServiceError(ARGUMENT_ERROR, "The request is not well-formed."))
    if field is None:
        return _reply(request, 204, "No content")
    return _reply(request, 200, "OK", codec.map_of([(codec.string(field[0]), field[1])]))


def _refusal(request: Request, error: ServiceError) -> bytes:
    return _reply(request, _STATUS.get(error.condition, 400), error.description, condition=error.condition)


def _reply(
    request: Request, status: int, description: str, body: bytes = codec.NULL, condition: str | None = None
) -> bytes:
    properties = {"statusCode": codec.int32(status), "statusDescription": codec.string(description)}
    if condition is not None:
        properties["errorCondition"] = codec.symbol(condition)
    return requests.reply(request, properties, body)


def _map(**fields: bytes) -> bytes:
    return codec.map_of([(codec.string(name.replace("_", "-")), value) for name, value in fields.items()])


def _renew_lock(hub: Hub, queue: Queue, request: Request) -> _Field:
    now_ms = hub.now_ms()
    tokens: list[UUID] = request.fields["lock-tokens"]
    for token in tokens:
        queue.memory.locked(token, now_ms)  # all or none
    return "expirations", codec.array_of([codec.timestamp(queue.renew(token, now_ms)) for token in tokens])


def _update_disposition(hub: Hub, queue: Queue, request: Request) -> _Field:
    now_ms = hub.now_ms()
    tokens: list[UUID] = request.fields["lock-tokens"]
    for token in tokens:
        queue.memory.locked(token, now_ms)  # all or none
    for token in tokens:
        _settle(queue, token, request, now_ms)
    hub.end_turn_soon()
    return "lock-tokens", codec.array_of([codec.uuid(token) for token in tokens])


def _unknown(_hub: Hub, queue: Queue, request: Request) -> None:
    feature = _FEATURES.get(request.operation)
    if feature is None:
        raise unsupported.refuse_operation(request.operation)
    raise unsupported.refuse(feature, f"{request.operation} of {queue.path}")


def _settle(queue: Queue, token: UUID, request: Request, now_ms: int) -> None:
    properties = codec.raw_pairs(request.raw_field("properties-to-modify"))
    match request.fields["disposition-status"]:
        case "completed":
            queue.complete(token, now_ms)
        case "abandoned":
            queue.abandon(token, now_ms, properties)
        case "defered":
            queue.defer(token, now_ms, properties)
        case "suspended":
            reason, description = request.fields.get("deadletter-reason"), request.fields.get("deadletter-description")
            queue.dead_letter(token, reason, description, now_ms, properties)
        case unknown:
            raise ServiceError(ARGUMENT_ERROR, f"Unknown disposition-status '{unknown}'.")


def _receive_by_sequence_number(hub: Hub, queue: Queue, request: Request) -> _Field:
    lock = request.fields.get("receiver-settle-mode") == _LOCK_MODE
    found = queue.receive_deferred(request.fields["sequence-numbers"], hub.now_ms(), lock=lock)
    entries = []
    for each in found:
        fields = {"message": codec.binary(rendered(each))}
        if each.lock is not None:
            fields["lock_token"] = codec.uuid(each.lock.token)
        entries.append(_map(**fields))
    return "messages", codec.list_of(entries)


def _peek_message(_hub: Hub, queue: Queue, request: Request) -> _Field | None:
    # A peeked message does not carry the lock that someone else may have on it.
    found = [
        replace(each, lock=None)
        for each in queue.peek(request.fields["from-sequence-number"], request.fields["message-count"])
    ]
    if not found:
        return None
    return "messages", codec.list_of([_map(message=codec.binary(rendered(each))) for each in found])


def _schedule_message(hub: Hub, queue: Queue, request: Request) -> _Field:
    encoded: list[bytes] = [entry["message"] for entry in request.fields["messages"]]
    if any(len(data) > hub.limits.message_bytes for data in encoded):
        raise ServiceError(SIZE_EXCEEDED, f"The limit is {hub.limits.message_bytes} bytes.")
    numbers = hub.broker.submit(queue, [message.parse(data) for data in encoded], hub.now_ms())
    return "sequence-numbers", codec.array_of([codec.int64(number) for number in numbers])


def _cancel_scheduled_message(_hub: Hub, queue: Queue, request: Request) -> _Field:
    numbers: list[int] = request.fields["sequence-numbers"]
    queue.cancel_scheduled(numbers)
    return "sequence-numbers", codec.array_of([codec.int64(number) for number in numbers])


_OPERATIONS: dict[str, Callable[[Hub, Queue, Request], _Field | None]] = {
    "com.microsoft:renew-lock": _renew_lock,
    "com.microsoft:update-disposition": _update_disposition,
    "com.microsoft:receive-by-sequence-number": _receive_by_sequence_number,
    "com.microsoft:peek-message": _peek_message,
    "com.microsoft:schedule-message": _schedule_message,
    "com.microsoft:cancel-scheduled-message": _cancel_scheduled_message,
}

#: What the real service answers besides.
_FEATURES = {
    "com.microsoft:renew-session-lock": Feature.SESSIONS,
    "com.microsoft:get-session-state": Feature.SESSIONS,
    "com.microsoft:set-session-state": Feature.SESSIONS,
    "com.microsoft:get-message-sessions": Feature.SESSIONS,
    "com.microsoft:add-rule": Feature.RULES,
    "com.microsoft:remove-rule": Feature.RULES,
    "com.microsoft:enumerate-rules": Feature.RULES,
}
