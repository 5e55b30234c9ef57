"""Creating a prediction: every answer is read as exactly one outcome."""

import json
import ssl
from dataclasses import replace

import pytest
from aiohttp import web

from shared.adapters.net.tls import tls_context
from shared.adapters.replicate.creating import START_NEWS_FROM_S
from shared.adapters.replicate.sdk import http as replicate_http
from shared.adapters.replicate.sdk.answers import refused_fields
from shared.core.keys import Key
from shared.core.provider.prediction import Created, CreateRefused, DeferReason, NotCreated, OutcomeUnknown, Status
from shared.core.provider.webhook import Callback, read_callback
from shared.core.reasons import SENTENCES, Reason
from tests.adapters.examples import attempt
from tests.adapters.replicate_clients import CREATED, KEY, NEW_TOKEN, SECRET, TOKEN, Token, outcome_of, replicate, says
from tests.adapters.simulators import scripted


async def test_a_create_sends_what_replicate_documents() -> None:
    """Path, body and headers of the POST, and a webhook address that our own trigger reads back."""
    outcome, server = await outcome_of(says(201, CREATED))
    ((method, path, headers, body),) = server.requests
    sent = json.loads(body)
    webhook = sent.pop("webhook")
    assert (method, path) == ("POST", "/v1/models/black-forest-labs/flux-schnell/predictions")
    assert headers["authorization"] == f"Bearer {TOKEN}"
    assert headers["cancel-after"] == "60s"
    assert sent == {"input": {"prompt": "a lighthouse"}, "webhook_events_filter": ["completed"]}
    address, _, query = webhook.partition("?")
    assert address == "https://app.example/api/webhooks/replicate"
    given = dict(pair.split("=") for pair in query.split("&"))
    assert read_callback(given, [SECRET]) == Callback(Key("ada", "one"), 1)
    assert isinstance(outcome, Created)
    assert outcome.prediction.prediction_id == "p" * 26
    assert outcome.prediction.status is Status.STARTING
    assert outcome.prediction.seed == 7


async def test_only_of_a_long_prediction_the_start_is_posted() -> None:
    """It adopts one whose answer was lost, while it still costs; a short one has ended by then."""
    sent = []
    for expected_s in (START_NEWS_FROM_S - 1, START_NEWS_FROM_S):
        async with scripted(says(201, CREATED)) as server, replicate(server.url) as adapter:
            await adapter.create(KEY, replace(attempt(), expected_s=expected_s))
        sent.append(json.loads(server.requests[0][3])["webhook_events_filter"])
    assert sent == [["completed"], ["start", "completed"]]


@pytest.mark.parametrize(
    ("detail", "per_minute"),
    [
        ("Your rate limit for creating predictions is reduced to 6 requests per minute with a burst of 1 requests", 6),
        ("reduced to 0 requests per minute", 1),
        ("Request was throttled. Your rate limit resets in ~30s.", None),
        (["reduced"], None),
    ],
)
async def test_a_lower_limit_is_read_from_a_429(detail: object, per_minute: float | None) -> None:
    """While credit is low Replicate says how many it takes."""
    outcome, _ = await outcome_of(says(429, {"detail": detail, "retry_after": 10}))
    assert isinstance(outcome, NotCreated)
    assert (outcome.retry_after_s, outcome.per_minute) == (30 if "~30s" in str(detail) else 10, per_minute)


async def test_a_pinned_version_is_created_by_its_version() -> None:
    """A community model names its version, and then the version alone is sent."""
    async with scripted(says(202, CREATED)) as server, replicate(server.url) as adapter:
        outcome = await adapter.create(KEY, replace(attempt(), target="stability-ai/sdxl:" + "7" * 64))
    assert isinstance(outcome, Created)
    assert server.requests[0][1] == "/v1/predictions"
    assert json.loads(server.requests[0][3])["version"] == "7" * 64


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"id":"p"}', b"null"])
async def test_an_unreadable_success_is_unknown(body: bytes) -> None:
    """A 201 whose body cannot be read has created something we do not know."""
    outcome, server = await outcome_of(web.Response(status=201, body=body))
    assert isinstance(outcome, OutcomeUnknown)
    assert len(server.requests) == 1


async def test_a_refused_token_is_refreshed_once_and_the_create_repeated() -> None:
    """A 401 has created nothing, so the POST may be made again with the fresh token."""
    token = Token()
    outcome, server = await outcome_of(says(401), says(201, CREATED), token=token)
    assert isinstance(outcome, Created)
    assert [request[2]["authorization"] for request in server.requests] == [f"Bearer {TOKEN}", f"Bearer {NEW_TOKEN}"]
    assert token.refreshes == 1


async def test_a_token_that_stays_refused_is_deferred() -> None:
    """After the second 401 it is "not created", to be tried in a minute."""
    outcome, server = await outcome_of(says(401))
    assert outcome == NotCreated(DeferReason.UNAUTHORIZED, 60)
    assert len(server.requests) == 2


async def test_a_lost_answer_after_a_refresh_is_unknown() -> None:
    """The repeated POST is read like the first one."""
    outcome, _ = await outcome_of(says(401), says(502))
    assert outcome == OutcomeUnknown("answered 502")


async def test_missing_credit_waits_two_minutes() -> None:
    """A 402 concerns our account, and the create is sent again in two minutes."""
    assert (await outcome_of(says(402, {"title": "Insufficient credit"})))[0] == NotCreated(DeferReason.NO_CREDIT, 120)


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        (says(429), 1),
        (says(429, {}, Retry_After="7"), 7),
        (says(429, {}, Retry_After="Sat, 21 Nov 2026 12:00:09 GMT"), 9),
        (says(429, {}, Retry_After="Sat, 21 Nov 2026 11:00:00 GMT"), 1),
        (says(429, {}, Retry_After="soon"), 1),
        (says(429, {"retry_after": 10}), 10),
        (says(429, {"detail": "Request was throttled. Your rate limit resets in ~30s."}), 30),
        (says(429, {"detail": "resets in ~30s.", "retry_after": 10}, Retry_After="40"), 40),
        (says(429, {"detail": "resets in ~30s.", "retry_after": "nan"}, Retry_After="inf"), 30),
        (says(429, {"retry_after": 10**9}), 600),
        (says(429, {"retry_after": True, "detail": None}), 1),
        (web.Response(status=429, body=b"<html>"), 1),
    ],
)
async def test_throttling_waits_for_the_largest_hint(answer: web.Response, seconds: float) -> None:
    """Header (seconds or date), body and text of a 429 are all read, within bounds."""
    outcome, server = await outcome_of(answer)
    assert outcome == NotCreated(DeferReason.THROTTLED, seconds)
    assert len(server.requests) == 1


async def test_a_missing_model_is_refused() -> None:
    """A 404 is a retired model."""
    outcome, _ = await outcome_of(says(404, {"detail": "The model does not exist"}))
    assert outcome == CreateRefused(Reason.UNKNOWN_MODEL, SENTENCES[Reason.UNKNOWN_MODEL])


@pytest.mark.parametrize("status", [404, 405, 410, 451])
@pytest.mark.parametrize("body", [b"", b"default backend - 404", b"<html>no</html>", b"{}", b'["detail"]'])
async def test_an_answer_that_is_not_replicates_refuses_no_model(status: int, body: bytes) -> None:
    """A load balancer's line or an edge's page: the request did not arrive, and nothing was created."""
    outcome, server = await outcome_of(web.Response(status=status, body=body))
    assert outcome == NotCreated(DeferReason.MISROUTED, 60)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (
            web.Response(status=403, body=b"<!DOCTYPE html><title>Attention! | Cloudflare</title>"),
            DeferReason.BLOCKED,
        ),
        (web.Response(status=403, body=b"error code: 1010"), DeferReason.BLOCKED),
        (says(403, {"detail": "You do not have permission to perform this action."}), DeferReason.FORBIDDEN),
    ],
)
async def test_a_403_is_the_operators_trouble(answer: web.Response, why: DeferReason) -> None:
    """As 401 and 402 are: to be tried again, and never "the model did not accept these settings"."""
    outcome, _ = await outcome_of(answer)
    assert outcome == NotCreated(why, 60)


@pytest.mark.parametrize(
    "body",
    [
        {
            "detail": "- webhook: Does not match format 'uri'\n",
            "invalid_fields": [{"type": "format", "field": "webhook"}],
        },
        {"detail": "- webhook: Does not match format 'uri'\n"},
        {"detail": "webhook must be an HTTPS URL", "status": 422},
        {"detail": "bad", "invalid_fields": [7, {"field": ["x"]}, {"type": "enum", "field": "webhook_events_filter"}]},
    ],
)
async def test_a_refused_webhook_address_is_the_operators(body: object) -> None:
    """The address is our own setting: no user could change it."""
    outcome, _ = await outcome_of(says(422, body))
    assert outcome == NotCreated(DeferReason.WEBHOOK_REFUSED, 60)


@pytest.mark.parametrize(
    "body",
    [
        {"detail": "- input.webhook: no\n", "invalid_fields": [{"type": "format", "field": "input.webhook"}]},
        {"detail": "the prompt speaks of a webhook", "invalid_fields": [{"type": "length", "field": "input.prompt"}]},
    ],
)
async def test_a_webhook_within_the_input_is_the_users(body: object) -> None:
    """Only the field beside the input is ours."""
    outcome, _ = await outcome_of(says(422, body))
    assert isinstance(outcome, CreateRefused)
    assert outcome.reason is Reason.PROVIDER_REFUSED


async def test_a_version_that_does_not_exist_may_be_our_account() -> None:
    """An account without permission gets the same sentence, so denials.py decides by further answers."""
    detail = "The specified version does not exist (or perhaps you don't have permission to use it?)"
    outcome, _ = await outcome_of(says(422, {"title": "Invalid version or not permitted", "detail": detail}))
    assert outcome == CreateRefused(Reason.UNKNOWN_MODEL, SENTENCES[Reason.UNKNOWN_MODEL], perhaps_ours=True)


_NESTED = b'{"detail":' + b"[" * 900 + b"]" * 900 + b',"invalid_fields":' + b"[" * 50 + b"]" * 50 + b"}"


@pytest.mark.parametrize("status", [201, 400, 401, 402, 403, 404, 422, 429, 500])
@pytest.mark.parametrize(
    "body",
    [_NESTED, b'{"detail":' + b"9" * 5000 + b"}", b"\xff\xfe", b"[" * 100_000, b'{"retry_after":' + b"9" * 5000 + b"}"],
    ids=["nested", "long number", "no text", "deep", "long wait"],
)
async def test_no_body_raises_anything(status: int, body: bytes) -> None:
    """Whatever the answer holds, it is one of the four outcomes."""
    outcome, _ = await outcome_of(*[web.Response(status=status, body=body)] * 2)
    assert isinstance(outcome, NotCreated | CreateRefused | OutcomeUnknown)


async def test_a_refused_input_is_named_without_its_value() -> None:
    """A 422 names the fields that the user must change, and never quotes their values."""
    fields = [
        {"type": "enum", "field": "input.output_format", "description": "input.output_format: tiff is not one of"},
        {"type": "required", "field": "input", "description": "prompt is required"},
        {"type": "secret", "field": "input.prompt: my secret", "description": "my secret is not nice"},
        "nonsense",
    ]
    outcome, _ = await outcome_of(says(422, {"title": "Input validation failed", "invalid_fields": fields}))
    assert outcome == CreateRefused(
        Reason.PROVIDER_REFUSED,
        "The model did not accept these settings: output format, prompt. Change them and try again.",
    )


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_other_refusals_have_the_general_sentence(status: int) -> None:
    """What names no field is refused in general words."""
    outcome, _ = await outcome_of(says(status, {"detail": "my secret prompt"}))
    assert outcome == CreateRefused(Reason.PROVIDER_REFUSED, SENTENCES[Reason.PROVIDER_REFUSED])


@pytest.mark.parametrize("status", [301, 307, 408, 409, 500, 502, 503, 504, 520, 524])
async def test_a_broken_or_odd_answer_is_unknown(status: int) -> None:
    """A server's failure, a time-out by name or a redirect leaves the outcome open, and the POST is not repeated."""
    outcome, server = await outcome_of(web.Response(status=status, body=b"<html>", headers={"Location": "/v2"}))
    assert outcome == OutcomeUnknown(f"answered {status}")
    assert len(server.requests) == 1


async def test_nothing_secret_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Neither token nor prompt nor digest is in a log or in an outcome, whatever goes wrong."""
    caplog.set_level("DEBUG", logger="darkroom")
    answers = (says(401), says(422, {"detail": "a lighthouse"}), says(500, {"detail": "a lighthouse"}))
    outcomes = [str((await outcome_of(answer))[0]) for answer in answers]
    logged = [record.getMessage() for record in caplog.records if record.name.startswith("darkroom")]
    texts = " ".join([*outcomes, *logged])
    assert "422" in texts
    for word in (TOKEN, NEW_TOKEN, "lighthouse", "digest", SECRET):
        assert word not in texts


def test_refused_fields_reads_every_documented_form() -> None:
    """Fields are read from their path, or from the two fixed sentences; anything else is left out."""
    entries: list[object] = [
        {"field": "input.seed"},
        {"field": "version", "description": "version is required"},
        {"field": "", "description": "- Additional property model is not allowed\n"},
        {"field": "input", "description": "something else"},
        {"field": 5},
        None,
    ]
    assert refused_fields({"invalid_fields": entries}) == ["seed", "version", "model"]
    assert refused_fields({"invalid_fields": "all"}) == []
    assert refused_fields(None) == []


async def test_no_client_reads_the_authorities_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """All three have the context that everybody has."""
    tls_context()
    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", None)
    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", None)
    connections = replicate_http.Connections("https://api.replicate.example", 10)
    for client in (connections.api, connections.outputs, connections.files):
        assert client() is client()
    await connections.close()
