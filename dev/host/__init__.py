"""The local stand-in for the Azure Functions host: runs `function_app.py` as the host and its Python worker would.

settings     host.json and local.settings.json
index        which functions there are, and what the real host would refuse
invocation   one call of one function: arguments, time-out, log
receiver     queue triggers, with the real azure-servicebus client
web          HTTP triggers, on a real server
timer        timer triggers
logs         what the functions and the host log, as text or as JSON lines
__main__     puts them together: `python -m dev.host --settings FILE`

No business is in it. What it leaves out, it refuses at the start by name: batches, Service Bus sessions and topics as
triggers, managed identity, any input or output binding except the answer to HTTP. It differs from Azure in these:
- authorization levels are ignored: every function can be called without a key;
- a message whose body is an AMQP value or a sequence (JMS, Qpid, some shovels) is read here as far as it can be; in
  Azure it cannot be bound to bytes, and the call fails before the function is reached (docs/operations.md);
- a message body never overwrites the message's metadata, as it would on Azure where a trigger is not BINARY;
- a timer keeps no schedule between runs: nothing is ever past due;
- nothing scales: there is one instance, and all functions share it.
"""
