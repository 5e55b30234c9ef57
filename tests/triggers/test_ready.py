"""Whether the app can run: health, and what timers log when a setting or a data file is wrong."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.functions.timer import TimerRequest

from dev.fakes.app import ENVIRONMENT, FakeApp
from shared.composition import app, invocation
from shared.composition.app import App
from shared.config.settings import Settings, SettingsError
from shared.core.switches import Order, PauseScope, Span, Switch, Target
from shared.triggers.health import Health, is_well
from tests.triggers.callers import call, fake_app, http, queued, request_body, use_fake_app

__all__ = ["fake_app"]


async def test_two_hundred_callers_at_once_are_one_check(fake_app: FakeApp) -> None:
    """Each gets the same answer, even if the first caller has gone. The next check is made when that answer is old."""
    await use_fake_app(fake_app)
    began, go_on = asyncio.Event(), asyncio.Event()
    asked: list[str] = []
    account = fake_app.replicate.account

    async def slow() -> dict[str, str]:
        asked.append("account")
        began.set()
        await go_on.wait()
        return await account()

    fake_app.replicate.account = slow  # type: ignore[method-assign]
    request = http("GET", "https://darkroom.example/api/health")
    first = asyncio.create_task(call("health", request))
    await began.wait()
    others = [asyncio.create_task(call("health", request)) for _ in range(199)]
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises((asyncio.CancelledError, RuntimeError)):
        await first
    go_on.set()
    assert {answer.status_code for answer in await asyncio.gather(*others)} == {200}
    assert (await call("health", request)).status_code == 200
    assert asked == ["account"]
    assert fake_app.app._health._running is None


async def test_a_failed_check_is_not_the_last(fake_app: FakeApp) -> None:
    """Its error is raised to all that waited, and the next caller starts a new check."""
    await use_fake_app(fake_app)
    health = fake_app.app._health
    pings = health._pings

    def broken() -> Any:
        raise LookupError("a bug")

    health._pings = broken
    found = await asyncio.gather(health.check(), health.check(), return_exceptions=True)
    assert [str(each) for each in found] == ["a bug", "a bug"]
    health._pings = pings
    assert set((await health.check()).values()) == {"ok"}


BROKEN_FILES = [
    ("MODERATION_FILE", "/nowhere/policy.toml", "MODERATION_FILE: /nowhere/policy.toml cannot be read"),
    ("CATALOG_FILE", "/nowhere/catalog.toml", "CATALOG_FILE: /nowhere/catalog.toml cannot be read"),
    ("PLANS_FILE", "/nowhere/plans.toml", "PLANS_FILE: /nowhere/plans.toml cannot be read"),
    ("BLOCKLIST_FILE", "/nowhere/blocklist.toml", "BLOCKLIST_FILE: /nowhere/blocklist.toml cannot be read"),
    ("MODERATION_FILE", __file__, "(MODERATION_FILE)"),
    ("CATALOG_FILE", __file__, "(CATALOG_FILE)"),
    ("PLANS_FILE", __file__, "(PLANS_FILE)"),
]


@pytest.mark.parametrize(("setting", "place", "why"), BROKEN_FILES)
async def test_an_unusable_data_file_is_red_and_one_line_a_minute(
    fake_app: FakeApp,
    setting: str,
    place: str,
    why: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Health names the setting without its path. The timer's calls log it once and do not fail. A message fails."""
    monkeypatch.setattr("shared.composition.invocation.UNREADY_PAUSE_S", 0)
    logged: dict[str, float] = {}
    monkeypatch.setattr("shared.composition.invocation._logged", logged)
    made = App(Settings.from_env(ENVIRONMENT | {setting: place}))
    made._health = Health(lambda: {"settings": made.pings()["settings"]})
    app.use(made)
    well, health = await invocation.check_health()
    assert not well
    assert health["settings"] == f"{setting} cannot be used; the log says why"
    assert place not in json.dumps(dict(health))
    caplog.clear()
    timer = TimerRequest(past_due=False, schedule_status={}, schedule={})
    for _ in range(5):  # each reads the files again
        assert await call("reconcile", timer) is None
    (line,) = caplog.records
    assert (line.levelname, line.exc_info) == ("ERROR", None)
    assert "nothing can run: " in line.getMessage()
    assert why in line.getMessage()
    logged[next(iter(logged))] -= invocation.UNREADY_LINE_S
    await call("audit", timer)
    assert len(caplog.records) == 2
    with pytest.raises(SettingsError, match=setting):
        await call("generate", queued(request_body()))
    await made.close()


async def test_health_says_which_settings_are_missing(fake_app: FakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the app cannot be built, the answer is 503 with what each should look like. A timer's call does not fail."""
    for name in ("ServiceBus", "STORAGE_CONNECTION_STRING", "REPLICATE_API_TOKEN", "PUBLIC_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("REPLICATE_API_TOKEN", "whsec_s3cr3t")
    app._apps.pop(asyncio.get_running_loop(), None)
    answer = await call("health", http("GET", "https://darkroom.example/api/health"))
    assert answer.status_code == 503
    text = json.loads(answer.get_body())["settings"]
    assert "PUBLIC_URL (https://<host>" in text
    assert "REPLICATE_API_TOKEN is malformed" in text
    assert "s3cr3t" not in text
    assert await call("reconcile", TimerRequest(past_due=False, schedule_status={}, schedule={})) is None


async def test_health_says_that_something_is_paused_and_is_well(fake_app: FakeApp) -> None:
    """What an operator has set is no failure: the status stays 200. Whom it concerns is not said."""
    world = fake_app.world
    now = datetime.now(UTC)
    order = Order(target=Target(PauseScope.ACCOUNT, "secret"), issued_at=now, command_id="p")
    world.switches.switches = (Switch(order, (Span(now, now + timedelta(hours=1)),)), Switch(order, ()))
    state = await fake_app.app.health()
    assert state["kill switches"] == "ok, 1 paused"
    assert is_well(state["kill switches"])
    assert not is_well("okay")
