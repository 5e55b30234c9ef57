"""A Service Bus emulator: the unmodified azure-servicebus SDK talks to it over AMQP on loopback.

codec, frames          AMQP 1.0 types, performatives and frames; no I/O
message, rendering     a message as sent and as received, its sections kept as raw bytes
entities               queues, topics and subscriptions from JSON
queues, broker         PURE: what Service Bus does with messages; the clock is an argument
store                  the journal in SQLite
hub                    what connections share, and the order of a turn: deliver, commit, answer
session, links         AMQP sessions and links; requests, management and cbs are the nodes behind some links
connection, server     sockets; emulator runs a server in a thread, __main__ in a process

Not here: message sessions, rules of subscriptions, transactions, TLS and WebSockets.
"""
