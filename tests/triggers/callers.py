"""Calls the app's functions with the worker's own objects, on an app whose adapters are in memory."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import azure.functions as func
import pytest
from azure.functions.servicebus import ServiceBusMessage

import function_app
from dev.fakes.app import FakeApp
from shared.composition import app, invocation


@pytest.fixture
def fake_app(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApp]:
    """An app whose adapters are in memory. Until the test ends, its triggers may use it, and pauses are short."""
    monkeypatch.setattr(invocation, "FAILED_PAUSE_S", 0.01)
    monkeypatch.setattr(invocation, "DEAD_LETTER_PAUSE_S", 0.02)
    made = FakeApp()
    before = dict(app._apps)
    yield made
    app._apps.clear()
    app._apps.update(before)


async def use_fake_app(fake_app: FakeApp) -> None:
    """Make the triggers of this event loop use the fake app, in which ada has 10 credits."""
    app.use(fake_app.app)
    await fake_app.world.open_account()


def queued(
    body: dict[str, Any] | bytes, message_id: str = "m-1", enqueued: datetime | None = None, **properties: Any
) -> ServiceBusMessage:
    """A queue message as the worker passes it to a function."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ServiceBusMessage(
        body=raw,
        message_id=message_id,
        application_properties=properties,
        user_properties=dict(properties),
        delivery_count=1,
        lock_token="token",
        sequence_number=7,
        enqueued_time_utc=enqueued,
    )


def request_body(**fields: Any) -> dict[str, Any]:
    """The body of a request for one image; ``fields`` replace or add fields."""
    body = {"generation_id": "one", "user_id": "ada", "prompt": "A kingfisher", "model": "flux-schnell"}
    return body | fields


def http(method: str, url: str, **more: Any) -> func.HttpRequest:
    """An HTTP request as the worker passes it to a function."""
    return func.HttpRequest(method, url, **{"headers": {}, "params": {}, "route_params": {}, "body": b"", **more})


async def call(name: str, argument: object) -> Any:
    """Call one of the app's functions as the worker does: the plain function, with its trigger's argument."""
    function = getattr(function_app, name).build()
    return await function.get_user_function()(**{function.get_trigger().name: argument})
