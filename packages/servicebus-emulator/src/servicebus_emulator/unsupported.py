"""What Service Bus has and this emulator has not: each feature is refused by its name.

Rules of this file:
1. A refusal names the feature, says where it was asked for and what to do instead: the reader of the client's error
   has not read the README.
2. A refusal is one line of the log: the client may hide its error, or try again in silence.
3. The condition is amqp:not-implemented: the SDKs do not repeat a request that is refused with it.
"""

import logging
from enum import StrEnum

from servicebus_emulator.errors import NOT_IMPLEMENTED, ServiceError

_LOG = logging.getLogger(__name__)

_SHOWN_CHARACTERS = 100  # of what a client wrote: an address or a name may be as long as a frame


class Feature(StrEnum):
    """The features, by the names that README.md and the errors have."""

    SESSIONS = "message sessions"
    TRANSACTIONS = "transactions"
    RULES = "rules of subscriptions"
    WEBSOCKETS = "AMQP over WebSockets"
    MANAGEMENT_API = "the management REST API"
    TLS = "TLS"


_INSTEAD = {
    Feature.SESSIONS: "Receive without a session id: a session id is delivered like any other property.",
    Feature.TRANSACTIONS: "Send and settle without a transaction.",
    Feature.RULES: "Every subscription gets every message of its topic.",
    Feature.WEBSOCKETS: "Use the transport AMQP over TCP, which is the default.",
    Feature.MANAGEMENT_API: "Name the queues and topics when the emulator starts, or call Emulator.add.",
    Feature.TLS: (
        "Connect with the connection string that the emulator prints: UseDevelopmentEmulator=true means plain TCP. "
        "An administration client always begins with TLS; the management REST API is not supported either."
    ),
}


def text_of(feature: Feature, where: str) -> str:
    """The refusal in words; `where` is the entity, operation or path as the client wrote it."""
    return f"This emulator does not support {feature} (asked for: {shown(where)}). {_INSTEAD[feature]}"


def refuse(feature: Feature, where: str) -> ServiceError:
    """The error to raise, after it was logged."""
    error = ServiceError(NOT_IMPLEMENTED, text_of(feature, where))
    _LOG.warning("Refused: %s", error.description)
    return error


def refuse_operation(operation: str) -> ServiceError:
    """The error for a request to $management that no feature above has a name for."""
    text = f"This emulator does not support the operation {shown(operation)} of $management."
    _LOG.warning("Refused: %s", text)
    return ServiceError(NOT_IMPLEMENTED, text)


def shown(text: str) -> str:
    """What a client wrote, quoted, on one line, and cut."""
    return repr(text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "...")
