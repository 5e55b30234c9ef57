"""Time-outs of the connector: each bounds the whole verb, and never ends in an empty answer."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from shared.adapters.replicate.sdk import errors
from shared.adapters.replicate.sdk.api import NewPrediction, ReplicateApi
from shared.adapters.replicate.sdk.connector import ReplicateConnector
from shared.adapters.replicate.sdk.http import Timeouts
from shared.adapters.replicate.sdk.types import Account, FullPrediction
from shared.core.provider.prediction import Status
from tests.adapters.replicate_api.world import LLAMA, OWNER, TRAINER, World, api_at
from tests.adapters.simulators import never_answer, raw_server, scripted

pytestmark = pytest.mark.long  # it waits for time-outs


@pytest.fixture
def connector(world: World) -> ReplicateConnector:
    """A connector on the simulator, whose requests the witness sees."""
    return connected_by(world.api)


def connected_by(api: ReplicateApi) -> ReplicateConnector:
    """A connector whose account is known already, so that nothing is sent before the verb that is tested."""
    connector = ReplicateConnector(api=api)
    connector._api = api
    connector._account = Account.read({"username": OWNER})
    return connector


def running() -> FullPrediction:
    """A prediction that has not ended."""
    prediction = FullPrediction.read({"id": "p" * 26, "status": "processing"})
    assert prediction is not None
    return prediction


async def _last(events: AsyncIterator[object]) -> object:
    """Read a paged list to its end and return the last item."""
    last: object = None
    async for event in events:
        last = event
    return last


async def _timed_out_after(wait: Callable[[], Awaitable[object]], timeout_s: float) -> float:
    """The seconds until a wait raised TimedOutError, with its own bound in the text."""
    began = time.monotonic()
    with pytest.raises(errors.TimedOutError, match=rf"\b{timeout_s:g} s\b"):
        await wait()
    return time.monotonic() - began


SILENT = Timeouts(connect_s=30, create_read_s=30, total_s=60)


@pytest.mark.parametrize("timeout_s", [1, 2])
async def test_a_time_out_is_a_bound_against_a_server_that_never_answers(timeout_s: float) -> None:
    """Each verb that waits ends within one and a half times its time, and names that time."""
    async with raw_server(never_answer) as url:
        api = api_at(url, timeouts=SILENT)
        connector = connected_by(api)
        waits: dict[str, Callable[[], Awaitable[object]]] = {
            "connect": lambda: ReplicateConnector(api=api).connect(timeout=timeout_s),
            "inference": lambda: connector.inference(LLAMA, "x", timeout=timeout_s),
            "inference of one's own": lambda: connector.inference(f"{OWNER}/own", "x", timeout=timeout_s),
            "inference with settings": lambda: connector.inference(LLAMA, "x", {"top_p": 1}, timeout=timeout_s),
            "wait": lambda: connector.wait_for_prediction("p" * 26, timeout=timeout_s),
            "wait and leave": lambda: connector.wait_for_prediction("p" * 26, timeout_s, cancel_on_timeout=False),
            "create": lambda: connector.create_prediction(LLAMA, timeout=timeout_s),
            "create of one's own": lambda: connector.create_prediction(f"{OWNER}/own", timeout=timeout_s),
            "get": lambda: connector.get_prediction("p" * 26, timeout=timeout_s),
            "cancel": lambda: connector.cancel_prediction("p" * 26, timeout=timeout_s),
            "version": lambda: connector.create_model_version(
                f"{OWNER}/own", "v1", "https://weights.example/a", {"trainer": LLAMA}, timeout=timeout_s
            ),
            "deploy": lambda: connector.deploy_model("own", LLAMA, timeout=timeout_s),
            "deploy an adapter": lambda: connector.deploy_model(
                "own", LLAMA, __file__, {"trainer": TRAINER}, timeout=timeout_s
            ),
            "stream": lambda: _last(connector.stream(LLAMA, "x", timeout=timeout_s)),
            "stream of a prediction": lambda: _last(api.predictions.stream(running(), timeout_s=timeout_s)),
            "download": lambda: connector.download_image(f"{url}/out-0.png", timeout=timeout_s),
        }
        times = dict(
            zip(
                waits,
                await asyncio.gather(*(_timed_out_after(wait, timeout_s) for wait in waits.values())),
                strict=True,
            )
        )
        assert {name: spent_s for name, spent_s in times.items() if spent_s > 1.5 * timeout_s} == {}
        began = time.monotonic()
        health = await connector.health_check(timeout=timeout_s)
        assert (health.healthy, health.problem) == (False, f"account.get: no answer within {timeout_s:g} s")
        assert time.monotonic() - began <= 1.5 * timeout_s
        await api.close()


async def test_a_time_out_says_what_may_run_on() -> None:
    """The prediction's id, or that one may run on and for how long; if nothing was sent, that nothing was created."""
    trainer = f"{LLAMA}:{'a' * 64}"
    waits: list[tuple[Callable[[ReplicateConnector], Awaitable[object]], str, str]] = [
        (lambda c: c.create_prediction(LLAMA, timeout=0.2), "", "may run on for 30 min after its start"),
        (lambda c: c.create_prediction(LLAMA, cancel_after=60, timeout=0.2), "", "may run on for 60 s after its cre"),
        (lambda c: c.create_prediction(f"{OWNER}/own", timeout=0.2), "", "nothing was created"),
        (lambda c: c.inference(LLAMA, "x", timeout=0.2), "", "may run on for 5 s after its creation"),
        (lambda c: c.inference(f"{OWNER}/own", "x", timeout=0.2), "", "nothing was created"),
        (lambda c: c.get_prediction("p" * 26, timeout=0.2), "p" * 26, "no answer within"),
        (lambda c: c.cancel_prediction("p" * 26, timeout=0.2), "p" * 26, "may run on.*Cancel it again"),
        (lambda c: c.wait_for_prediction("p" * 26, timeout=0.2), "p" * 26, "may run on for 30 min"),
        (lambda c: c.create_model_version("a/b", "v", config={"trainer": trainer}, timeout=0.2), "", "trainings.list"),
        (lambda c: c.create_model_version("a/b", "v", config={"trainer": LLAMA}, timeout=0.2), "", "no training was"),
        (lambda c: c.deploy_model("own", LLAMA, timeout=0.2), "", f"{OWNER}/own may have been made or changed"),
    ]
    async with raw_server(never_answer) as url:
        api = api_at(url, timeouts=SILENT)
        connector = connected_by(api)
        raised = await asyncio.gather(*(wait(connector) for wait, _, _ in waits), return_exceptions=True)
        for error, (_, prediction_id, text) in zip(raised, waits, strict=True):
            assert isinstance(error, errors.TimedOutError)
            assert error.prediction_id == prediction_id
            assert prediction_id in str(error)
            assert re.search(text, str(error))
        await api.close()
        api = api_at(url, timeouts=Timeouts(connect_s=1, create_read_s=1, total_s=0.05))
        with pytest.raises(errors.TimedOutError) as shorter:  # a bound of the connections: it has the id too
            await connected_by(api).get_prediction("p" * 26)
        assert shorter.value.prediction_id == "p" * 26
        await api.close()


@pytest.mark.parametrize("timeout_s", [1.2, 3, 5.5])
async def test_a_stuck_model_is_a_time_out_and_no_empty_answer(
    world: World, connector: ReplicateConnector, timeout_s: float
) -> None:
    """Whether this process or Replicate ends it first: it raises, and returns no empty "canceled" answer."""
    world.takes(0.01, 600)
    began = time.monotonic()
    with pytest.raises(errors.TimedOutError, match=rf"took over {timeout_s:g} s: canceled"):
        await connector.inference(LLAMA, "x", timeout=timeout_s)
    assert time.monotonic() - began <= timeout_s + 0.5
    (prediction,) = [each async for each in world.api.predictions.list()]
    assert prediction.status is Status.CANCELED


@pytest.mark.parametrize("status", ["canceled", "aborted"])
async def test_what_replicate_ended_at_our_deadline_is_a_time_out(status: str) -> None:
    """Cancel-After may end it a moment before this process. One that was canceled earlier was not slow."""
    body = json.dumps({"id": "p" * 26, "status": status, "output": None}).encode()

    async with scripted(web.Response(status=201, body=body)) as server:
        api = api_at(server.url)
        with pytest.raises(errors.FailedError, match=f"ended as {status}"):
            await connected_by(api).inference(LLAMA, "x", timeout=9)
        with pytest.raises(errors.TimedOutError):
            await connected_by(api).inference(LLAMA, "x", timeout=0.5)
        await api.close()


@pytest.mark.parametrize("timeout_s", [float("inf"), float("nan"), -1, 86_401, True, "8", None, 10**400])
async def test_a_malformed_time_is_refused_before_anything_is_sent(
    world: World, connector: ReplicateConnector, timeout_s: Any
) -> None:
    """As a ValidationError in plain words, never as an OverflowError."""
    with pytest.raises(errors.ValidationError, match="timeout must be a number of seconds from 0 to 86400"):
        await connector.inference(LLAMA, "x", timeout=timeout_s)
    if timeout_s != 86_401:
        for wait in (
            connector.wait_for_prediction("p" * 26, timeout=timeout_s),
            connector.health_check(timeout=timeout_s),
        ):
            with pytest.raises(errors.ValidationError, match="timeout must be a number of seconds"):
                await wait
        with pytest.raises(errors.ValidationError, match="timeout_s"):
            world.api.predictions.stream(running(), timeout_s=timeout_s)
        if timeout_s is not None:
            with pytest.raises(errors.ValidationError, match="poll_interval"):
                await connector.wait_for_prediction("p" * 26, poll_interval=timeout_s)
    assert world.witness.requests == []


@pytest.mark.parametrize("field", ["wait_s", "cancel_after_s"])
@pytest.mark.parametrize("value", [float("nan"), 7.5, True, 0, 10**9])
async def test_a_header_of_seconds_is_a_whole_number(world: World, field: str, value: Any) -> None:
    """What the headers cannot say is refused before it is sent."""
    with pytest.raises(errors.ValidationError, match=field):
        await world.api.predictions.create_by_model(LLAMA, NewPrediction(inputs={}, **{field: value}))
    assert world.witness.requests == []
