"""The triggers on fakes: a webhook trigger, and an app whose adapters are in memory.

Rules of this file:
1. Nothing here decides anything. Only shared/triggers and function_app.py say what a trigger does.
2. A delivery is one that Replicate would send: signed now, to the address of one attempt.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from dev.fakes.messenger import FakeMessenger
from dev.fakes.provider import SIGNING_SECRET, WEBHOOK_URL, FakeReplicate
from dev.fakes.screener import FakeScreener
from dev.fakes.telemetry import FakeTelemetry
from dev.fakes.world import World
from shared.adapters.replicate.wire import prediction_of
from shared.composition.app import App
from shared.config.settings import Settings
from shared.core.catalog.catalog import Catalog
from shared.core.dependency import Dependency
from shared.core.keys import Key
from shared.core.provider.guarantees import REPLICATE
from shared.core.provider.standard_webhooks import sign
from shared.core.provider.webhook import Callback, callback_url
from shared.core.requests.messages import GenerationRequest, PredictionEvent
from shared.ports import Unavailable
from shared.triggers.replicate_webhook import Answer, WebhookDependencies, receive

OLD_SECRET = "whsec_" + "b2xkIHNlY3JldCwgMjQgYnl0ZXMu"
OTHER_SECRET = "whsec_" + "b3RoZXIgc2VjcmV0LCAyNCBieXRl"
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
KEY = Key("ada", "one")

#: A webhook's body, with a prompt that no log record and no answer may contain.
PROMPT = "a kingfisher at dawn"
BODY = json.dumps(
    {
        "id": "abcdefghijklmnopqrstuvwxyz",
        "status": "succeeded",
        "input": {"prompt": PROMPT},
        "output": ["https://replicate.delivery/xezq/out-0.webp"],
    }
).encode()


class FakeSecrets:
    """The webhook's SigningSecrets in memory. ``rotated``: what the next refresh finds. ``down``: raise Unavailable."""

    def __init__(self, *accepted: str) -> None:
        self.known = list(accepted)
        self.rotated = ""
        self.down = False
        self.refreshes = 0

    async def accepted(self) -> list[str]:
        """The secrets, the current one first."""
        if self.down:
            raise Unavailable(Dependency.KEY_VAULT, "the test has taken it down")
        return list(self.known)

    async def refresh(self) -> str:
        """Read the secret again."""
        self.refreshes += 1
        if self.down:
            raise Unavailable(Dependency.KEY_VAULT, "the test has taken it down")
        if self.rotated:
            self.known.insert(0, self.rotated)
            self.rotated = ""
        return self.known[0]


@dataclass(frozen=True, slots=True)
class Delivery:
    """One webhook delivery, as the trigger gets it."""

    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes

    def with_headers(self, **changed: str) -> "Delivery":
        """The same with other headers; ``_`` in a name stands for ``-``, and an empty value removes the header."""
        headers = {**self.headers, **{name.replace("_", "-"): value for name, value in changed.items()}}
        return replace(self, headers={name: value for name, value in headers.items() if value})


def delivery(
    body: bytes = BODY,
    *,
    secret: str = SIGNING_SECRET,
    address_secret: str = "",
    webhook_id: str = "msg_1",
    age_s: int = 0,
) -> Delivery:
    """A delivery that the trigger must accept: for the first attempt of ``KEY``."""
    sent_at = int(NOW.timestamp()) - age_s
    headers = {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(sent_at),
        "webhook-signature": sign(secret, webhook_id, sent_at, body),
    }
    url = callback_url(WEBHOOK_URL, Callback(KEY, 1), address_secret or secret)
    return Delivery(headers, dict(parse_qsl(urlsplit(url).query)), body)


@dataclass
class FakeWebhook:
    """The webhook trigger on fakes, with the events that it enqueued."""

    secrets: FakeSecrets = field(default_factory=lambda: FakeSecrets(SIGNING_SECRET))
    messenger: FakeMessenger = field(default_factory=FakeMessenger)
    telemetry: FakeTelemetry = field(default_factory=FakeTelemetry)
    networks: tuple[str, ...] = ()

    @property
    def webhook_dependencies(self) -> WebhookDependencies:
        """What ``receive`` needs."""
        allowed = tuple(ip_network(network) for network in self.networks)
        return WebhookDependencies(self.secrets, self.messenger, self.telemetry, allowed, prediction_of, lambda: NOW)

    async def deliver(self, sent: Delivery) -> Answer:
        """Pass one delivery to the trigger."""
        return await receive(self.webhook_dependencies, headers=sent.headers, query=sent.query, body=sent.body)

    @property
    def queued(self) -> list[PredictionEvent]:
        """The events that were enqueued."""
        return [sent.message for sent in self.messenger.sent if isinstance(sent.message, PredictionEvent)]


#: Complete settings; no service listens at these addresses.
ENVIRONMENT = {
    "ServiceBus": "Endpoint=sb://127.0.0.1;SharedAccessKeyName=n;SharedAccessKey=k",
    "STORAGE_CONNECTION_STRING": "UseDevelopmentStorage=true",
    "REPLICATE_API_TOKEN": "r8_made_up",
    "CONTENT_SAFETY_ENDPOINT": "https://safety.example",
    "PUBLIC_URL": "https://darkroom.example",
    "REPLICATE_STATUS_URL": "off",
}


class FakeApp:
    """An app on a world: its triggers are real, its adapters are in memory."""

    def __init__(self) -> None:
        self.world = World()
        self.messenger = FakeMessenger()
        self.replicate = FakeReplicate(self.world.now)
        self.secrets = FakeSecrets(SIGNING_SECRET)
        self.screener: FakeScreener = self.world.screener
        self.world.messenger, self.world.replicate = self.messenger, self.replicate
        self.world.deps = replace(self.world.deps, messenger=self.messenger, providers={REPLICATE: self.replicate})
        self.drifts: list[tuple[str, str]] | Unavailable = []
        self.app = App(Settings.from_env(ENVIRONMENT))
        fakes: dict[str, Any] = {
            "deps": self.world.deps,
            "webhook_dependencies": WebhookDependencies(
                self.secrets, self.messenger, self.world.telemetry, (), prediction_of, lambda: NOW
            ),
            "store": self.world.store,
            "commands": self.world.commands,
            "switches": self.world.switches,
            "app_windows": self.world.app_windows,
            **dict.fromkeys(
                ("outputs", "input_files", "uploads", "quarantine", "dead_letters", "proofs"), self.world.blobs
            ),
            "messenger": self.messenger,
            "screener": self.screener,
            "content_safety": self.screener,
            "signing_secret": self.secrets,
            "replicate": self.replicate,
            "drifted": self._drifted,
        }
        # Each adapter of an App is a cached property: a value in its __dict__ replaces the real one.
        vars(self.app).update(fakes)

    async def _drifted(self, catalog: Catalog) -> list[tuple[str, str]]:
        """What has drifted of the models on offer."""
        await asyncio.sleep(0)
        if isinstance(self.drifts, Exception):
            raise self.drifts
        return [each for each in self.drifts if catalog.models[each[0]].offered]

    def requests(self) -> list[GenerationRequest]:
        """The requests that were deferred or scheduled again."""
        found = [*self.messenger.sent, *self.messenger.scheduled]
        return [sent.message for sent in found if isinstance(sent.message, GenerationRequest)]
