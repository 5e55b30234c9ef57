"""The blocklist as a screener. It calls no dependency and costs nothing."""

import asyncio

from shared.core.safety.blocklist import Blocklist
from shared.core.safety.moderation import Assessment

#: From this length on a look-up takes more than a few milliseconds, so it runs on a thread, beside the event loop.
_LONG_CHARACTERS = 5_000


class BlocklistScreener:
    """A screener of texts that looks for the terms of the blocklist."""

    def __init__(self, terms: Blocklist) -> None:
        self._terms = terms

    async def text(self, text: str) -> Assessment:
        """Assess a text of any length by the terms found in it."""
        if len(text) < _LONG_CHARACTERS:
            return self._terms.look(text)
        return await asyncio.to_thread(self._terms.look, text)
