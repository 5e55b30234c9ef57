"""The connection to one account: its token, and what was learned while it lasts.

Rules of this file:
1. A connection begins when Replicate has accepted the token. A ``connect`` that fails leaves none.
2. ``disconnect`` forgets the token and all that was learned.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from shared.adapters.replicate.sdk.api import ReplicateApi
from shared.adapters.replicate.sdk.api.naming import seconds
from shared.adapters.replicate.sdk.errors import (
    AuthenticationError,
    NotConnectedError,
    ReplicateError,
    TimedOutError,
)
from shared.adapters.replicate.sdk.http import Timeouts
from shared.adapters.replicate.sdk.token import FixedToken
from shared.adapters.replicate.sdk.types import Account

API_URL = "https://api.replicate.com/v1"

#: How many seconds a verb of this file may take by default.
_CHECK_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Whether Replicate answers this token, how fast, and what is wrong if it does not."""

    healthy: bool
    latency_ms: int
    problem: str = ""


@dataclass(slots=True)
class Learned:
    """What a connection has learned: until ``disconnect``, and no longer than the entry itself says."""

    #: The hardware of the models that were created here, by owner/name.
    hardware: dict[str, str] = field(default_factory=dict)
    #: What a name runs, by owner/name, and until when that is believed (targets.py).
    targets: dict[str, Any] = field(default_factory=dict)
    #: The config of the versions that were asked for here, by the training's id.
    configs: dict[str, Mapping[str, Any]] = field(default_factory=dict)


class Session:
    """The connection. Every verb gets its API from ``connected``, which raises NotConnectedError if there is none."""

    def __init__(
        self,
        credentials: Mapping[str, str] | None = None,
        *,
        api: ReplicateApi | None = None,
        api_url: str = API_URL,
        timeouts: Timeouts | None = None,
    ) -> None:
        """A connector that is not connected yet.

        Args:
            credentials: what ``connect`` takes if it is called without any: ``{"api_token": "r8_..."}``.
            api: an API whose token and connections are used instead; ``disconnect`` leaves these open.
            api_url: where Replicate's API is.
            timeouts: those of the connections.
        """
        self._credentials = credentials
        self._given = api
        self._api_url = api_url
        self._timeouts = timeouts
        self._api: ReplicateApi | None = None
        self._account: Account | None = None
        self._learned = Learned()

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.disconnect()

    @staticmethod
    def get_required_credentials() -> list[str]:
        """The names of the credentials that ``connect`` needs."""
        return ["api_token"]

    async def connect(self, credentials: Mapping[str, str] | None = None, *, timeout: float = _CHECK_S) -> bool:
        """Connect to the account of a token: check the token's form, then ask Replicate whose it is. Returns True.

        Raises:
            AuthenticationError: ``api_token`` is missing, has not the form of a token, or is refused.
            TransientError: Replicate is not reached.
            TimedOutError: it did not answer in time.
        """
        bound_s = seconds("connect", timeout, field="timeout")
        api = self._given if credentials is None and self._given is not None else self._api_of(credentials)
        await self.disconnect()
        try:
            async with asyncio.timeout(bound_s):
                account = await api.owner.get()
        except ReplicateError:
            await self._close(api)
            raise
        except TimeoutError:
            await self._close(api)
            raise TimedOutError("connect", f"no answer within {bound_s:g} s", advice="Nothing was changed.") from None
        self._credentials = credentials or self._credentials
        self._api, self._account = api, account
        return True

    async def verify_connection(self, *, timeout: float = _CHECK_S) -> bool:
        """Whether there is a connection, and Replicate accepts its token now. ``health_check`` says why not."""
        return self._api is not None and (await self.health_check(timeout=timeout)).healthy

    async def health_check(self, *, timeout: float = 10) -> Health:
        """One small read, timed. Raises a ReplicateError only for a malformed ``timeout``."""
        bound_s = seconds("account.get", timeout, field="timeout")
        began, problem = time.monotonic(), ""
        try:
            async with asyncio.timeout(bound_s):
                await self.connected("health_check").owner.get()
        except ReplicateError as trouble:
            problem = str(trouble)
        except TimeoutError:
            problem = f"account.get: no answer within {bound_s:g} s"
        return Health(healthy=not problem, latency_ms=ms_since(began), problem=problem)

    async def disconnect(self) -> bool:
        """Close the connections, and forget the token and what was learned. Returns True, also if there was none."""
        api, self._api, self._account = self._api, None, None
        self._learned = Learned()
        if api is not None:
            self._credentials = None
            await self._close(api)
        return True

    def connected(self, verb: str) -> ReplicateApi:
        """The API. NotConnectedError if ``connect`` was not called, or ``disconnect`` was since."""
        if self._api is None:
            raise NotConnectedError(verb)
        return self._api

    def username(self, verb: str) -> str:
        """The account's name. NotConnectedError as ``connected``."""
        if self._account is None:
            raise NotConnectedError(verb)
        return self._account.username

    def _api_of(self, credentials: Mapping[str, str] | None) -> ReplicateApi:
        token = (credentials or self._credentials or {}).get("api_token")
        if not token:
            raise AuthenticationError(
                "connect",
                "api_token is required",
                advice='Call connect({"api_token": "r8_..."}); make a token at replicate.com/account/api-tokens.',
            )
        return ReplicateApi.at(FixedToken(token), api_url=self._api_url, timeouts=self._timeouts)

    async def _close(self, api: ReplicateApi) -> None:
        if api is not self._given:
            await api.close()


def ms_since(began: float) -> int:
    """The milliseconds since a time of ``time.monotonic``."""
    return round((time.monotonic() - began) * 1000)
