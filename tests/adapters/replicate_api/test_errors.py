"""Errors: which class each is, what is repeated, and that no text holds a secret."""

import asyncio
import json
import logging

import pytest
from aiohttp import web

from shared.adapters.replicate.sdk import calling, errors
from shared.adapters.replicate.sdk.api import NewPrediction, ReplicateApi
from shared.adapters.replicate.sdk.http import Timeouts
from shared.adapters.replicate.sdk.operations import OPERATIONS
from shared.adapters.replicate.sdk.retrying import PAUSES_S, TRIED_AGAIN, TRYING_S, Kind, pause_s
from shared.adapters.replicate.sdk.statuses import Meaning
from shared.adapters.replicate.sdk.token import FixedToken
from tests.adapters.replicate_api.world import SCHNELL, TOKEN, api_at
from tests.adapters.simulators import (
    Connection,
    closed_port,
    drop_after_reading,
    never_answer,
    raw_server,
    reset_after_reading,
    scripted,
)

SHORT = Timeouts(connect_s=0.5, create_read_s=0.3, total_s=0.3)
NEW = NewPrediction(inputs={"prompt": "a secret wish"})


def says(status: int, body: object = None, **headers: str) -> web.Response:
    """Returns a response with a JSON body."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return web.Response(status=status, body=json.dumps(body).encode(), headers=named)


async def trouble_with(answer: web.Response, *, write: bool) -> tuple[errors.ReplicateError, int]:
    """The error that an answer is, and how often it was asked for."""
    async with scripted(answer) as server:
        api = api_at(server.url)
        try:
            with pytest.raises(errors.ReplicateError) as raised:
                await (api.predictions.create_by_model(SCHNELL, NEW) if write else api.models.get(SCHNELL))
        finally:
            await api.close()
    return raised.value, len(server.requests)


@pytest.mark.parametrize(
    ("answer", "read", "write"),
    [
        (says(401), errors.AuthenticationError, errors.AuthenticationError),
        (says(402), errors.CreditError, errors.CreditError),
        (says(403), errors.AuthenticationError, errors.AuthenticationError),
        (says(404, {"detail": "Not found."}), errors.NotFoundError, errors.NotFoundError),
        (says(410, {"detail": "Gone."}), errors.NotFoundError, errors.NotFoundError),
        (says(400), errors.ValidationError, errors.ValidationError),
        (says(413), errors.ValidationError, errors.ValidationError),
        (says(422), errors.ValidationError, errors.ValidationError),
        (says(429, {"retry_after": 30}), errors.RateLimitError, errors.RateLimitError),
        (says(503, None, Retry_After="60"), errors.TransientError, errors.OutcomeUnknownError),
        (says(408, None, Retry_After="60"), errors.TransientError, errors.OutcomeUnknownError),
        (says(307), errors.ReplicateError, errors.ReplicateError),
    ],
)
async def test_each_status_is_one_error(
    answer: web.Response, read: type[errors.ReplicateError], write: type[errors.ReplicateError]
) -> None:
    """The status decides; a write that may have been done raises another error than a read that may be repeated."""
    for kind, wanted in ((False, read), (True, write)):
        trouble, times = await trouble_with(answer, write=kind)
        assert type(trouble) is wanted
        assert trouble.status == answer.status
        # With a hint longer than any pause nothing is tried again; a 401 is, for the token.
        assert times == (2 if answer.status == 401 else 1)


async def test_an_answer_that_cannot_be_read_is_trouble() -> None:
    """For a read it is transient; for a write the outcome is unknown."""
    assert type((await trouble_with(says(200, []), write=False))[0]) is errors.TransientError
    assert type((await trouble_with(says(201, {"id": 7}), write=True))[0]) is errors.OutcomeUnknownError


async def test_a_refusal_names_fields_and_rules() -> None:
    """With Replicate's sentences about them, unless these quote an input."""
    body = {
        "detail": "- input.output_format: 'a secret wish' is wrong\n",
        "invalid_fields": [
            {"type": "enum", "field": "input.output_format", "description": "a secret wish"},
            {"type": "required", "field": "input", "description": "prompt is required"},
        ],
    }
    trouble, _ = await trouble_with(says(422, body, cf_ray="84ab-FRA"), write=True)
    assert isinstance(trouble, errors.ValidationError)
    assert trouble.fields == {"output_format": "enum", "prompt": "required"}
    named = "output_format (enum), prompt (required: prompt is required)"
    todo = "Nothing was done: correct that, and send it again."
    assert str(trouble) == f"models.predictions.create: not accepted: {named} (cf-ray 84ab-FRA). {todo}"


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 409, 410, 413, 422, 429, 500, 503])
@pytest.mark.parametrize("write", [False, True])
async def test_every_refusal_has_replicates_sentence_and_what_to_do(
    status: int, write: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sentence is redacted; after it the text says what to do, as a sentence of its own."""
    monkeypatch.setattr("shared.adapters.replicate.sdk.retrying.PAUSES_S", (0.01, 0.02))
    detail = f"The daemon said: a secret wish, {TOKEN}, see https://x.example/a?b=c."
    trouble, _ = await trouble_with(says(status, {"detail": detail}), write=write)
    wished = "a secret wish" if not write else "[..]"  # a text of the request is not quoted
    assert f"The daemon said: {wished}, [..], see https://x.example/[..]" in trouble.why
    todo = str(trouble).removeprefix(f"{trouble.operation}: {trouble.why}".rstrip(".")).removeprefix(".").strip()
    assert todo.endswith(".")
    assert len(todo.split()) > 5
    assert TOKEN not in str(trouble)


async def test_a_throttle_names_its_seconds() -> None:
    """In the attribute and in the text, with Replicate's reason."""
    detail = "Request was throttled. Your rate limit is reduced to 6 requests per minute. It resets in ~30s."
    trouble, _ = await trouble_with(says(429, {"detail": detail}), write=True)
    assert trouble.retry_after_s == 30
    assert "reduced to 6 requests per minute" in str(trouble)
    assert str(trouble).endswith("Nothing was done: send it again after 30 s.")


def test_every_meaning_has_its_error() -> None:
    """But that of a refused input, whose error is made of its fields."""
    assert set(calling._ERRORS) == set(Meaning) - {Meaning.REFUSED}


@pytest.mark.parametrize(
    ("cancel_after_s", "says_s"), [(None, "30 min after its start"), (90, "90 s after its creation")]
)
async def test_a_lost_create_says_for_how_long_it_may_run(cancel_after_s: int | None, says_s: str) -> None:
    """And where to look for it, whatever way it was lost."""
    new = NewPrediction(inputs={}, cancel_after_s=cancel_after_s)
    async with scripted(says(502)) as server, raw_server(never_answer) as silent:
        for url in (server.url, silent):
            api = api_at(url, timeouts=SHORT)
            with pytest.raises(errors.OutcomeUnknownError, match=rf"may run on for {says_s}.*predictions\.list before"):
                await api.predictions.create_by_model(SCHNELL, new)
            with pytest.raises(errors.OutcomeUnknownError, match=r"until it has ended or is canceled.*trainings\.list"):
                await api.trainings.create(SCHNELL, "a" * 64, destination="acme/style", inputs={})
            await api.close()


@pytest.mark.parametrize(
    ("connection", "read", "write"),
    [
        (drop_after_reading, errors.TransientError, errors.OutcomeUnknownError),
        (reset_after_reading, errors.TransientError, errors.OutcomeUnknownError),
        (never_answer, errors.TimedOutError, errors.OutcomeUnknownError),
    ],
)
async def test_a_lost_answer(
    connection: Connection, read: type[errors.ReplicateError], write: type[errors.ReplicateError]
) -> None:
    """A read is tried three times; a write once, and its outcome is unknown."""
    seen = 0

    async def counted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal seen
        seen += 1
        await connection(reader, writer)

    async with raw_server(counted) as url:
        api = api_at(url, timeouts=SHORT)
        with pytest.raises(errors.ReplicateError) as raised:
            await api.deployments.update("acme/chat", max_instances=1)
        assert (type(raised.value), seen) == (write, 1)
        with pytest.raises(errors.ReplicateError) as raised:
            await api.models.get(SCHNELL)
        assert type(raised.value) is read
        # aiohttp itself asks once more when a kept connection turns out to be closed
        assert seen - 1 in (3, 4, 6)
        await api.close()


async def test_without_a_connection_nothing_was_done() -> None:
    """Then a write's outcome is known; it is not tried again all the same."""
    api = api_at(await closed_port(), timeouts=SHORT)
    with pytest.raises(errors.TransientError, match="not reached"):
        await api.predictions.create_by_model(SCHNELL, NEW)
    await api.close()


@pytest.mark.parametrize("name", [name for name, each in OPERATIONS.items() if each.kind is Kind.WRITE])
async def test_no_write_is_ever_sent_twice(name: str) -> None:
    """Whatever passing trouble there is: each of them is sent once."""
    operation = OPERATIONS[name]
    places = ["x"] * operation.path.count("{")
    async with scripted(says(502)) as server:
        api = api_at(server.url)
        with pytest.raises(errors.OutcomeUnknownError):
            await api._caller.call(name, *places)
        assert len(server.requests) == 1
        await api.close()


@pytest.mark.parametrize("name", [name for name, each in OPERATIONS.items() if each.kind is not Kind.WRITE])
async def test_what_may_be_asked_again_is(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reads and cancels outlast two bad answers."""
    monkeypatch.setattr("shared.adapters.replicate.sdk.retrying.PAUSES_S", (0.01, 0.02))
    places = ["x"] * OPERATIONS[name].path.count("{")
    async with scripted(says(502), says(503), says(200, {"ok": 1})) as server:
        api = api_at(server.url)
        await api._caller.call(name, *places)
        assert len(server.requests) == 3
        await api.close()


def test_the_pauses_are_the_policy() -> None:
    """They grow, are jittered, follow short hints, and end by count, by time, by long hints, by kind."""
    passing = errors.TransientError("x", "y")
    assert pause_s(Kind.READ, passing, 1, 0, 1) == PAUSES_S[0]
    assert pause_s(Kind.READ, passing, 1, 0, 0) == PAUSES_S[0] / 2
    assert pause_s(Kind.CANCEL, passing, 2, 1, 1) == PAUSES_S[1]
    assert pause_s(Kind.READ, passing, 3, 1, 1) is None
    assert pause_s(Kind.READ, passing, 1, TRYING_S, 1) is None
    assert pause_s(Kind.READ, errors.RateLimitError("x", "y", retry_after_s=1), 1, 0, 0) == 1
    assert pause_s(Kind.READ, errors.RateLimitError("x", "y", retry_after_s=9), 1, 0, 0) is None
    for leaf in errors.ReplicateError.__subclasses__():
        trouble = leaf("x", "y", "z") if leaf is errors.NotOfferedError else leaf("x", "y")
        assert pause_s(Kind.WRITE, trouble, 1, 0, 0) is None
        assert (pause_s(Kind.READ, trouble, 1, 0, 0) is not None) == isinstance(trouble, TRIED_AGAIN[Kind.READ])


def test_the_tree_is_drawn_as_it_is() -> None:
    """The picture at the top of errors.py names every class, and only those."""
    drawn = [line.split("- ")[1].split()[0] for line in (errors.__doc__ or "").splitlines() if "- " in line[:8]]
    there = [
        name
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.ReplicateError) and kind is not errors.ReplicateError
    ]
    assert drawn == there
    assert len(there) == 13


@pytest.mark.parametrize(
    ("ours", "builtin"),
    [
        (errors.ReplicateError, RuntimeError),
        (errors.AuthenticationError, ValueError),
        (errors.ValidationError, ValueError),
        (errors.NoFileError, FileNotFoundError),
        (errors.TransientError, ConnectionError),
        (errors.TimedOutError, TimeoutError),
    ],
)
def test_each_error_is_a_builtin_one_too(ours: type[errors.ReplicateError], builtin: type[Exception]) -> None:
    """A caller that knows only Python's own errors catches it, and reads the same text."""
    raised = ours("models.get", "why")
    assert isinstance(raised, builtin)
    assert isinstance(raised, RuntimeError)
    assert str(raised).startswith("models.get: why")


def test_a_text_ends_with_what_to_do() -> None:
    """Of the class, or of the instance where that knows better; ``why`` is without it."""
    credit = errors.CreditError("predictions.create", "the account has no credit left", ray="84ab")
    assert str(credit).startswith("predictions.create: the account has no credit left (cf-ray 84ab). Add credit at ")
    assert credit.why == "the account has no credit left"
    assert str(errors.NotFoundError("x", "gone.", advice="Look elsewhere.")) == "x: gone. Look elsewhere."


@pytest.mark.parametrize(
    ("token", "problem"),
    [
        ("", "is not set"),
        ("sk-" + "x" * 37, 'does not start with "r8_"'),
        (f"{TOKEN} ", "has a blank, a line end or another stray character"),
        (f"{TOKEN}\n", "has a blank, a line end or another stray character"),
        (f" {TOKEN}", "has a blank, a line end or another stray character"),
    ],
)
async def test_a_token_that_cannot_be_one_is_never_sent(token: str, problem: str) -> None:
    """Each mistake has its own message, and none of them shows the token."""
    async with scripted(says(200, {})) as server:
        api = api_at(server.url, token)
        with pytest.raises(errors.AuthenticationError, match=problem) as raised:
            await api.owner.get()
        assert server.requests == []
    assert not token.strip() or token.strip() not in str(raised.value)


class Renewed:
    """A token source whose first token is worth nothing any more."""

    async def value(self) -> str:
        """Returns the token that is refused."""
        return "r8_" + "o" * 37

    async def refresh(self) -> str:
        """Returns the token that is accepted."""
        return TOKEN


async def test_a_refused_token_is_replaced_once_also_for_writes() -> None:
    """A 401 has done nothing: the same is sent again with the fresh token."""
    created = {"id": "p" * 26, "status": "starting"}
    async with scripted(says(401), says(201, created)) as server:
        api = ReplicateApi.at(Renewed(), api_url=f"{server.url}/v1")
        assert (await api.predictions.create_by_model(SCHNELL, NEW)).id == "p" * 26
        await api.close()
    assert [headers["authorization"][-4:] for _, _, headers, _ in server.requests] == ["oooo", TOKEN[-4:]]


async def test_no_secret_is_in_any_text(caplog: pytest.LogCaptureFixture) -> None:
    """Neither token nor input nor address: not in errors, their causes, logs, or representations."""
    caplog.set_level(logging.DEBUG)
    texts = []
    for answer in (says(401), says(422, {"detail": "a secret wish"}), says(500, {"detail": TOKEN})):
        trouble, _ = await trouble_with(answer, write=True)
        texts += [str(trouble), repr(trouble), repr(trouble.__cause__), repr(trouble.args)]
    api = api_at("http://127.0.0.1:9")
    texts += [repr(api), repr(api._caller), repr(api._caller.__dict__), repr(FixedToken(TOKEN)), repr(NEW)]
    texts += [record.getMessage() for record in caplog.records if record.name.startswith("darkroom")]
    for text in texts:
        assert TOKEN not in text
        assert "secret wish" not in text
        assert "/v1/" not in text


async def test_a_place_cannot_become_another_address() -> None:
    """Dots and slashes in an id stay in it; dots alone are refused."""
    async with scripted(says(404, {"detail": "Not found."})) as server:
        api = api_at(server.url)
        with pytest.raises(errors.NotFoundError):
            await api.predictions.get("../account")
        with pytest.raises(errors.NotFoundError):
            await api.files.get("a?b#c")
        assert [path for _, path, _, _ in server.requests] == ["/v1/predictions/..%2Faccount", "/v1/files/a%3Fb%23c"]
        for bad in ("", ".", ".."):
            with pytest.raises(errors.ValidationError):
                await api.predictions.get(bad)
        for bad in ("flux", "a/b/c", "a/", "../models/x", "a b/c"):
            with pytest.raises(errors.ValidationError, match="must be owner/name, not"):
                await api.models.get(bad)
        assert len(server.requests) == 2
        await api.close()
