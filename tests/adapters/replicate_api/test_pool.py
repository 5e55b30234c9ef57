"""Connections: one pool for all, bounded, through the proxies of the environment."""

import asyncio

import pytest
from aiohttp import web

from shared.adapters.replicate.port import Replicate
from shared.adapters.replicate.sdk import errors
from shared.adapters.replicate.sdk.api import ReplicateApi
from shared.adapters.replicate.sdk.http import Timeouts
from shared.adapters.replicate.sdk.token import FixedToken
from tests.adapters.replicate_api.world import SCHNELL, TOKEN, api_at
from tests.adapters.replicate_clients import Token, ref, secret
from tests.adapters.simulators import scripted


async def test_port_and_api_share_one_bounded_pool() -> None:
    """However much is asked at once, by whichever way: no more connections than there may be."""
    open_now = most = 0

    async def slow(request: web.Request) -> web.Response:
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        await asyncio.sleep(0.01)
        open_now -= 1
        return web.json_response({"id": "p" * 26, "status": "starting", "owner": "o", "name": "n"})

    async with scripted(slow) as server:
        port = Replicate(
            api_url=f"{server.url}/v1", webhook_url="https://x", token=Token(), signing_secret=secret, connections=7
        )
        asked = [port.get(ref("p" * 26)) for _ in range(40)], [port.api.models.get(SCHNELL) for _ in range(40)]
        answers = await asyncio.gather(*asked[0], *asked[1])
        assert None not in answers
        assert most == 7
        await port.close()


async def test_the_usual_time_outs() -> None:
    """10 s to connect, 60 s in all; an upload has a second more for each MiB."""
    timeouts = Timeouts()
    assert (timeouts.ask().connect, timeouts.ask().read) == (10, 60)
    assert timeouts.ask(100).read == 160


async def test_an_answer_that_drips_is_cut_off() -> None:
    """The total time holds, not only that of each read."""

    async def dripping(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(100):
            await response.write(b" ")
            await asyncio.sleep(0.05)
        return response

    async with scripted(dripping) as server:
        api = api_at(server.url, timeouts=Timeouts(connect_s=1, total_s=0.2))
        with pytest.raises(errors.OutcomeUnknownError, match="no answer in time"):
            await api.deployments.update("acme/chat")
        await api.close()


async def test_proxies_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTP_PROXY is asked for the whole address, also by methods that are rare; NO_PROXY is not."""
    async with scripted(web.json_response({"next": None, "results": []})) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "api.example")
        api = ReplicateApi.at(FixedToken(TOKEN), api_url="http://replicate.example/v1")
        assert [each async for each in api.models.search("flux")] == []
        await api.close()
        direct = ReplicateApi.at(FixedToken(TOKEN), api_url="http://api.example/v1", timeouts=Timeouts(connect_s=0.5))
        with pytest.raises(errors.TransientError, match="not reached"):
            await direct.deployments.update("acme/chat")
        await direct.close()
    assert [request[0] for request in proxy.requests] == ["QUERY"]
