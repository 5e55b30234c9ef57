"""An outage of the whole account: every request to the API fails, for a while."""

import asyncio

import httpx
import pytest

from replicate_simulator_tests.world import SCHNELL, World

BODY = {"input": {"prompt": "a red fox"}}


async def statuses(world: World) -> list[int]:
    """The statuses of a create, a read, a list and a training."""
    calls = (
        ("POST", SCHNELL),
        ("GET", "/v1/account"),
        ("GET", "/v1/predictions"),
        ("POST", "/v1/models/a/b/versions/c/trainings"),
    )
    return [(await world.http.request(method, path, json=BODY)).status_code for method, path in calls]


@pytest.mark.parametrize("kind", ["503", "402"])
async def test_every_request_gets_the_same_answer(world: World, kind: str) -> None:
    """Before the token is looked at; outputs and /_sim stay; requests are counted, and nothing is created."""
    url = await world.output()
    await world.sim("outage", kind=kind, seconds=30)
    assert await statuses(world) == [int(kind)] * 4
    page = await world.call("GET", "/v1/account")
    html = page.headers["content-type"].startswith("text/html")
    assert (html, "insufficient credit" in page.text) == (kind == "503", kind == "402")
    assert (await world.http.get(url)).status_code == 200
    stats = await world.look("stats")
    assert (stats["predictions"], stats["requests"]["GET /v1/account"]) == (1, 2)
    assert (await world.http.delete("/_sim/outage")).status_code == 204
    assert (await world.call("GET", "/v1/account")).status_code == 200


async def test_it_ends_by_itself(world: World) -> None:
    """It ends after so many real seconds, whatever the simulated clock shows."""
    await world.sim("outage", kind="503", seconds=0.2)
    await world.sim("clock", advance_s=3600)
    assert (await world.call("GET", "/v1/account")).status_code == 503
    await asyncio.sleep(0.25)
    assert (await world.call("GET", "/v1/account")).status_code == 200


async def test_without_credit_only_what_costs_may_be_refused(world: World) -> None:
    """As at Replicate, predictions can be read and canceled, and no new one starts."""
    await world.sim("run_time", start_s=100)
    running = await world.create()
    await world.sim("outage", kind="402", seconds=30, creates_only=True)
    assert (await world.call("POST", SCHNELL, json=BODY)).status_code == 402
    assert (await world.get(running["id"]))["status"] == "starting"
    assert (await world.call("POST", f"/v1/predictions/{running['id']}/cancel")).status_code == 200


async def test_a_closed_listener_refuses_connections_and_opens_again(world: World) -> None:
    """Kept connections are closed too; afterwards everything is as before."""
    created = await world.create()
    await world.sim("outage", kind="refused", seconds=0.3)
    async with httpx.AsyncClient(base_url=world.url, verify=False) as fresh:
        for client in (world.http, fresh):
            with pytest.raises(httpx.ConnectError):
                await client.get("/v1/account")
    await asyncio.sleep(0.4)
    assert (await world.finished(created["id"]))["status"] == "succeeded"
    assert (await world.look("stats"))["predictions"] == 1


async def test_a_listener_that_is_closed_again_opens_later(world: World) -> None:
    """The last request counts."""
    listener = world.simulator.listener
    assert listener is not None
    await listener.shut(0.05)
    await listener.shut(0.4)
    await asyncio.sleep(0.15)
    with pytest.raises(httpx.ConnectError):
        await world.http.get("/v1/account")
    await asyncio.sleep(0.4)
    assert (await world.call("GET", "/v1/account")).status_code == 200


async def test_a_simulator_without_a_listener_says_so(world: World) -> None:
    """A simulator in another server cannot close its listener."""
    world.simulator.listener = None
    answer = await world.http.post("/_sim/outage", json={"kind": "refused"})
    assert (answer.status_code, "listener" in answer.json()["detail"]) == (400, True)


@pytest.mark.parametrize(
    "bad",
    [
        {},
        {"kind": "flood"},
        {"kind": "503", "seconds": 601},
        {"kind": "503", "seconds": -1},
        {"kind": "402", "creates_only": 1},
    ],
)
async def test_an_invalid_outage_is_refused(world: World, bad: dict[str, object]) -> None:
    """The answer is 400, and everything else works."""
    assert (await world.http.post("/_sim/outage", json=bad)).status_code == 400
    assert (await world.call("GET", "/v1/account")).status_code == 200
