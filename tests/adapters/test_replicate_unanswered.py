"""A create without an answer: lost on its way it is unknown; never sent it is surely not created."""

import asyncio
from typing import Any

import pytest
from aiohttp import web

from shared.adapters.replicate.sdk.http import Timeouts
from shared.adapters.replicate.sdk.token import ConfigurationError
from shared.core.dependency import Dependency
from shared.core.provider.prediction import Created, DeferReason, NotCreated, OutcomeUnknown
from shared.ports import Unavailable
from tests.adapters.examples import attempt
from tests.adapters.replicate_clients import CREATED, KEY, TOKEN, Token, outcome_of, replicate, says
from tests.adapters.simulators import (
    Connection,
    answer_by_halves,
    answer_nonsense,
    closed_port,
    drop_after_reading,
    never_answer,
    raw_server,
    reset_after_reading,
    scripted,
)


@pytest.mark.parametrize(
    "connection", [drop_after_reading, reset_after_reading, never_answer, answer_by_halves, answer_nonsense]
)
async def test_a_lost_answer_is_unknown(connection: Connection) -> None:
    """Whatever breaks after the request was sent leaves the outcome open."""
    seen = 0

    async def counted(reader: Any, writer: Any) -> None:
        nonlocal seen
        seen += 1
        await connection(reader, writer)

    async with raw_server(counted) as url, replicate(url) as adapter:
        assert isinstance(await adapter.create(KEY, attempt()), OutcomeUnknown)
    assert seen == 1


async def test_a_kept_connection_that_dies_is_unknown() -> None:
    """The second request on a connection that the server then drops is no different from the first."""
    async with scripted(says(201, CREATED)) as server, replicate(server.url) as adapter:

        async def drop(request: web.Request) -> web.StreamResponse:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()

        assert isinstance(await adapter.create(KEY, attempt()), Created)
        server.answers = [drop]
        assert isinstance(await adapter.create(KEY, attempt()), OutcomeUnknown)
        assert len(server.requests) == 2


async def test_an_answer_that_drips_in_is_unknown_in_time() -> None:
    """The time for an answer is bounded as a whole, not only from byte to byte."""

    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=201)
        await response.prepare(request)
        for _ in range(50):
            await response.write(b" ")
            await asyncio.sleep(0.05)
        return response

    outcome, _ = await outcome_of(drip)
    assert outcome == OutcomeUnknown("no answer in time")


@pytest.mark.parametrize("url", ["closed", "http://nowhere.invalid", "tls"])
async def test_what_was_never_sent_is_not_created(url: str) -> None:
    """A closed port, a name that does not exist and a failed TLS handshake prove that nothing arrived."""

    async def no_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"this is no TLS")

    async with raw_server(no_tls) as plain:
        where = {"closed": await closed_port(), "tls": plain.replace("http:", "https:")}.get(url, url)
        timeouts = Timeouts(connect_s=5, create_read_s=5)
        async with replicate(where, timeouts=timeouts) as adapter:
            assert await adapter.create(KEY, attempt()) == NotCreated(DeferReason.UNREACHABLE, 5)


async def test_a_full_pool_is_not_created() -> None:
    """Who waits in vain for a free connection has sent nothing."""
    async with raw_server(never_answer) as url:
        timeouts = Timeouts(connect_s=0.2, create_read_s=0.6)
        async with replicate(url, timeouts=timeouts, connections=1) as adapter:
            first = asyncio.create_task(adapter.create(KEY, attempt()))
            await asyncio.sleep(0.05)
            assert await adapter.create(KEY, attempt()) == NotCreated(DeferReason.UNREACHABLE, 5)
            assert isinstance(await first, OutcomeUnknown)


@pytest.mark.parametrize(
    ("token", "words"),
    [
        ("", "not set"),
        (" " + TOKEN, "stray character"),
        (TOKEN + "\n", "stray character"),
        ("r8_with blank", "stray character"),
        ("r8_ünicode", "stray character"),
        ("sk-" + "a" * 37, '"r8_"'),
    ],
)
async def test_a_bad_token_is_explained_and_nothing_is_sent(
    token: str, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Each mistake in the token has its own text, without the token; the create is surely not made."""
    async with scripted(says(201, CREATED)) as server, replicate(server.url, Token(token)) as adapter:
        assert await adapter.create(KEY, attempt()) == NotCreated(DeferReason.NOT_CONFIGURED, 60)
        with pytest.raises(ConfigurationError, match=words) as error:
            await adapter.account()
    assert not server.requests
    assert words in caplog.text
    texts = caplog.text + str(error.value)
    assert not token.strip() or token.strip() not in texts


async def test_secrets_that_cannot_be_had_put_the_create_off() -> None:
    """Without the signing secret nothing is sent, and so surely nothing created."""

    async def down() -> str:
        raise Unavailable(Dependency.KEY_VAULT, "unreachable", retry_after_s=8)

    async with scripted(says(201, CREATED)) as server, replicate(server.url, signing_secret=down) as adapter:
        assert await adapter.create(KEY, attempt()) == NotCreated(DeferReason.KEY_VAULT_UNAVAILABLE, 8)
    assert not server.requests
