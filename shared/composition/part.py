"""The base of every part of the container: the settings, and the clients to close."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any

from shared.config.data_files import Texts
from shared.config.settings import Settings

#: Asks a dependency for something small. It succeeds only if the network, the login and the entity are right.
Ping = Callable[[], Awaitable[Any]]

#: Libraries that log every request at INFO, some with a signed URL in it.
_CHATTY = ("azure", "httpx", "httpcore", "aiohttp", "PIL")


class Part:
    """A part of the container. It does not read a changed setting again."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._closing = AsyncExitStack()
        self._texts: Texts | None = None
        logging.getLogger("darkroom").setLevel(settings.log_level)
        for name in _CHATTY:
            logging.getLogger(name).setLevel(logging.WARNING)

    async def close(self) -> None:
        """Close every client that was opened. Only tools and tests do so, as the Functions worker has no end."""
        await self._closing.aclose()

    def pings(self) -> Mapping[str, Ping]:
        """The calls of the health check, by dependency.

        A ping makes its dependency itself, so that a setting which a library rejects fails only that ping.
        """
        return {}
