"""The API token: where it comes from, and the check of its form.

Rules of this file:
1. No text shows the token or a part of it.
2. The token is checked at first use and not at start, so that an app with a bad token still answers its health check.
"""

from typing import Protocol

from shared.core.dependency import Dependency
from shared.ports import Unavailable

#: The wait in seconds after a mistake in the configuration: people must correct it, so trying sooner does not help.
_MENDING_S = 60.0


class SecretSource(Protocol):
    """A secret that may change while the app runs."""

    async def value(self) -> str:
        """The secret as it is known now. Unavailable if it could never be read."""

    async def refresh(self) -> str:
        """The secret, fetched again unless it was fetched just now."""


class FixedToken:
    """A SecretSource of one token that never changes."""

    def __init__(self, token: str) -> None:
        self._token = token

    async def value(self) -> str:
        """The token."""
        return self._token

    async def refresh(self) -> str:
        """The same token: there is no other."""
        return self._token


class ConfigurationError(Unavailable):
    """The token cannot be a Replicate token. The text says what is wrong with it and what it should look like."""

    def __init__(self, problem: str) -> None:
        super().__init__(Dependency.REPLICATE, problem, retry_after_s=_MENDING_S)


def checked(token: str) -> str:
    """The token, if it has the form of a Replicate token.

    Raises:
        ConfigurationError: it is missing, has a blank or a line end in it, or does not start with ``r8_``.
    """
    if not token:
        raise ConfigurationError("the API token is not set; make one at replicate.com/account/api-tokens")
    if token != "".join(token.split()) or not token.isascii() or not token.isprintable():
        raise ConfigurationError("the API token has a blank, a line end or another stray character in it")
    if not token.startswith("r8_"):
        raise ConfigurationError('the API token does not start with "r8_", so it is not one of Replicate')
    return token
