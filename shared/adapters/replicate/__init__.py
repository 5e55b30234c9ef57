"""Replicate, over its HTTP API. It does not use Replicate's SDK, and decides itself which calls may be repeated.

port.py         Replicate: implements ports.Provider, which is what the message handler needs
creating.py     the body of a create, and what each answer to it means
downloads.py    fetches outputs: without the token, from Replicate's own hosts only, within bounds
wire.py         reads a prediction of Replicate's JSON into the app's own type
reading.py      reads fields of Replicate's JSON leniently
failures.py     classifies the error texts of failed predictions
metrics.py      reads Replicate's metrics as counts of what a price is for
denials.py      decides whether a refusal is about the model or about our account
running.py      runs a small model and waits for it, for the secondary screener
drift.py        compares the catalogue with Replicate as it is now
resilience/     ports.Provider once more, with a pace and circuit breakers: what the app uses
  guarded.py    ResilientProvider: the pace, and a circuit breaker for creates and one for reads
  circuit.py    CircuitBreaker: one kind of call, and whether it may be made now
  hosts.py      a circuit breaker for each host of outputs
  listing.py    one read of the list of predictions, shared by all that search in it
sdk/            a client library for the whole HTTP API; its docstring is its page

Importing this package imports no module of it. The webhook reads predictions (wire.py) and needs no HTTP client.
"""
