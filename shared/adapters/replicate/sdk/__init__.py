"""A client library for the whole of Replicate's HTTP API (replicate.com/docs/reference/http).

    from shared.adapters.replicate.sdk.connector import ReplicateConnector

    async with ReplicateConnector({"api_token": token}) as replicate:
        answer = await replicate.inference("meta/meta-llama-3-8b-instruct", "Hello", timeout=60)
        print(answer["text"], answer["latency_ms"])

What it offers:

- All 37 operations of Replicate's OpenAPI document, as methods of ``ReplicateApi``: ``api.models.get("owner/name")``.
- The verbs of an app or a script, in ``ReplicateConnector``: run a model and wait, train, deploy, upload, usage.
- Repeats where they do no harm. A read or a cancel is repeated after a transient error; a write never is, because
  Replicate has no idempotency key. A write whose answer is lost raises OutcomeUnknownError.
- Errors as one small tree (errors.py). Each is one of Python's own too, and says what to do. No text of an error
  holds a token, an input or an address.
- Streams of a model's output (streaming.py), which reconnect and leave nothing out.
- Bounds on everything: time, connections, sizes.

api/            ReplicateApi: the operations as methods, one module per resource
connector/      ReplicateConnector: the verbs, one module per subject
types.py        what Replicate answers, as frozen types
errors.py       the exceptions
operations.py   the table of operations: method, path, and what sending one twice would do
statuses.py     the table of statuses: what each means, for a create and for every other operation
retrying.py     the table of what is repeated, and when
calling.py      Caller: sends an operation, and turns its answer into a value or an exception
answers.py      reads what a refusal says: its fields, its waits
http.py         the connections, and which errors prove that nothing was sent
addresses.py    which addresses of outputs are Replicate's
token.py        where the API token comes from
waiting.py      Replicate's bounds of a wait, and the one loop that reads until a prediction or a training has ended
streaming.py    a prediction's output as it is written; sse.py decodes server-sent events
hardware.py     memory and prices of Replicate's machines

Outside this folder it uses ``wire.py`` and ``reading.py`` beside it, ``shared.core``, ``shared.ports`` and the TLS
context of ``shared.adapters.net``. docs/replicate.md lists every operation with its method.
"""
