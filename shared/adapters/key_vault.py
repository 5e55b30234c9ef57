"""Secrets that may change while the app runs: cached, fetched once at a time, and accepted for a while after a change.

Rules of this file:
1. Nobody waits for a secret that is known: for an hour it is served from memory, and while its source is down also
   after that. Key Vault throttles per vault, so it is never asked per message.
2. One fetch is in flight at most; whoever comes meanwhile shares its answer, also a bad one.
3. A forced refresh (Replicate said 401, a signature did not match) is done at once, but a stranger who sends bad
   signatures must not make us ask more than once a minute.
4. No log and no error text holds a value.
"""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared.core.dependency import Dependency
from shared.core.provider.pasted_secrets import NoSecretError, token
from shared.ports import Unavailable

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.keyvault.secrets.aio import SecretClient

_log = logging.getLogger("darkroom.secrets")

Source = Callable[[], Awaitable[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """How long, in seconds: a value is fresh; the one before is accepted; between two tries to fetch it anew."""

    fresh_s: float = 3600
    overlap_s: float = 3600
    pause_s: float = 60


class CachedSecret:
    """One secret. ``source`` fetches it and raises Unavailable when it cannot; ``clock`` counts seconds, only forwards.

    ``name`` is for logs and error texts. ``read`` makes of what was fetched what can be used
    (core/provider/pasted_secrets.py): what cannot be is as good as not fetched.
    """

    def __init__(
        self,
        name: str,
        source: Source,
        *,
        read: Callable[[str], str] = token,
        keeping: Keeping | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._source = source
        self._read = read
        self._keeping = keeping or Keeping()
        self._clock = clock
        self._lock = asyncio.Lock()
        self._value: str | None = None
        self._trouble: Unavailable | None = None
        self._fetches = 0
        self._fresh_until = -math.inf
        self._rest_until = -math.inf  # after a fetch that failed
        self._next_refresh = -math.inf
        self._previous: list[tuple[str, float]] = []

    async def value(self) -> str:
        """The secret; from memory while it is fresh, or while its source is down.

        Raises:
            Unavailable: it was never fetched, and cannot be now.
        """
        if self._value is not None:
            resting = self._clock() < max(self._fresh_until, self._rest_until)
            if resting or self._lock.locked():
                return self._value
        return await self._fetched()

    async def refresh(self) -> str:
        """The secret, fetched anew unless a refresh was asked for within the pause."""
        now = self._clock()
        if self._value is not None and now < self._next_refresh and not self._lock.locked():
            return self._value
        self._next_refresh = now + self._keeping.pause_s
        return await self._fetched()

    async def accepted(self) -> list[str]:
        """The secret, and after it those that it replaced within the overlap."""
        current = await self.value()
        now = self._clock()
        return [current, *(value for value, until in self._previous if now < until and value != current)]

    async def _fetched(self) -> str:
        """Fetch, or share the fetch that another has under way; the old value where it fails."""
        before = self._fetches
        async with self._lock:
            if self._fetches == before:
                await self._fetch()
        if self._value is None:
            raise Unavailable(*self._why())
        return self._value

    async def _fetch(self) -> None:
        try:
            fetched = self._usable(await self._source())
        except Unavailable as trouble:
            self._trouble = trouble
            self._rest_until = self._clock() + self._keeping.pause_s
            if self._value is not None:
                _log.warning("%s could not be fetched, the old value serves: %s", self._name, trouble)
        else:
            self._trouble = None
            self._take(fetched)
        self._fetches += 1

    def _usable(self, fetched: str) -> str:
        try:
            found = self._read(fetched)
        except NoSecretError as error:
            raise Unavailable(Dependency.SECRETS, f"what is kept as the {self._name} is none: {error}") from None
        if not found:
            raise Unavailable(Dependency.SECRETS, f"what is kept as the {self._name} is empty")
        return found

    def _take(self, fetched: str) -> None:
        now = self._clock()
        self._fresh_until = now + self._keeping.fresh_s
        if fetched == self._value:
            return
        self._previous = [(value, until) for value, until in self._previous if now < until]
        if self._value is not None:
            _log.info("%s has changed", self._name)
            self._previous.insert(0, (self._value, now + self._keeping.overlap_s))
        self._value = fetched

    def _why(self) -> tuple[Dependency, str, float | None]:
        if self._trouble is None:
            return Dependency.SECRETS, f"the {self._name} was never fetched", None
        return self._trouble.dependency, self._trouble.why, self._trouble.retry_after_s


def environment_source(value: str) -> Source:
    """The secret as it stands in the environment; it changes with a restart only."""

    async def source() -> str:
        return value

    return source


class VaultSource:
    """The newest enabled version of a secret in Azure Key Vault, as a source. The SDK is imported at the first fetch.

    Args:
        vault_url: such as ``https://example.vault.azure.net``.
        name: the secret's name.
        credential: what the SDK takes; needs the role Key Vault Secrets User.
        client_options: handed to the SDK's client, beside the short time-outs.
    """

    def __init__(self, vault_url: str, name: str, credential: "AsyncTokenCredential", **client_options: Any) -> None:
        self._vault_url = vault_url
        self._name = name
        self._credential = credential
        self._options = {**_SHORT, **client_options}
        self._client: SecretClient | None = None

    async def __call__(self) -> str:
        """Fetch it.

        Raises:
            Unavailable: the vault does not answer, or not with this secret.
        """
        from azure.core.exceptions import AzureError, HttpResponseError  # noqa: PLC0415  # slow to import, seldom used

        self._client = self._client or self._made()
        try:
            async with asyncio.timeout(_FETCH_S):
                secret = await self._client.get_secret(self._name)
        except HttpResponseError as error:
            raise Unavailable(
                Dependency.KEY_VAULT, f"asked for {self._name}, it answered {error.status_code}"
            ) from None
        except (AzureError, TimeoutError) as error:
            raise Unavailable(Dependency.KEY_VAULT, f"asked for {self._name}: {type(error).__name__}") from None
        return secret.value or ""

    async def close(self) -> None:
        """Close the connection; the next fetch opens a new one."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def _made(self) -> "SecretClient":
        from azure.keyvault.secrets.aio import SecretClient  # noqa: PLC0415  # 140 ms that only this path pays

        return SecretClient(self._vault_url, self._credential, **self._options)


#: One fetch with its retries, in seconds: well below the time-outs of the doors.
_FETCH_S = 10.0

_SHORT = {"retry_total": 2, "retry_backoff_factor": 0.3, "connection_timeout": 3, "read_timeout": 5}
