"""The own term list as a screener: no neighbour, no cost."""

import asyncio

from shared.core.safety.moderation import Verdict
from shared.core.safety.terms import TermList

#: From this length on looking takes more than a few milliseconds, which others on the loop should not wait for.
_LONG_CHARACTERS = 5_000


class OwnTerms:
    """Looks a text up in the list."""

    def __init__(self, terms: TermList) -> None:
        self._terms = terms

    async def text(self, text: str) -> Verdict:
        """What of the list stands in a text of any length."""
        if len(text) < _LONG_CHARACTERS:
            return self._terms.look(text)
        return await asyncio.to_thread(self._terms.look, text)
