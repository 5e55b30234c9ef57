"""Replicate: its client, its secrets, and the provider with pace and circuit breaker."""

import random
import time
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from shared.composition.azure import AzurePart
from shared.composition.part import Ping
from shared.config.settings import WEBHOOK_PATH
from shared.triggers.health import Note

if TYPE_CHECKING:
    from shared.adapters.key_vault import CachedSecret, Source, VaultSource
    from shared.adapters.replicate.port import Replicate
    from shared.adapters.replicate.resilience.guarded import ResilientProvider
    from shared.adapters.replicate.status_page import StatusPage


class ReplicatePart(AzurePart):
    """Replicate's client, its secrets, and the provider of the message handler."""

    def pings(self) -> Mapping[str, Ping]:
        """Add the webhook secret and Replicate."""
        return {
            **super().pings(),
            "secrets": lambda: self.signing_secret.accepted(),  # noqa: PLW0108  # the secret is made when it is asked, not here
            "replicate": lambda: self.replicate.account(),  # noqa: PLW0108  # as above
            **({"replicate's status page": self._say_what_its_page_says} if self.settings.replicate_status_url else {}),
        }

    async def _say_what_its_page_says(self) -> str:
        """What Replicate's status page reports. It never fails: the page is a hint, and no dependency."""
        from shared.adapters.replicate.status_page import OPERATIONAL

        state = await self.status_page.read()
        return "" if state == OPERATIONAL else Note(state)

    @cached_property
    def status_page(self) -> "StatusPage":
        """Replicate's public status page."""
        from shared.adapters.replicate.sdk.http import Connections
        from shared.adapters.replicate.status_page import StatusPage

        connections = Connections("", 1)
        self._closing.push_async_callback(connections.close)
        return StatusPage(self.settings.replicate_status_url, connections.outputs)

    @cached_property
    def provider(self) -> "ResilientProvider":
        """Replicate for the message handler: with this instance's share of the limit and a circuit breaker."""
        from shared.adapters.replicate.resilience.guarded import ResilientProvider

        settings = self.settings
        limit = (settings.replicate_creates_per_minute, settings.instances)
        return ResilientProvider(self.replicate, *limit, now=time.monotonic, chance=random.random)

    @cached_property
    def replicate(self) -> "Replicate":
        """Replicate's client: one HTTP client, without pace or circuit breaker."""
        from shared.adapters.replicate.port import Replicate
        from shared.adapters.replicate.sdk.http import Timeouts

        settings = self.settings
        replicate = Replicate(
            connections=settings.replicate_connections,
            timeouts=Timeouts.of(settings.replicate_connect_timeout_s, settings.replicate_timeout_s),
            webhook_url=settings.public_url + WEBHOOK_PATH,
            token=self.token,
            signing_secret=self._current_signing_secret,
            api_url=settings.replicate_api_url,
            delivery_url=settings.replicate_delivery_url,
        )
        self._closing.push_async_callback(replicate.close)
        return replicate

    async def _current_signing_secret(self) -> str:
        return await self.signing_secret.value()

    @cached_property
    def token(self) -> "CachedSecret":
        """Replicate's API token: from the vault, or from the environment if no vault is set."""
        from shared.adapters.key_vault import CachedSecret, environment_source
        from shared.config.replicate_secrets import api_token

        settings = self.settings
        source: Source = environment_source(settings.replicate_api_token)
        if settings.key_vault_url:
            source = self._vault("replicate-api-token")
        return CachedSecret("replicate api token", source, read=api_token)

    @cached_property
    def signing_secret(self) -> "CachedSecret":
        """The webhook signing secret: from the vault, the environment, or Replicate itself, in this order."""
        from shared.adapters.key_vault import CachedSecret, environment_source
        from shared.config.replicate_secrets import signing_secret

        settings, name = self.settings, "replicate webhook secret"
        if settings.key_vault_url:
            source: Source = self._vault("replicate-webhook-secret")
        elif settings.replicate_webhook_secret:
            source = environment_source(settings.replicate_webhook_secret)
        else:
            source = self._secret_of_replicate
        return CachedSecret(name, source, read=signing_secret)

    async def _secret_of_replicate(self) -> str:
        return await self.replicate.signing_secret()

    def _vault(self, secret: str) -> "VaultSource":
        from shared.adapters.key_vault import VaultSource

        source = VaultSource(self.settings.key_vault_url, secret, self.credential)
        self._closing.push_async_callback(source.close)
        return source
