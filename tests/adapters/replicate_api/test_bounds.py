"""Time-outs of the connector: each bounds the whole verb, and never ends in an empty answer."""

import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from shared.adapters.replicate.sdk import errors
from shared.adapters.replicate.sdk.api import NewPrediction
from shared.adapters.replicate.sdk.connector import ReplicateConnector
from shared.adapters.replicate.sdk.http import Timeouts
from shared.adapters.replicate.sdk.types import FullPrediction
from shared.core.provider.prediction import Status
from tests.adapters.replicate_api.world import LLAMA, World, api_at
from tests.adapters.simulators import never_answer, raw_server, scripted

pytestmark = pytest.mark.long  # it waits for time-outs


@pytest.fixture
def connector(world: World) -> ReplicateConnector:
    """A connector on the simulator."""
    return ReplicateConnector(world.api)


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


SILENT = Timeouts(connect_s=30, create_read_s=30, total_s=60)


@pytest.mark.parametrize("timeout_s", [1, 2])
async def test_a_time_out_is_a_bound_against_a_server_that_never_answers(timeout_s: float) -> None:
    """Each verb that waits ends within one and a half times its time, and names that time."""
    async with raw_server(never_answer) as url:
        api = api_at(url, timeouts=SILENT)
        connector = ReplicateConnector(api)
        waits: dict[str, Callable[[], Awaitable[object]]] = {
            "inference": lambda: connector.inference(LLAMA, {"prompt": "x"}, timeout_s=timeout_s),
            "wait": lambda: connector.wait_for_prediction("p" * 26, timeout_s=timeout_s),
            "stream": lambda: _last(api.predictions.stream(running(), timeout_s=timeout_s)),
        }
        for name, wait in waits.items():
            began = time.monotonic()
            with pytest.raises(errors.TimedOutError, match=rf"\b{timeout_s:g} s\b"):
                await wait()
            assert time.monotonic() - began <= 1.5 * timeout_s, name
        began = time.monotonic()
        health = await connector.health_check(timeout_s=timeout_s)
        assert (health.healthy, health.problem) == (False, f"account.get: no answer within {timeout_s:g} s")
        assert time.monotonic() - began <= 1.5 * timeout_s
        await api.close()


@pytest.mark.parametrize("timeout_s", [1.2, 3, 5.5])
async def test_a_stuck_model_is_a_time_out_and_no_empty_answer(
    world: World, connector: ReplicateConnector, timeout_s: float
) -> None:
    """Whether this process or Replicate ends it first: it raises, and returns no empty "canceled" answer."""
    world.takes(0.01, 600)
    began = time.monotonic()
    with pytest.raises(errors.TimedOutError, match=rf"took over {timeout_s:g} s: canceled"):
        await connector.inference(LLAMA, {"prompt": "x"}, timeout_s=timeout_s)
    assert time.monotonic() - began <= timeout_s + 0.5
    (prediction,) = [each async for each in world.api.predictions.list()]
    assert prediction.status is Status.CANCELED


@pytest.mark.parametrize("status", ["canceled", "aborted"])
async def test_what_replicate_ended_at_our_deadline_is_a_time_out(status: str) -> None:
    """Cancel-After may end it a moment before this process. A prediction that was canceled earlier is an answer."""
    body = json.dumps({"id": "p" * 26, "status": status, "output": None}).encode()

    async with scripted(web.Response(status=201, body=body)) as server:
        api = api_at(server.url)
        early = await ReplicateConnector(api).inference(LLAMA, {"prompt": "x"}, timeout_s=9)
        assert early.prediction.status.value == status
        with pytest.raises(errors.TimedOutError):
            await ReplicateConnector(api).inference(LLAMA, {"prompt": "x"}, timeout_s=0.5)
        await api.close()


@pytest.mark.parametrize("timeout_s", [float("inf"), float("nan"), -1, 86_401, True, "8", None, 10**400])
async def test_a_malformed_time_is_refused_before_anything_is_sent(
    world: World, connector: ReplicateConnector, timeout_s: Any
) -> None:
    """As a ValidationError in plain words, never as an OverflowError."""
    with pytest.raises(errors.ValidationError, match="timeout_s must be a number of seconds from 0 to 86400"):
        await connector.inference(LLAMA, {"prompt": "x"}, timeout_s=timeout_s)
    if timeout_s != 86_401:
        for wait in (
            connector.wait_for_prediction("p" * 26, timeout_s=timeout_s),
            connector.health_check(timeout_s=timeout_s),
        ):
            with pytest.raises(errors.ValidationError, match="timeout_s must be a number of seconds"):
                await wait
        with pytest.raises(errors.ValidationError, match="timeout_s"):
            world.api.predictions.stream(running(), timeout_s=timeout_s)
        with pytest.raises(errors.ValidationError, match="first_look_s"):
            await connector.wait_for_prediction("p" * 26, first_look_s=timeout_s)
    assert world.witness.requests == []


@pytest.mark.parametrize("field", ["wait_s", "cancel_after_s"])
@pytest.mark.parametrize("value", [float("nan"), 7.5, True, 0, 10**9])
async def test_a_header_of_seconds_is_a_whole_number(world: World, field: str, value: Any) -> None:
    """What the headers cannot say is refused before it is sent."""
    with pytest.raises(errors.ValidationError, match=field):
        await world.api.predictions.create_by_model(LLAMA, NewPrediction(inputs={}, **{field: value}))
    assert world.witness.requests == []
