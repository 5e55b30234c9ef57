"""ModelRunner: an answer in time, or Unavailable."""

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from shared.adapters.replicate.running import ModelRunner
from shared.adapters.replicate.sdk.api import ReplicateApi
from shared.adapters.replicate.sdk.token import FixedToken
from shared.adapters.screening import LlamaGuard
from shared.core.safety.moderation import Category
from shared.ports import Unavailable
from tests.adapters.simulators import Scripted, scripted

ID = "abcdefghijklmnopqrstuvwxyz"
MODEL = "meta/llama-guard-3-8b:" + "1" * 64


def says(status: str, output: Any = None, *, code: int = 200, **more: Any) -> web.Response:
    """Replicate's answer with a prediction."""
    return web.json_response({"id": ID, "status": status, "output": output, **more}, status=code)


@asynccontextmanager
async def on(*answers: web.Response) -> AsyncIterator[tuple[ModelRunner, Scripted]]:
    """A runner on a server that answers so."""
    async with scripted(*answers) as server:
        api = ReplicateApi.at(FixedToken("r8_a"), api_url=f"{server.url}/v1")
        try:
            yield ModelRunner(lambda: api, look_every_s=0.01), server
        finally:
            await api.close()


async def test_an_answer_at_once_is_taken() -> None:
    """One POST that waits, with its own end and without a webhook."""
    async with on(says("succeeded", ["un", "safe\n", "S10"], code=201)) as (runner, server):
        assessment = await LlamaGuard(runner, MODEL, 8.5).text("a text")
    assert assessment.severities == {Category.HATE: 6}
    ((method, path, headers, body),) = server.requests
    sent = json.loads(body)
    assert (method, path) == ("POST", "/v1/predictions")
    assert (headers["prefer"], headers["cancel-after"]) == ("wait=8", "9s")
    assert sent == {"version": MODEL, "input": {"prompt": "a text"}}


async def test_a_prediction_that_takes_longer_is_looked_at_again() -> None:
    """Until it has ended."""
    async with on(says("starting", code=201), says("processing"), says("succeeded", "safe")) as (runner, server):
        assert await runner.run(MODEL, {"prompt": "x"}, 5) == ("safe",)
    assert [method for method, *_ in server.requests] == ["POST", "GET", "GET"]


@pytest.mark.parametrize(
    "answer",
    [
        says("failed", error="CUDA out of memory", code=201),
        says("canceled", code=201),
        says("aborted", code=201),
        says("succeeded", "safe", data_removed=True, code=201),
        web.Response(status=401),
        web.Response(status=402),
        web.Response(status=422),
        web.Response(status=500),
        web.Response(status=201, text="safe"),
        web.json_response({"output": "safe"}, status=201),
    ],
    ids=range(10),
)
async def test_any_other_end_is_no_answer(answer: web.Response) -> None:
    """Unavailable: the chain decides what follows."""
    async with on(answer) as (runner, _):
        with pytest.raises(Unavailable, match="replicate"):
            await runner.run(MODEL, {"prompt": "x"}, 1)


async def test_it_never_takes_longer_than_its_bound() -> None:
    """A prediction that does not end is left to its Cancel-After."""
    async with on(says("starting")) as (runner, _):
        began = time.monotonic()
        with pytest.raises(Unavailable, match="in time"):
            await runner.run(MODEL, {"prompt": "x"}, 0.2)
        assert time.monotonic() - began < 1.5
