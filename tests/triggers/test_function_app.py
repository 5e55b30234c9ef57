"""function_app.py itself: called with the worker's own objects, on a wiring whose rooms are in memory."""

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
from shared.triggers import handlers
from shared.triggers.health import HEALTH_FRESH_S
from tests.triggers.callers import call, http, open_doors, queued, request_body, rooms

__all__ = ["rooms"]

#: When a message came, as the worker says it: without a zone.
ENQUEUED = datetime(2026, 11, 21, 12)  # noqa: DTZ001  # as the worker says it


async def test_a_generation_walks_through_all_doors(rooms: FakeApp) -> None:
    """Asked for, heard of, delivered, told; each function returns None."""
    await open_doors(rooms)
    assert await call("generate", queued(request_body())) is None
    replicate = rooms.replicate
    replicate.succeed(replicate.only_id, [b"picture"])
    event = json.dumps(replicate.event(replicate.only_id).to_json()).encode()
    assert await call("observe", queued(event)) is None
    assert rooms.world.generation().state is State.SUCCEEDED
    assert rooms.world.balances() == (9, 0, 1)
    rooms.world.at_rest()


async def test_a_message_that_is_put_off_keeps_its_envelope(rooms: FakeApp) -> None:
    """The copy counts on from the properties that came with it; its id owes nothing to the original's."""
    await open_doors(rooms)
    rooms.screener.down = True
    since = "2026-11-21T11:59:00"
    await call("generate", queued(request_body(), "m-7~1", deferrals=1, since=since))
    (sent,) = rooms.messenger.scheduled
    assert (sent.envelope.message_id, sent.envelope.deferrals) == ("ada/ada/one/deferred/generate/2/", 2)
    assert sent.envelope.since is not None
    assert sent.envelope.since.isoformat() == since + "+00:00"


class Shelf:
    """Blob storage with a data file in it; ``down``: nobody answers. Counts the readings."""

    def __init__(self) -> None:
        self.down = True
        self.readings = 0

    async def read(self, *_: object) -> bytes:
        """The file."""
        self.readings += 1
        if self.down:
            raise Unavailable(Dependency.BLOBS, "it answered 503", 7)
        return b"[models.flux-schnell]\ncredits = 7\n"


async def test_while_the_data_files_cannot_be_fetched_messages_are_put_off(rooms: FakeApp) -> None:
    """Nothing is judged by another catalogue, nothing dies: the copy counts on, and is done when storage is back."""
    await open_doors(rooms)
    shelf = Shelf()
    rooms.app.settings = Settings.from_env(ENVIRONMENT | {"CATALOG_FILE": "blob:config/catalog.toml"})
    vars(rooms.app)["_blob_client"] = shelf
    await call("generate", queued(request_body(), "m-7~1", deferrals=1))
    (sent,) = rooms.messenger.scheduled
    assert (sent.envelope.message_id, sent.envelope.deferrals) == ("ada/ada/one/deferred/generate/2/", 2)
    assert rooms.world.store.saved_generations == {}
    for door in ("dead_letter_requests", "reconcile", "audit"):
        with pytest.raises(Unavailable):
            await call(door, queued(request_body()))
    with pytest.raises(Unavailable):
        await call("generate", queued(b"garbage"))

    shelf.down = False
    await call("generate", queued(request_body(), "m-7~2", deferrals=2))
    await call("generate", queued(request_body(generation_id="two")))
    assert rooms.world.generation().state is State.RUNNING
    assert shelf.readings == 6


async def test_dead_letters_of_both_queues_are_buried(rooms: FakeApp) -> None:
    """A dead request releases its hold; dead news, too."""
    await open_doors(rooms)
    await call("generate", queued(request_body()))
    assert await call("dead_letter_requests", queued(request_body())) is None
    assert rooms.world.events[0].reason is Reason.DEAD_LETTERED
    assert rooms.world.balances() == (10, 0, 0)
    assert await call("dead_letter_events", queued(b"garbage")) is None
    queues = {blob.metadata["queue"] for blob in rooms.world.blobs.dead_letters.values()}
    assert queues == {"generation-requests", "prediction-events"}


@pytest.mark.parametrize("door", ["dead_letter_requests", "dead_letter_events"])
@pytest.mark.parametrize("broken", ["settings", "load_data_files", "archive"])
async def test_every_dead_letter_waits_before_anything_fails(
    rooms: FakeApp, monkeypatch: pytest.MonkeyPatch, door: str, broken: str
) -> None:
    """Its queue delivers again at once and for ever: whatever fails, wherever it is, the pause comes first."""
    await open_doors(rooms)

    async def fails(*_: object) -> None:
        raise RuntimeError("a bug")

    if broken == "settings":
        monkeypatch.setattr(invocation, "running_app", lambda: (_ for _ in ()).throw(RuntimeError("a bug")))
    elif broken == "load_data_files":
        monkeypatch.setattr(rooms.app, "load_data_files", fails)
    else:
        monkeypatch.setattr(rooms.world.blobs, "archive", fails)
    slept = paused(monkeypatch)
    with pytest.raises(RuntimeError, match="a bug"):
        await call(door, queued(request_body()))
    assert slept == [invocation.DEAD_LETTER_PAUSE_S]


@pytest.mark.parametrize("door", ["generate", "observe"])
async def test_a_message_waits_before_a_bug_takes_its_deliveries(
    rooms: FakeApp, monkeypatch: pytest.MonkeyPatch, door: str
) -> None:
    """Ten of them in a second would be a dead letter before anybody could look."""
    await open_doors(rooms)

    async def fails(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(rooms.app, "load_data_files", fails)
    slept = paused(monkeypatch)
    with pytest.raises(RuntimeError, match="a bug"):
        await call(door, queued(request_body()))
    assert slept == [invocation.FAILED_PAUSE_S]


def paused(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses of invocation.py from now on, which are over at once."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        if seconds:  # the fakes let others run
            slept.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    return slept


async def test_what_a_parser_cannot_bear_is_kept_and_done_with(
    rooms: FakeApp, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A bug of ours, and not ten deliveries and a circle: archived once, told in one line without a traceback."""
    await open_doors(rooms)

    def bug(raw: bytes) -> Any:
        raise RecursionError("x" * 100_000)

    monkeypatch.setattr(handlers, "parse_event", bug)
    assert await call("observe", queued(b"news")) is None
    assert await call("dead_letter_events", queued(b"news")) is None
    assert [blob.content for blob in rooms.world.blobs.dead_letters.values()] == [b"news"]
    assert "could not be read: RecursionError" in caplog.text
    assert len(caplog.text) < 2000


async def test_news_nested_600_deep_is_kept_and_done_with(rooms: FakeApp) -> None:
    """The real parser, at its door."""
    await open_doors(rooms)
    deep = b'{"type": "prediction", "user_id": "ada", "generation_id": "one", "attempt": 1, "prediction": '
    deep += b'{"id": "abcdefgh", "status": "succeeded", "output": ' + b"[" * 600 + b"]" * 600 + b"}}"
    assert await call("observe", queued(deep)) is None
    assert [blob.content for blob in rooms.world.blobs.dead_letters.values()] == [deep]


async def test_patience_counts_from_when_a_message_came(rooms: FakeApp) -> None:
    """Where ``since`` cannot be read, is in the future, or at the edge of time: what the broker says."""
    await open_doors(rooms)
    rooms.screener.down = True
    edges = ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2999-01-01T00:00:00Z", "soon", "1999-01-01")
    for number, since in enumerate(edges):
        await call(
            "generate", queued(request_body(generation_id=str(number)), deferrals=1, since=since, enqueued=ENQUEUED)
        )
    assert len(rooms.messenger.scheduled) == len(edges)
    assert {sent.envelope.since for sent in rooms.messenger.scheduled} == {ENQUEUED.replace(tzinfo=UTC)}


async def test_unknown_fields_are_logged_by_name(rooms: FakeApp, caplog: pytest.LogCaptureFixture) -> None:
    """A typo is seen; its value is not."""
    await open_doors(rooms)
    await call("generate", queued(request_body(widht="value of the field")))
    assert "ada/ada/one has unknown fields: widht" in caplog.text
    assert "value of the field" not in caplog.text
    assert rooms.world.generation().state is State.RUNNING


async def test_the_webhook_comes_in_through_its_route(rooms: FakeApp) -> None:
    """Headers in any case, the query, the raw body; the answer is the door's."""
    await open_doors(rooms)
    knock = delivery()
    headers = {name.title(): value for name, value in knock.headers.items()}
    request = http(
        "POST", f"https://darkroom.example{WEBHOOK_PATH}", headers=headers, params=dict(knock.query), body=knock.body
    )
    answer = await call("replicate_webhook", request)
    assert (answer.status_code, answer.get_body()) == (202, b"queued")
    assert isinstance(rooms.messenger.sent[0].message, PredictionEvent)
    refused = await call("replicate_webhook", http("POST", "https://darkroom.example", body=b"{}"))
    assert refused.status_code == 401


async def test_the_timer_sends_checks(rooms: FakeApp) -> None:
    """For what is overdue; past_due makes no difference."""
    await open_doors(rooms)
    await call("generate", queued(request_body()))
    rooms.world.pass_time(60)
    assert await call("reconcile", TimerRequest(past_due=True, schedule_status={}, schedule={})) is None
    (sent,) = rooms.messenger.sent
    assert isinstance(sent.message, Check)
    assert await call("observe", queued(json.dumps(sent.message.to_json()).encode())) is None


async def test_the_audit_logs_what_does_not_agree(rooms: FakeApp, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing while the books agree; the difference when they do not."""
    await open_doors(rooms)
    timer = TimerRequest(past_due=False, schedule_status={}, schedule={})
    assert await call("audit", timer) is None
    assert "audit" not in caplog.text
    rooms.world.store.entries.clear()
    assert await call("audit", timer) is None
    assert "audit: account ada, ledger granted: the account says 10, counted were 0" in caplog.text


async def test_health_is_503_while_a_neighbour_is_down(rooms: FakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    """It names who and why; and it looks again only when its last answer is old."""
    await open_doors(rooms)
    request = http("GET", "https://darkroom.example/api/health")
    rooms.messenger.down = True
    down = await call("health", request)
    assert down.status_code == 503
    states = json.loads(down.get_body())
    assert states.pop("service bus") == "the test has taken it down"
    assert set(states.values()) == {"ok"}
    rooms.messenger.down = False
    assert (await call("health", request)).status_code == 503
    health = rooms.app._health
    assert health._last is not None
    monkeypatch.setattr(health, "_last", (health._last[0] - HEALTH_FRESH_S - 1, health._last[1]))
    up = await call("health", request)
    assert (up.status_code, up.mimetype) == (200, "application/json")


async def test_a_neighbour_that_cannot_even_be_asked_is_named_too(rooms: FakeApp) -> None:
    """A connection string that the library refuses: 503 with the others' states, and nothing of the string."""
    await open_doors(rooms)
    del vars(rooms.app)["store"]
    object.__setattr__(rooms.app.settings, "storage", "no connection string")
    answer = await call("health", http("GET", "https://darkroom.example/api/health"))
    assert answer.status_code == 503
    states = json.loads(answer.get_body())
    assert states.pop("tables") == "ValueError"
    assert set(states.values()) == {"ok"}


async def test_a_failure_is_raised_to_the_host(rooms: FakeApp) -> None:
    """What nobody expected must not complete the message."""
    await open_doors(rooms)

    async def broken(*_: Any) -> None:
        raise LookupError("a bug")

    rooms.world.store.load = broken  # type: ignore[method-assign, assignment]
    with pytest.raises(LookupError, match="a bug"):
        await call("generate", queued(request_body()))


async def test_an_invocation_is_bounded(rooms: FakeApp) -> None:
    """INVOCATION_TIMEOUT_S ends the work, well before the last resort."""
    await open_doors(rooms)
    short = Settings.from_env({**ENVIRONMENT, "INVOCATION_TIMEOUT_S": "5"})
    assert short.invocation_timeout_s < function_app.LAST_RESORT_S
    object.__setattr__(rooms.app.settings, "invocation_timeout_s", 0.01)

    async def hung(*_: Any) -> None:
        await asyncio.Event().wait()

    rooms.world.store.load = hung  # type: ignore[method-assign, assignment]
    with pytest.raises(TimeoutError):
        await call("generate", queued(request_body()))


@pytest.mark.parametrize(
    "door", ["generate", "observe", "dead_letter_requests", "dead_letter_events", "replicate_webhook"]
)
async def test_missing_settings_are_named_at_the_first_call(
    monkeypatch: pytest.MonkeyPatch, rooms: FakeApp, door: str
) -> None:
    """Indexing works without any; a call then says which are missing. A message waits for a while before it fails."""
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    app._apps.pop(asyncio.get_running_loop(), None)
    monkeypatch.setattr(invocation, "UNREADY_PAUSE_S", 0.1)
    began_s = time.monotonic()
    with pytest.raises(SettingsError, match="STORAGE_TABLE_URL"):
        await call(door, http("POST", "/") if door == "replicate_webhook" else queued(request_body()))
    assert (time.monotonic() - began_s >= 0.1) == (door != "replicate_webhook")


async def test_a_message_waits_while_a_setting_is_malformed(monkeypatch: pytest.MonkeyPatch, rooms: FakeApp) -> None:
    """As for want of one; it is found when the house is built, and nothing is saved."""
    await open_doors(rooms)
    monkeypatch.setattr(invocation, "UNREADY_PAUSE_S", 0.1)
    del vars(rooms.app)["deps"]
    del vars(rooms.app)["store"]
    object.__setattr__(rooms.app.settings, "storage", "no connection string")
    began_s = time.monotonic()
    with pytest.raises(SettingsError, match="connection string"):
        await call("generate", queued(request_body()))
    assert time.monotonic() - began_s >= 0.1
    assert rooms.world.store.saved_generations == {}


async def test_a_loop_has_one_wiring(rooms: FakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    """Made from the environment at first use, then kept; chatty libraries are silenced by it."""
    app._apps.pop(asyncio.get_running_loop(), None)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    made = app.running_app()
    assert app.running_app() is made
    assert isinstance(made, App)
    for name in ("azure", "httpx", "httpcore"):
        assert not logging.getLogger(name).isEnabledFor(logging.INFO)
    await made.close()
