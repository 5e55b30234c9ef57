"""Replicate over its HTTP API, with plain httpx and an own policy of what may be tried again.

client.py     Replicate: the port; asking, cancelling, listing
creating.py   the one POST that is never repeated blindly, and the reading of its answers
downloads.py  outputs: without the token, from Replicate's own hosts only, bounded
http.py       the two pools of connections, the proxies, and which errors prove that nothing was sent
token.py      the API token, checked before it is used
"""

from shared.adapters.replicate.client import Replicate
from shared.adapters.replicate.http import Timeouts
from shared.adapters.replicate.token import ConfigurationError, SecretSource

__all__ = ["ConfigurationError", "Replicate", "SecretSource", "Timeouts"]
