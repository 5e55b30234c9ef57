"""Replicate over its HTTP API, without its SDK and with an own policy of what may be tried again.

client.py       Replicate: the port, what the corridor needs
creating.py     the one POST that is never repeated blindly, and the reading of its answers
downloads.py    outputs: without the token, from Replicate's own hosts only, bounded
api/            ReplicateApi: the whole of the HTTP API, a module per resource
connector.py    ReplicateConnector: the API in the few verbs that an app needs
streaming.py    a prediction's output as the model writes it; sse.py decodes it
running.py      a small model run and waited for: a second opinion on a text
drift.py        the catalogue held against Replicate as it is now
calling.py      the one path of every operation; operations.py lists them, retrying.py says what is tried again
errors.py       what can go wrong, as one tree
types.py        what the API answers, in types of our own; reading.py reads leniently
hardware.py     memory and prices of the machines
http.py         the pools of connections, the proxies, and which errors prove that nothing was sent
token.py        the API token, checked before it is used
guarded.py      the port again, at a pace and behind circuit breakers: what the corridor is given
watch.py        one breaker and what it is about; listing.py reads the list of predictions once for all who need it

Only the port is imported with the package: a function that starts cold has no use for the rest.
"""

from shared.adapters.replicate.port import Replicate
from shared.adapters.replicate.sdk.http import Timeouts
from shared.adapters.replicate.sdk.token import ConfigurationError, FixedToken, SecretSource

__all__ = [
    "ConfigurationError",
    "FixedToken",
    "Replicate",
    "SecretSource",
    "Timeouts",
]
