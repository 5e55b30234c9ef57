"""Reads of Replicate: get, cancel, the list, the account; what is repeated and what is not."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from aiohttp import web

from shared.adapters.replicate.reading import several
from shared.adapters.replicate.wire import prediction_of
from shared.core.dependency import Dependency
from shared.core.provider.prediction import Prediction, Status
from shared.ports import Unavailable
from tests.adapters.replicate_clients import CREATED, NEW_TOKEN, NOW, Token, ref, replicate, says
from tests.adapters.simulators import drop_after_reading, raw_server, scripted

ID = "p" * 26


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tries follow each other at once: for tests of how often, not of when."""
    monkeypatch.setattr("shared.adapters.replicate.sdk.retrying.PAUSES_S", (0.01, 0.02))


async def test_a_prediction_is_read() -> None:
    """GET and cancel answer with the prediction as it is."""
    done = {**CREATED, "status": "succeeded", "output": ["https://replicate.delivery/x/out-0.webp"]}
    async with scripted(says(200, done)) as server, replicate(server.url) as adapter:
        got = await adapter.get(ref(ID))
        canceled = await adapter.cancel(ref(ID))
    assert got == canceled
    assert got is not None
    assert got.outputs == ("https://replicate.delivery/x/out-0.webp",)
    assert [request[:2] for request in server.requests] == [
        ("GET", f"/v1/predictions/{ID}"),
        ("POST", f"/v1/predictions/{ID}/cancel"),
    ]


async def test_an_unknown_prediction_is_not_found() -> None:
    """A 404 says that Replicate does not know it, and is not asked again."""
    async with scripted(says(404, {"detail": "Not found."})) as server, replicate(server.url) as adapter:
        assert await adapter.get(ref(ID)) is None
        assert await adapter.cancel(ref(ID)) is None
    assert len(server.requests) == 2


@pytest.mark.usefixtures("short_pauses")
@pytest.mark.parametrize(
    ("status", "body"), [(404, b"default backend - 404"), (404, b"{}"), (404, b'{"detail":7}'), (410, b"")]
)
async def test_a_404_that_is_not_replicates_says_nothing(status: int, body: bytes) -> None:
    """A load balancer's line: asked again, then trouble, and never "there is no such prediction"."""
    answer = web.Response(status=status, body=body)
    async with scripted(answer, answer, answer) as server, replicate(server.url) as adapter:
        with pytest.raises(Unavailable, match="not Replicate"):
            await adapter.get(ref(ID))
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    "trouble", [says(500), says(429, {"retry_after": 1}), web.Response(status=524, body=b"<html>")]
)
async def test_passing_trouble_is_tried_again(trouble: web.Response) -> None:
    """5xx and short throttling are outlasted."""
    async with scripted(trouble, says(200, CREATED)) as server, replicate(server.url) as adapter:
        assert await adapter.get(ref(ID)) is not None
    assert len(server.requests) == 2


@pytest.mark.usefixtures("short_pauses")
async def test_lasting_trouble_is_unavailable_after_three_tries() -> None:
    """Then the message handler defers the message."""
    async with scripted(says(502)) as server, replicate(server.url) as adapter:
        with pytest.raises(Unavailable, match="answered 502"):
            await adapter.get(ref(ID))
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("answer", "hint"),
    [(says(429, {"retry_after": 30}), 30), (says(503, Retry_After="60"), 60), (says(403), 60), (says(307), 60)],
)
async def test_what_a_moment_does_not_mend_is_not_tried_again(answer: web.Response, hint: float) -> None:
    """A long hint and a refusal end the tries at once, and the hint is handed on."""
    async with scripted(answer) as server, replicate(server.url) as adapter:
        with pytest.raises(Unavailable) as raised:
            await adapter.get(ref(ID))
    assert raised.value.retry_after_s == hint
    assert raised.value.dependency is Dependency.REPLICATE
    assert len(server.requests) == 1


@pytest.mark.usefixtures("short_pauses")
async def test_broken_connections_are_tried_again() -> None:
    """A GET may be repeated, whatever became of the one before."""
    seen = 0

    async def counted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal seen
        seen += 1
        await drop_after_reading(reader, writer)

    async with raw_server(counted) as url, replicate(url) as adapter:
        with pytest.raises(Unavailable, match="ServerDisconnectedError"):
            await adapter.get(ref(ID))
    assert seen >= 3


async def test_a_refused_token_is_refreshed_once() -> None:
    """Reads use the fresh token after a 401, and stop when that is refused too."""
    token = Token()
    async with scripted(says(401), says(200, CREATED), says(401)) as server, replicate(server.url, token) as adapter:
        assert await adapter.get(ref(ID)) is not None
        with pytest.raises(Unavailable, match="unauthorized") as raised:
            await adapter.get(ref(ID))
    assert server.requests[1][2]["authorization"] == f"Bearer {NEW_TOKEN}"
    assert raised.value.retry_after_s == 60
    assert len(server.requests) == 4


@pytest.mark.parametrize("body", ["nonsense", [], {}, {"id": "x"}])
async def test_an_unreadable_prediction_is_unavailable(body: object) -> None:
    """What cannot be read is no prediction and no "unknown" either."""
    async with scripted(says(200, body)) as server, replicate(server.url) as adapter:
        with pytest.raises(Unavailable, match="could not be read"):
            await adapter.get(ref(ID))


async def test_the_account_is_the_health_check() -> None:
    """The account's name and type, and nothing else of it."""
    body = {"type": "organization", "username": "acme", "name": "Acme", "github_url": "https://github.com/acme"}
    async with scripted(says(200, body)) as server, replicate(server.url) as adapter:
        assert await adapter.account() == {"username": "acme", "type": "organization"}


async def test_the_signing_secret_is_read() -> None:
    """The key of the default webhook secret; an answer without one is Unavailable."""
    async with scripted(says(200, {"key": "whsec_abc"}), says(200, {})) as server, replicate(server.url) as adapter:
        assert await adapter.signing_secret() == "whsec_abc"
        with pytest.raises(Unavailable):
            await adapter.signing_secret()
    assert server.requests[0][1] == "/v1/webhooks/default/secret"


# The list.


def row(number: int, at: datetime) -> dict[str, object]:
    """A prediction of the list."""
    return {**CREATED, "id": f"{number:026d}", "created_at": at.isoformat()}


async def listed(adapter_url: str, since: datetime) -> list[Prediction]:
    """Read the list of predictions to its end."""
    async with replicate(adapter_url) as adapter:
        return [prediction async for prediction in adapter.recent(since)]


async def test_the_list_is_followed_page_by_page() -> None:
    """``next`` is followed as it is given, broken rows are skipped, and the order is kept."""
    async with scripted(says(200)) as server:
        times = [NOW - timedelta(seconds=second) for second in range(4)]
        first = {"next": f"{server.url}/v1/predictions?cursor=a%2Bb", "results": [row(1, times[0]), {"id": 5}]}
        last = {"next": None, "results": [row(2, times[1]), row(3, times[2])]}
        server.answers = [says(200, first), says(200, last)]
        found = await listed(server.url, NOW - timedelta(minutes=5))
    assert [prediction.prediction_id for prediction in found] == [f"{number:026d}" for number in (1, 2, 3)]
    assert all(
        newer.created_at > older.created_at for newer, older in pairwise(found) if newer.created_at and older.created_at
    )
    assert server.requests[0][1].startswith("/v1/predictions?created_after=2026-11-21T11")
    assert server.requests[1][1] == "/v1/predictions?cursor=a%2Bb"


@pytest.mark.parametrize(
    "strange",
    [
        b'{"id": "strangestrange", "status": "succeeded", "webhook": "https://["}',
        b'{"id": "strangestrange", "status": "succeeded", "input": {"seed": ' + b"9" * 5000 + b"}}",
        b'{"id": "strangestrange", "status": "succeeded", "output": ' + b"[" * 600 + b"]" * 600 + b"}",
        b'{"id": "strangestrange", "status": "succeeded", "input": ' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"id": "strangestrange", "status": "succeeded", "created_at": "0001-01-01T00:00:00+14:00"}',
        b'{"id": "strangestrange", "status": "succeeded", "error": ' + b'{"a":' * 900 + b"1" + b"}" * 900 + b"}",
        b'"\xff"',
        b"[[[]]]",
    ],
    ids=["address", "number", "nested", "deep", "time", "error", "no text", "no object"],
)
async def test_one_strange_entry_hides_no_other(strange: bytes) -> None:
    """The list is the whole account's, and in it is what every lost create is looked for by."""
    rows = [json.dumps(row(number, NOW - timedelta(seconds=number))).encode() for number in (1, 2)]
    for entries in ([strange, *rows], [rows[0], strange, rows[1]], [*rows, strange]):
        body = b'{"next": null, "results": [' + b", ".join(entries) + b"]}"
        async with scripted(web.Response(body=body)) as server:
            found = await listed(server.url, NOW - timedelta(minutes=5))
        ours = [prediction.prediction_id for prediction in found if prediction.prediction_id != "strangestrange"]
        assert ours == [f"{number:026d}" for number in (1, 2)]


async def test_a_reader_that_stumbles_loses_one_entry(caplog: pytest.LogCaptureFixture) -> None:
    """No reader is known to; should one, the log has its kind and nothing of the entry."""

    def read(raw: object) -> str | None:
        if raw == "bad secret":
            raise KeyError(raw)
        return str(raw)

    assert several(["a", "bad secret", "b"], read) == ("a", "b")
    assert "KeyError" in caplog.text
    assert "secret" not in caplog.text


async def test_the_list_ends_with_what_is_older() -> None:
    """What is older than asked ends the list, and the next page is not fetched."""
    async with scripted(says(200)) as server:
        results = [row(1, NOW), row(2, NOW - timedelta(minutes=9)), row(3, NOW)]
        server.answers = [says(200, {"next": f"{server.url}/v1/predictions?cursor=x", "results": results})]
        found = await listed(server.url, NOW - timedelta(minutes=5))
    assert [prediction.prediction_id for prediction in found] == [f"{1:026d}"]
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "following",
    [
        "https://evil.example/v1/predictions",
        "http://127.0.0.1:1/v1",
        "//evil.example/",
        "http://[",
        7,
        "http://u:p@{own}/",
    ],
)
async def test_a_next_page_elsewhere_is_not_asked(following: object) -> None:
    """The token goes to the API's own origin only; the list is then Unavailable and not "at its end"."""
    async with scripted(says(200)) as server:
        if isinstance(following, str):
            following = following.replace("{own}", server.url.removeprefix("http://"))
        server.answers = [says(200, {"next": following, "results": []})]
        with pytest.raises(Unavailable, match="origin"):
            await listed(server.url, NOW)
    assert len(server.requests) == 1


async def test_a_list_in_a_circle_ends() -> None:
    """A page that names one that was read is the last one."""
    async with scripted(says(200)) as server:
        page = {"next": f"{server.url}/v1/predictions?cursor=x", "results": [row(1, NOW)]}
        server.answers = [says(200, page)]
        found = await listed(server.url, NOW - timedelta(minutes=5))
    assert len(found) == 2


@pytest.mark.usefixtures("short_pauses")
async def test_a_list_that_cannot_be_read_is_unavailable() -> None:
    """An answer without a list raises; it does not count as an empty list."""
    async with scripted(says(404)) as server:
        with pytest.raises(Unavailable):
            await listed(server.url, NOW)


def test_times_are_aware() -> None:
    """The list's times compare with ours."""
    prediction = prediction_of(CREATED)
    assert prediction is not None
    assert prediction.created_at == datetime(2026, 11, 21, 12, 0, 0, 123000, UTC)
    assert prediction.status is Status.STARTING
