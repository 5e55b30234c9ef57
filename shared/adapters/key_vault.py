"""Secrets that may change while the app runs: cached, fetched by one caller at a time, with an overlap after a change.

Rules of this file:
1. A known secret is served from memory for an hour, and longer while its source is unavailable. Key Vault throttles per
   vault, so it is never called per message.
2. At most one fetch is in flight. Callers that arrive meanwhile share its result, even a failure.
3. A forced refresh (Replicate answered 401, a signature did not match) is done immediately, but at most once a minute:
   a stranger who sends bad signatures must not cause more fetches.
4. No log and no error text contains a secret's value.
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
    """Times in seconds.

    ``fresh_s``: a value is served without a fetch. ``overlap_s``: a replaced value is still accepted. ``pause_s``: at
    least this long between two forced refreshes, and after a failed fetch.
    """

    fresh_s: float = 3600
    overlap_s: float = 3600
    pause_s: float = 60


class CachedSecret:
    """One secret, cached. ``source`` fetches it, and raises Unavailable if it cannot.

    ``clock`` is monotonic, in seconds. ``name`` is for logs and error texts. ``read`` cleans the fetched text
    (core/provider/pasted_secrets.py). A text that it rejects counts as a failed fetch.
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
        self._rest_until = -math.inf  # no fetch before this time, after one has failed
        self._next_refresh = -math.inf
        self._previous: list[tuple[str, float]] = []

    async def value(self) -> str:
        """The secret, from memory while it is fresh or its source is unavailable; else fetched.

        Raises:
            Unavailable: it could not be fetched, now or before.
        """
        if self._value is not None:
            resting = self._clock() < max(self._fresh_until, self._rest_until)
            if resting or self._lock.locked():
                return self._value
        return await self._fetch_or_share()

    async def refresh(self) -> str:
        """The secret, fetched again unless the last forced refresh is less than ``pause_s`` old."""
        now = self._clock()
        if self._value is not None and now < self._next_refresh and not self._lock.locked():
            return self._value
        self._next_refresh = now + self._keeping.pause_s
        return await self._fetch_or_share()

    async def accepted(self) -> list[str]:
        """The secret, followed by the values that it replaced within ``overlap_s``, newest first."""
        current = await self.value()
        now = self._clock()
        return [current, *(value for value, until in self._previous if now < until and value != current)]

    async def _fetch_or_share(self) -> str:
        """Fetch, or wait for the fetch of another caller. Returns the old value if the fetch fails."""
        before = self._fetches
        async with self._lock:
            if self._fetches == before:
                await self._fetch()
        if self._value is None:
            raise Unavailable(*self._why())
        return self._value

    async def _fetch(self) -> None:
        try:
            fetched = self._clean(await self._source())
        except Unavailable as trouble:
            self._trouble = trouble
            self._rest_until = self._clock() + self._keeping.pause_s
            if self._value is not None:
                _log.warning("%s could not be fetched, the old value is used: %s", self._name, trouble)
        else:
            self._trouble = None
            self._take(fetched)
        self._fetches += 1

    def _clean(self, fetched: str) -> str:
        try:
            found = self._read(fetched)
        except NoSecretError as error:
            raise Unavailable(
                Dependency.SECRETS, f"the text stored as the {self._name} is not usable: {error}"
            ) from None
        if not found:
            raise Unavailable(Dependency.SECRETS, f"the text stored as the {self._name} is empty")
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
    """A source for a secret from an environment variable. It changes only when the app restarts."""

    async def source() -> str:
        return value

    return source


class VaultSource:
    """A source for a secret in Azure Key Vault: its newest enabled version. The SDK is imported at the first fetch.

    Args:
        vault_url: such as ``https://example.vault.azure.net``.
        name: the secret's name in the vault.
        credential: a credential of azure-identity. It needs the role Key Vault Secrets User.
        client_options: passed to the SDK's client; they override the short time-outs.
    """

    def __init__(self, vault_url: str, name: str, credential: "AsyncTokenCredential", **client_options: Any) -> None:
        self._vault_url = vault_url
        self._name = name
        self._credential = credential
        self._options = {**_SHORT, **client_options}
        self._client: SecretClient | None = None

    async def __call__(self) -> str:
        """Fetch the secret.

        Raises:
            Unavailable: the vault does not answer, or refuses, or has no such secret.
        """
        from azure.core.exceptions import AzureError, HttpResponseError  # noqa: PLC0415  # slow to import, seldom used

        self._client = self._client or self._make_client()
        try:
            async with asyncio.timeout(_FETCH_S):
                secret = await self._client.get_secret(self._name)
        except HttpResponseError as error:
            raise Unavailable(Dependency.KEY_VAULT, f"reading {self._name}, it answered {error.status_code}") from None
        except (AzureError, TimeoutError) as error:
            raise Unavailable(Dependency.KEY_VAULT, f"reading {self._name}: {type(error).__name__}") from None
        return secret.value or ""

    async def close(self) -> None:
        """Close the connection; the next fetch opens a new one."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def _make_client(self) -> "SecretClient":
        from azure.keyvault.secrets.aio import SecretClient  # noqa: PLC0415  # 140 ms that only this path pays

        return SecretClient(self._vault_url, self._credential, **self._options)


#: Limit of one fetch with its retries, in seconds: well below the time-outs of the triggers.
_FETCH_S = 10.0

_SHORT = {"retry_total": 2, "retry_backoff_factor": 0.3, "connection_timeout": 3, "read_timeout": 5}
