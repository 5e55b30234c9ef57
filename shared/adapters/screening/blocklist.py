"""The own term list as a screener: no dependency, no cost."""

import asyncio

from shared.core.safety.blocklist import Blocklist
from shared.core.safety.moderation import Assessment

#: From this length on looking takes more than a few milliseconds, which others on the loop should not wait for.
_LONG_CHARACTERS = 5_000


class BlocklistScreener:
    """Looks a text up in the list."""

    def __init__(self, terms: Blocklist) -> None:
        self._terms = terms

    async def text(self, text: str) -> Assessment:
        """What of the list stands in a text of any length."""
        if len(text) < _LONG_CHARACTERS:
            return self._terms.look(text)
        return await asyncio.to_thread(self._terms.look, text)
