"""Replicate over its HTTP API, without its SDK and with an own policy of what may be tried again.

port.py         Replicate: the port, what the worker needs
creating.py     the one POST that is never repeated blindly, and the reading of its answers
downloads.py    outputs: without the token, from Replicate's own hosts only, bounded
wire.py         a prediction of Replicate's, read into our own words; failures.py classifies its error texts, metrics.py
                counts what it has measured, reading.py reads leniently
denials.py      whose a refusal is: the model's, or our account's
resilience/     the port again, at a pace and behind circuit breakers: what the worker is given
running.py      a small model run and waited for: a second opinion on a text
drift.py        the catalogue held against Replicate as it is now
sdk/            the whole of the HTTP API, a library of its own

Nothing is imported with the package: a webhook reads a prediction (wire.py) and needs no HTTP client for it.
"""
