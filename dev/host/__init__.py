"""The local stand-in for the Azure Functions host: runs `function_app.py` as the host and its Python worker would.

settings     host.json and local.settings.json
index        which functions exist, and what the real host would refuse
invocation   one call of one function: arguments, time-out, log
receiver     queue triggers, with the real azure-servicebus client
web          HTTP triggers, on a real server
timer        timer triggers
logs         the log of the functions and the host, as text or as JSON lines
__main__     puts them together: `python -m dev.host --settings FILE`

It contains no rule of the business. What it does not support, it refuses at the start by name: batches, Service Bus
sessions, topics as triggers, managed identity, any input or output binding except the answer to HTTP. It differs from
Azure in these points:
- It ignores authorization levels: every function can be called without a key.
- It reads a message whose body is an AMQP value or a sequence (JMS, Qpid, some shovels) as far as it can. In Azure such
  a body cannot be bound to bytes, and the call fails before the function is reached (docs/operations.md).
- A message body never overwrites the message's metadata, as it would on Azure if a trigger is not BINARY.
- A timer keeps no schedule between runs: nothing is ever past due.
- Nothing scales: one instance exists, and all functions share it.
"""
