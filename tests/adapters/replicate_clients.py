"""A Replicate's client as the tests have it: its token and secret, its short times, and answers in JSON."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from shared.adapters.replicate.port import Replicate
from shared.adapters.replicate.sdk.http import Timeouts
from shared.core.keys import Key
from shared.core.provider.guarantees import REPLICATE, Kind, PredictionRef
from shared.core.provider.prediction import CreateOutcome
from tests.adapters.examples import attempt
from tests.adapters.simulators import Answer, Scripted, scripted

KEY = Key("ada", "one")
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
TOKEN = "r8_" + "a" * 37
NEW_TOKEN = "r8_" + "b" * 37
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
CREATED = {"id": "p" * 26, "status": "starting", "input": {"seed": 7}, "created_at": "2026-11-21T12:00:00.123Z"}
SHORT = Timeouts(connect_s=0.5, create_read_s=0.3, total_s=0.5)


class Token:
    """A token that a refresh replaces."""

    def __init__(self, value: str = TOKEN, fresh: str = NEW_TOKEN) -> None:
        self.current = value
        self.fresh = fresh
        self.refreshes = 0

    async def value(self) -> str:
        """Returns the current token."""
        return self.current

    async def refresh(self) -> str:
        """Make the next token current and return it."""
        self.refreshes += 1
        self.current = self.fresh
        return self.current


async def secret() -> str:
    """Returns the webhooks' signing secret."""
    return SECRET


@asynccontextmanager
async def replicate(url: str, token: Token | None = None, **more: Any) -> AsyncIterator[Replicate]:
    """A Replicate at this address, closed afterwards."""
    settings = {
        "webhook_url": "https://app.example/api/webhooks/replicate",
        "signing_secret": secret,
        "now": lambda: NOW,
    }
    adapter = Replicate(api_url=f"{url}/v1", token=token or Token(), **{**settings, "timeouts": SHORT, **more})
    try:
        yield adapter
    finally:
        await adapter.close()


async def outcome_of(*answers: web.Response | Answer, token: Token | None = None) -> tuple[CreateOutcome, Scripted]:
    """What a create makes of these answers."""
    async with scripted(*answers) as server, replicate(server.url, token) as adapter:
        return await adapter.create(KEY, attempt()), server


def says(status: int, body: object = None, **headers: str) -> web.Response:
    """Returns a response with a JSON body."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return web.Response(status=status, body=json.dumps(body).encode(), headers=named)


def ref(prediction_id: str, kind: Kind = Kind.PREDICTION) -> PredictionRef:
    """A prediction of Replicate's."""
    return PredictionRef(REPLICATE, prediction_id, kind)
