"""What every part of the container stands on: the settings, and what is to be closed."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any

from shared.config.data_files import Texts
from shared.config.settings import Settings

#: Asks a dependency for something small that needs the network, the login and the entity to be right.
Ping = Callable[[], Awaitable[Any]]

#: Libraries that log every request at INFO, some with a signed URL in it.
_CHATTY = ("azure", "httpx", "httpcore", "aiohttp", "PIL")


class Part:
    """A part of the container. ``settings`` are read once."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._closing = AsyncExitStack()
        self._texts: Texts | None = None
        logging.getLogger("darkroom").setLevel(settings.log_level)
        for name in _CHATTY:
            logging.getLogger(name).setLevel(logging.WARNING)

    async def close(self) -> None:
        """Close every client that was opened. Only tools and tests come to an end."""
        await self._closing.aclose()

    def pings(self) -> Mapping[str, Ping]:
        """What health asks, by dependency.

        Each dependency is made within its ping: a setting that a library does not take is its trouble alone.
        """
        return {}
