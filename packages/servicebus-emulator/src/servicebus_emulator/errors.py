"""The one error of the emulator, and the AMQP conditions it carries.

The azure-servicebus SDK chooses its exception and whether to try again by the condition alone.
"""

NOT_FOUND = "amqp:not-found"
NOT_ALLOWED = "amqp:not-allowed"
NOT_IMPLEMENTED = "amqp:not-implemented"
DECODE_ERROR = "amqp:decode-error"
INTERNAL_ERROR = "amqp:internal-error"
SIZE_EXCEEDED = "amqp:link:message-size-exceeded"
DETACH_FORCED = "amqp:link:detach-forced"
LOCK_LOST = "com.microsoft:message-lock-lost"
MESSAGE_NOT_FOUND = "com.microsoft:message-not-found"
ARGUMENT_ERROR = "com.microsoft:argument-error"


class ServiceError(Exception):
    """A request that is refused: an AMQP error condition, and a text for people."""

    def __init__(self, condition: str, description: str) -> None:
        super().__init__(f"{condition}: {description}")
        self.condition = condition
        self.description = description


def lock_lost() -> ServiceError:
    """The lock expired, or the message was settled before."""
    return ServiceError(LOCK_LOST, "The lock supplied is invalid: it expired, or the message was settled.")
