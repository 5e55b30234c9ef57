"""Adapters that call nothing outside the process, so that the work of the real ones costs nothing."""

from datetime import datetime

from dev.fakes.accounts import funded
from shared.core.keys import Key
from shared.core.lifecycle.generation import AnyGeneration, Transition
from shared.core.money.account import Account
from shared.core.safety.moderation import Assessment, Category
from shared.ports import Conflict, Loaded, OpenRow

_CREDITS = 1_000_000
_SAFE = Assessment(dict.fromkeys(Category, 0))


class MemoryStore:
    """Generations in a dictionary; every account has enough credits."""

    def __init__(self) -> None:
        self._generations: dict[Key, tuple[AnyGeneration, str]] = {}
        self._accounts: dict[str, Account] = {}
        self._written = 0

    async def load(self, key: Key) -> Loaded:
        """Return the generation of this key, and an account with enough credits."""
        generation, etag = self._generations.get(key, (None, ""))
        account = self._accounts.get(key.user_id)
        rich = funded(key.user_id, _CREDITS)
        return Loaded(account=account or rich, account_etag="1", generation=generation, generation_etag=etag)

    async def commit(self, loaded: Loaded, transition: Transition[AnyGeneration]) -> Loaded:
        """Keep the generation, unless it has changed since it was loaded. Nothing else is checked."""
        generation = transition.generation
        if self._generations.get(generation.key, (None, ""))[1] != loaded.generation_etag:
            raise Conflict
        self._written += 1
        self._generations[generation.key] = generation, str(self._written)
        if transition.account is not None:
            self._accounts[generation.key.user_id] = transition.account
        return await self.load(generation.key)


class MemoryIndex:
    """The open rows in a dictionary."""

    def __init__(self) -> None:
        self._rows: dict[Key, OpenRow] = {}

    async def put(self, row: OpenRow) -> None:
        """Keep the row."""
        self._rows[row.key] = row

    async def get(self, key: Key) -> OpenRow | None:
        """Return the row."""
        return self._rows.get(key)

    async def remove(self, key: Key) -> None:
        """Drop the row."""
        self._rows.pop(key, None)

    async def move(self, key: Key, due_at: datetime, expires_at: datetime | None = None) -> None:
        """Do nothing: nothing reads the time of a row here."""


class TrustingScreener:
    """Finds nothing in any text or image."""

    async def text(self, text: str, plan: str = "") -> Assessment:  # noqa: ARG002 - the port's
        """Allow the text."""
        return _SAFE

    async def image(self, image: bytes, plan: str = "") -> Assessment:  # noqa: ARG002 - the port's
        """Allow the image."""
        return _SAFE
