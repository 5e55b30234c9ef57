"""The protocol between the bench's host and its worker: frames on a TCP connection of the loopback.

A frame is a head (JSON) and a body (bytes, often empty), each after its length in 4 bytes. It replaces the gRPC
stream of the real host. It is cheap, and costs the same for every design.
"""

import asyncio
import json
import struct
from typing import Any

_LENGTHS = struct.Struct(">II")

Head = dict[str, Any]


def packed(head: Head, body: bytes = b"") -> bytes:
    """One frame as bytes."""
    encoded = json.dumps(head, separators=(",", ":")).encode()
    return b"".join((_LENGTHS.pack(len(encoded), len(body)), encoded, body))


async def read(reader: asyncio.StreamReader) -> tuple[Head, bytes] | None:
    """The next frame; None at the end of the connection."""
    try:
        head_bytes, body_bytes = _LENGTHS.unpack(await reader.readexactly(_LENGTHS.size))
        head: Head = json.loads(await reader.readexactly(head_bytes))
        return head, await reader.readexactly(body_bytes)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
