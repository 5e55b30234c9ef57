"""A Service Bus broker on loopback: the unmodified Azure SDKs talk AMQP to it.

codec, frames              AMQP 1.0 types, performatives and frames; no I/O
foreign                    the first bytes of clients that do not speak AMQP, and their answers; no I/O
message, rendering         a message as sent and as received, its sections kept as raw bytes
outcomes                   what a receiver says when it settles a message
entities                   queues, topics and subscriptions from JSON
queues, memory,            PURE: what Service Bus does with messages; the clock is an argument
deadlines, broker
store                      the journal in SQLite
hub                        what connections share, and the order of a turn: deliver, commit, answer
session, links             AMQP sessions and links; requests, management and cbs are the nodes behind some links
unsupported                what is refused by its name
connection, server         sockets; emulator runs a server in a thread, __main__ in a process

Nothing outside the standard library is imported. README.md has the table of what is spoken and what is not.
"""

from servicebus_emulator.emulator import Emulator
from servicebus_emulator.errors import ServiceError
from servicebus_emulator.memory import State

__all__ = ["Emulator", "ServiceError", "State"]
