"""Ports of the local stack: the usual ones for a person, free ones for a test.

Rules of this file:
1. If a usual port is taken, a free one replaces it.
2. A port that is chosen before its process starts is not in the range of outgoing connections: one of these could
   take it meanwhile.
3. HOST_PORT is never replaced, because a tunnel points to it. If it is taken, the start fails with one sentence.
"""

import os
import random
import socket

from dev.process import StartError

#: Below what Linux (from 32,768), macOS and Windows (from 49,152) give to outgoing connections.
_CHOSEN = range(20_000, 32_000)

HOST, AZURITE, SERVICE_BUS, REPLICATE, CONTENT_SAFETY = 7071, (10000, 10001, 10002), 5672, 8001, 8002


def free_or(usual: int) -> int:
    """The usual port, or 0 (any free one) if something listens on it."""
    return usual if _is_free(usual) else 0


def of_host(usual: int = 0) -> int:
    """The port of the host: HOST_PORT (a tunnel points to it), else the usual port, else a free one.

    It is chosen before the host starts, because the webhooks' address contains it.
    """
    chosen = os.environ.get("HOST_PORT", "")
    if chosen:
        if not (chosen.isascii() and chosen.isdigit() and 0 < int(chosen[:6]) < 65536):
            raise StartError("HOST_PORT must be the number of a port, from 1 to 65535, such as 7071.")
        if not _is_free(int(chosen)):
            raise StartError(f"HOST_PORT={chosen} is in use: end what listens there, or choose another port.")
        return int(chosen)
    if usual and _is_free(usual):
        return usual
    return next(port for port in iter(lambda: random.choice(_CHOSEN), 0) if _is_free(port))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port in TIME_WAIT counts as free
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
