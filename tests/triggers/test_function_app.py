"""function_app.py, called with the worker's own objects, on an app whose adapters are in memory."""

import asyncio
import json
import logging
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from azure.functions.timer import TimerRequest

import function_app
from dev.fakes.app import ENVIRONMENT, FakeApp, delivery
from shared.composition import app, invocation
from shared.composition.app import App
from shared.config.settings import WEBHOOK_PATH, Settings, SettingsError
from shared.core.dependency import Dependency
from shared.core.lifecycle.state import State
from shared.core.reasons import Reason
from shared.core.requests.messages import Check, PredictionEvent
from shared.ports import Unavailable
from shared.triggers import account_commands, handlers
from shared.triggers.health import HEALTH_FRESH_S
from tests.triggers.callers import call, fake_app, http, queued, request_body, use_fake_app

__all__ = ["fake_app"]

#: When a message was enqueued, as the worker gives it: without a zone.
ENQUEUED = datetime(2026, 11, 21, 12)  # noqa: DTZ001  # as the worker gives it


async def test_a_generation_passes_all_functions(fake_app: FakeApp) -> None:
    """It is requested, observed, delivered and announced. Each function returns None."""
    await use_fake_app(fake_app)
    assert await call("generate", queued(request_body())) is None
    replicate = fake_app.replicate
    replicate.succeed(replicate.only_id, [b"picture"])
    event = json.dumps(replicate.event(replicate.only_id).to_json()).encode()
    assert await call("observe", queued(event)) is None
    assert fake_app.world.generation().state is State.SUCCEEDED
    assert fake_app.world.balances() == (9, 0, 1)
    fake_app.world.at_rest()


async def test_a_deferred_message_keeps_its_envelope(fake_app: FakeApp) -> None:
    """The copy counts on from the message's properties. Its id does not depend on the original's."""
    await use_fake_app(fake_app)
    fake_app.screener.down = True
    since = "2026-11-21T11:59:00"
    await call("generate", queued(request_body(), "m-7~1", deferrals=1, since=since))
    (sent,) = fake_app.messenger.scheduled
    assert (sent.envelope.message_id, sent.envelope.deferrals) == ("ada/ada/one/deferred/generate/2/", 2)
    assert sent.envelope.since is not None
    assert sent.envelope.since.isoformat() == since + "+00:00"


class Shelf:
    """Blob storage with one data file. ``down``: it does not answer. It counts its reads."""

    def __init__(self) -> None:
        self.down = True
        self.readings = 0

    async def read(self, *_: object) -> bytes:
        """Return the file. Raises Unavailable while it is down."""
        self.readings += 1
        if self.down:
            raise Unavailable(Dependency.BLOBS, "it answered 503", 7)
        return b"[models.flux-schnell]\ncredits = 7\n"


async def test_without_the_data_files_messages_are_deferred(fake_app: FakeApp) -> None:
    """No other catalogue is used, and no message is lost. The copy succeeds when storage is back."""
    await use_fake_app(fake_app)
    shelf = Shelf()
    fake_app.app.settings = Settings.from_env(ENVIRONMENT | {"CATALOG_FILE": "blob:config/catalog.toml"})
    vars(fake_app.app)["_blob_client"] = shelf
    await call("generate", queued(request_body(), "m-7~1", deferrals=1))
    (sent,) = fake_app.messenger.scheduled
    assert (sent.envelope.message_id, sent.envelope.deferrals) == ("ada/ada/one/deferred/generate/2/", 2)
    assert fake_app.world.store.saved_generations == {}
    for function in ("dead_letter_requests", "reconcile", "audit"):
        with pytest.raises(Unavailable):
            await call(function, queued(request_body()))
    with pytest.raises(Unavailable):
        await call("generate", queued(b"garbage"))

    shelf.down = False
    await call("generate", queued(request_body(), "m-7~2", deferrals=2))
    await call("generate", queued(request_body(generation_id="two")))
    assert fake_app.world.generation().state is State.RUNNING
    assert shelf.readings == 6


COMMAND = {"type": "grant", "command_id": "c1", "account_id": "acme", "by": "billing", "credits": 5}


async def test_a_command_is_applied_and_announced(fake_app: FakeApp) -> None:
    """Twice is once; garbage of its queue and of its dead-letter queue is archived."""
    await use_fake_app(fake_app)
    for body in (json.dumps(COMMAND).encode(), json.dumps(COMMAND).encode(), b"garbage"):
        assert await call("command", queued(body)) is None
    assert fake_app.world.account("acme").available == 5
    assert await call("dead_letter_commands", queued(b"other garbage")) is None
    assert {event.outcome for event in fake_app.messenger.commanded} == {"applied"}
    assert {blob.metadata["queue"] for blob in fake_app.world.blobs.dead_letters.values()} == {"account-commands"}
    assert len(fake_app.world.blobs.dead_letters) == 2


async def test_without_the_data_files_a_command_is_deferred(fake_app: FakeApp) -> None:
    """Its copy says when it came; garbage is delivered again."""
    await use_fake_app(fake_app)
    shelf = Shelf()
    fake_app.app.settings = Settings.from_env(ENVIRONMENT | {"CATALOG_FILE": "blob:config/catalog.toml"})
    vars(fake_app.app)["_blob_client"] = shelf
    await call("command", queued(json.dumps(COMMAND).encode()))
    (sent,) = fake_app.messenger.commands
    assert (sent.command.command_id, sent.envelope.deferrals) == ("c1", 1)
    assert sent.envelope.since is not None
    for function, body in (("command", b"garbage"), ("dead_letter_commands", json.dumps(COMMAND).encode())):
        with pytest.raises(Unavailable):
            await call(function, queued(body))
    shelf.down = False
    await call("command", queued(json.dumps(sent.command.to_json()).encode()))
    assert fake_app.world.account("acme").available == 5


async def test_a_bug_of_the_parser_archives_the_command(fake_app: FakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would fail every delivery."""
    await use_fake_app(fake_app)

    def fails(_: bytes) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(account_commands, "parse_command", fails)
    assert await call("command", queued(json.dumps(COMMAND).encode())) is None
    assert len(fake_app.world.blobs.dead_letters) == 1
    assert fake_app.world.commands.records == {}


async def test_dead_letters_of_both_queues_are_archived(fake_app: FakeApp) -> None:
    """A dead request ends its generation and releases its hold. Garbage is archived too."""
    await use_fake_app(fake_app)
    await call("generate", queued(request_body()))
    assert await call("dead_letter_requests", queued(request_body())) is None
    assert fake_app.world.events[0].reason is Reason.DEAD_LETTERED
    assert fake_app.world.balances() == (10, 0, 0)
    assert await call("dead_letter_events", queued(b"garbage")) is None
    queues = {blob.metadata["queue"] for blob in fake_app.world.blobs.dead_letters.values()}
    assert queues == {"generation-requests", "prediction-events"}


@pytest.mark.parametrize("function", ["dead_letter_requests", "dead_letter_events", "dead_letter_commands"])
@pytest.mark.parametrize("broken", ["settings", "load_data_files", "archive"])
async def test_every_dead_letter_waits_before_anything_fails(
    fake_app: FakeApp, monkeypatch: pytest.MonkeyPatch, function: str, broken: str
) -> None:
    """Its queue delivers again at once and for ever. The pause comes before any failure, wherever it is."""
    await use_fake_app(fake_app)

    async def fails(*_: object) -> None:
        raise RuntimeError("a bug")

    if broken == "settings":
        monkeypatch.setattr(invocation, "running_app", lambda: (_ for _ in ()).throw(RuntimeError("a bug")))
    elif broken == "load_data_files":
        monkeypatch.setattr(fake_app.app, "load_data_files", fails)
    else:
        monkeypatch.setattr(fake_app.world.blobs, "archive", fails)
    slept = record_pauses(monkeypatch)
    with pytest.raises(RuntimeError, match="a bug"):
        await call(function, queued(request_body()))
    assert slept == [invocation.DEAD_LETTER_PAUSE_S]


@pytest.mark.parametrize("function", ["generate", "observe"])
async def test_a_message_pauses_before_a_bug_fails_it(
    fake_app: FakeApp, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    """Ten deliveries in a second would make it a dead letter before anybody could react."""
    await use_fake_app(fake_app)

    async def fails(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(fake_app.app, "load_data_files", fails)
    slept = record_pauses(monkeypatch)
    with pytest.raises(RuntimeError, match="a bug"):
        await call(function, queued(request_body()))
    assert slept == [invocation.FAILED_PAUSE_S]


def record_pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Record the pauses of invocation.py from now on, and make them end at once."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        if seconds:  # the fakes use sleep(0) to let other tasks run
            slept.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    return slept


async def test_a_message_that_breaks_the_parser_is_archived(
    fake_app: FakeApp, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The bug is logged in one line without a traceback, and the message is archived once, not delivered ten times."""
    await use_fake_app(fake_app)

    def bug(raw: bytes) -> Any:
        raise RecursionError("x" * 100_000)

    monkeypatch.setattr(handlers, "parse_event", bug)
    assert await call("observe", queued(b"news")) is None
    assert await call("dead_letter_events", queued(b"news")) is None
    assert [blob.content for blob in fake_app.world.blobs.dead_letters.values()] == [b"news"]
    assert "could not be read: RecursionError" in caplog.text
    assert len(caplog.text) < 2000


async def test_an_event_nested_600_deep_is_archived(fake_app: FakeApp) -> None:
    """The real parser reads it, through the trigger."""
    await use_fake_app(fake_app)
    deep = b'{"type": "prediction", "user_id": "ada", "generation_id": "one", "attempt": 1, "prediction": '
    deep += b'{"id": "abcdefgh", "status": "succeeded", "output": ' + b"[" * 600 + b"]" * 600 + b"}}"
    assert await call("observe", queued(deep)) is None
    assert [blob.content for blob in fake_app.world.blobs.dead_letters.values()] == [deep]


async def test_patience_counts_from_when_a_message_was_enqueued(fake_app: FakeApp) -> None:
    """The broker's time counts if ``since`` is unreadable, in the future, or at the edge of time."""
    await use_fake_app(fake_app)
    fake_app.screener.down = True
    edges = ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2999-01-01T00:00:00Z", "soon", "1999-01-01")
    for number, since in enumerate(edges):
        await call(
            "generate", queued(request_body(generation_id=str(number)), deferrals=1, since=since, enqueued=ENQUEUED)
        )
    assert len(fake_app.messenger.scheduled) == len(edges)
    assert {sent.envelope.since for sent in fake_app.messenger.scheduled} == {ENQUEUED.replace(tzinfo=UTC)}


async def test_unknown_fields_are_logged_by_name(fake_app: FakeApp, caplog: pytest.LogCaptureFixture) -> None:
    """The log has the name, so that a typo is seen, and not the value."""
    await use_fake_app(fake_app)
    await call("generate", queued(request_body(widht="value of the field")))
    assert "ada/ada/one has unknown fields: widht" in caplog.text
    assert "value of the field" not in caplog.text
    assert fake_app.world.generation().state is State.RUNNING


async def test_a_webhook_is_received_through_its_route(fake_app: FakeApp) -> None:
    """It gets headers in any case, the query and the raw body. The answer is the trigger's."""
    await use_fake_app(fake_app)
    webhook = delivery()
    headers = {name.title(): value for name, value in webhook.headers.items()}
    request = http(
        "POST",
        f"https://darkroom.example{WEBHOOK_PATH}",
        headers=headers,
        params=dict(webhook.query),
        body=webhook.body,
    )
    answer = await call("replicate_webhook", request)
    assert (answer.status_code, answer.get_body()) == (202, b"queued")
    assert isinstance(fake_app.messenger.sent[0].message, PredictionEvent)
    refused = await call("replicate_webhook", http("POST", "https://darkroom.example", body=b"{}"))
    assert refused.status_code == 401


async def test_the_timer_sends_checks(fake_app: FakeApp) -> None:
    """One for each overdue generation, whether or not the timer is past due."""
    await use_fake_app(fake_app)
    await call("generate", queued(request_body()))
    fake_app.world.pass_time(60)
    assert await call("reconcile", TimerRequest(past_due=True, schedule_status={}, schedule={})) is None
    (sent,) = fake_app.messenger.sent
    assert isinstance(sent.message, Check)
    assert await call("observe", queued(json.dumps(sent.message.to_json()).encode())) is None


async def test_the_audit_logs_each_difference(fake_app: FakeApp, caplog: pytest.LogCaptureFixture) -> None:
    """It logs nothing while the account agrees with its ledger."""
    await use_fake_app(fake_app)
    timer = TimerRequest(past_due=False, schedule_status={}, schedule={})
    fake_app.world.pass_time(86_400)
    assert await call("audit", timer) is None
    assert "audit" not in caplog.text
    await fake_app.world.open_account("bob")
    fake_app.world.store.entries.clear()
    fake_app.world.pass_time(86_400)
    assert await call("audit", timer) is None
    assert "audit: account bob, ledger granted: the account says 10, counted were 0" in caplog.text


async def test_health_is_503_while_a_dependency_is_down(fake_app: FakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    """It names the dependency and the reason, and checks again only when its last answer is old."""
    await use_fake_app(fake_app)
    request = http("GET", "https://darkroom.example/api/health")
    fake_app.messenger.down = True
    down = await call("health", request)
    assert down.status_code == 503
    states = json.loads(down.get_body())
    assert states.pop("service bus") == "the test has taken it down"
    assert set(states.values()) == {"ok"}
    fake_app.messenger.down = False
    assert (await call("health", request)).status_code == 503
    health = fake_app.app._health
    assert health._last is not None
    monkeypatch.setattr(health, "_last", (health._last[0] - HEALTH_FRESH_S - 1, health._last[1]))
    up = await call("health", request)
    assert (up.status_code, up.mimetype) == (200, "application/json")


async def test_a_dependency_that_cannot_be_built_is_named_too(fake_app: FakeApp) -> None:
    """If a library rejects a connection string, the answer is 503 with all states, and nothing of the string."""
    await use_fake_app(fake_app)
    del vars(fake_app.app)["store"]
    object.__setattr__(fake_app.app.settings, "storage", "no connection string")
    answer = await call("health", http("GET", "https://darkroom.example/api/health"))
    assert answer.status_code == 503
    states = json.loads(answer.get_body())
    assert states.pop("tables") == "ValueError"
    assert set(states.values()) == {"ok"}


async def test_a_failure_is_raised_to_the_host(fake_app: FakeApp) -> None:
    """An unexpected error must not complete the message."""
    await use_fake_app(fake_app)

    async def broken(*_: Any) -> None:
        raise LookupError("a bug")

    fake_app.world.store.load = broken  # type: ignore[method-assign, assignment]
    with pytest.raises(LookupError, match="a bug"):
        await call("generate", queued(request_body()))


async def test_an_invocation_is_bounded(fake_app: FakeApp) -> None:
    """INVOCATION_TIMEOUT_S ends the work, well before the last resort."""
    await use_fake_app(fake_app)
    short = Settings.from_env({**ENVIRONMENT, "INVOCATION_TIMEOUT_S": "5"})
    assert short.invocation_timeout_s < function_app.LAST_RESORT_S
    object.__setattr__(fake_app.app.settings, "invocation_timeout_s", 0.01)

    async def hung(*_: Any) -> None:
        await asyncio.Event().wait()

    fake_app.world.store.load = hung  # type: ignore[method-assign, assignment]
    with pytest.raises(TimeoutError):
        await call("generate", queued(request_body()))


@pytest.mark.parametrize(
    "function", ["generate", "observe", "dead_letter_requests", "dead_letter_events", "replicate_webhook"]
)
async def test_missing_settings_are_named_at_the_first_call(
    monkeypatch: pytest.MonkeyPatch, fake_app: FakeApp, function: str
) -> None:
    """Indexing needs none. A call names the missing ones, and a message pauses before it fails."""
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    app._apps.pop(asyncio.get_running_loop(), None)
    monkeypatch.setattr(invocation, "UNREADY_PAUSE_S", 0.1)
    began_s = time.monotonic()
    with pytest.raises(SettingsError, match="STORAGE_TABLE_URL"):
        await call(function, http("POST", "/") if function == "replicate_webhook" else queued(request_body()))
    assert (time.monotonic() - began_s >= 0.1) == (function != "replicate_webhook")


async def test_a_message_pauses_while_a_setting_is_malformed(
    monkeypatch: pytest.MonkeyPatch, fake_app: FakeApp
) -> None:
    """It is found when the app is built, and nothing is saved."""
    await use_fake_app(fake_app)
    monkeypatch.setattr(invocation, "UNREADY_PAUSE_S", 0.1)
    del vars(fake_app.app)["deps"]
    del vars(fake_app.app)["store"]
    object.__setattr__(fake_app.app.settings, "storage", "no connection string")
    began_s = time.monotonic()
    with pytest.raises(SettingsError, match="connection string"):
        await call("generate", queued(request_body()))
    assert time.monotonic() - began_s >= 0.1
    assert fake_app.world.store.saved_generations == {}


async def test_an_event_loop_has_one_app(fake_app: FakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is made from the environment on first use, then kept. It silences chatty libraries."""
    app._apps.pop(asyncio.get_running_loop(), None)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    made = app.running_app()
    assert app.running_app() is made
    assert isinstance(made, App)
    for name in ("azure", "httpx", "httpcore"):
        assert not logging.getLogger(name).isEnabledFor(logging.INFO)
    await made.close()
