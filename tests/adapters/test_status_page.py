"""Replicate's status page: a hint that never fails, never waits long, and is not asked twice a minute."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from dev.fakes.app import ENVIRONMENT
from shared.adapters.replicate import status_page
from shared.adapters.replicate.sdk.http import Connections
from shared.adapters.replicate.status_page import OPERATIONAL, UNKNOWN, StatusPage
from shared.composition.app import App
from shared.config.settings import Settings
from shared.triggers.health import Health, is_well
from tests.adapters.simulators import closed_port, never_answer, raw_server, scripted


@asynccontextmanager
async def page_at(url: str, clock: Callable[[], float] = time.monotonic) -> AsyncIterator[StatusPage]:
    """The page at an address, with connections of its own."""
    connections = Connections("", 2)
    try:
        yield StatusPage(f"{url}/api/v2/status.json", connections.outputs, clock)
    finally:
        await connections.close()


async def test_the_apps_health_says_what_the_page_says_and_stays_well() -> None:
    """Trouble and an unknown page are notes; the page is left out where it is not set."""
    async with scripted(says("major", "API errors"), web.Response(status=500)) as server:
        app = App(Settings.from_env(ENVIRONMENT | {"REPLICATE_STATUS_URL": f"{server.url}/api/v2/status.json"}))
        for state in ("ok, major: API errors", "ok, unknown"):
            page = app.pings()["replicate's status page"]
            answers = await Health(lambda page=page: {"page": page}).check()  # type: ignore[misc]
            assert answers == {"page": state}
            assert is_well(answers["page"])
            app.status_page._last = None
        await app.close()
    assert "replicate's status page" not in App(Settings.from_env(ENVIRONMENT)).pings()


def says(indicator: object, description: object = "") -> web.Response:
    """A Statuspage's answer."""
    return web.json_response(
        {"page": {"name": "Replicate"}, "status": {"indicator": indicator, "description": description}}
    )


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (says("none", "All Systems Operational"), OPERATIONAL),
        (says("major", "Predictions are slow"), "major: Predictions are slow"),
        (says("maintenance"), "maintenance"),
        (says("minor", "see https://x.example/secret?token=abc\x1b[31m"), "minor: see https://x.example/[..] [31m"),
        (says("on fire", "x"), UNKNOWN),
        (says(7, 8), UNKNOWN),
        (web.json_response([]), UNKNOWN),
        (web.Response(text="<html>"), UNKNOWN),
        (web.Response(status=500), UNKNOWN),
        (web.Response(status=302, headers={"Location": "http://127.0.0.1:1/"}), UNKNOWN),
        (web.Response(body=b" " * 70_000), UNKNOWN),
    ],
)
async def test_what_the_page_says(answer: web.Response, state: str) -> None:
    """Its indicator and its words; whatever it is not is unknown."""
    async with scripted(answer) as server, page_at(server.url) as page:
        assert await page.read() == state


async def test_a_page_that_is_not_reached_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused, or without an answer: within its bound."""
    async with page_at(await closed_port()) as page:
        assert await page.read() == UNKNOWN
    monkeypatch.setattr(status_page, "_READ_S", 0.2)
    async with raw_server(never_answer) as url, page_at(url) as page:
        began = time.monotonic()
        assert await page.read() == UNKNOWN
        assert time.monotonic() - began < 2


async def test_it_is_asked_once_a_minute() -> None:
    """Whatever the answer was, and however many ask at once."""
    at: list[Any] = [0.0]
    async with scripted(web.Response(status=500), says("none")) as server, page_at(server.url, lambda: at[0]) as page:
        assert set(await asyncio.gather(*(page.read() for _ in range(5)))) == {UNKNOWN}
        at[0] = 59.9
        assert await page.read() == UNKNOWN
        at[0] = 60.0
        assert await page.read() == OPERATIONAL
        assert len(server.requests) == 2
