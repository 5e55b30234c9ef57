"""Lists: page by page, as far as they are wanted, and never elsewhere."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from shared.adapters.replicate.sdk import errors
from shared.adapters.replicate.sdk.api import NewPrediction
from tests.adapters.replicate_api.world import OWNER, SCHNELL, World, api_at
from tests.adapters.simulators import scripted


async def test_a_list_is_read_over_all_its_pages(world: World) -> None:
    """Thirty models and more are several pages, in order and without repeats."""
    for number in range(30):
        await world.api.models.create(f"{OWNER}/own-{number}", hardware="cpu", private=False)
    names = [model.name async for model in world.api.models.list()]
    assert names[:30] == [f"own-{number}" for number in range(29, -1, -1)]
    assert len(names) == len(set(names)) > 30
    assert world.witness.operations.count("models.list") in (-(-len(names) // 25), 0)


async def test_a_page_is_fetched_when_it_is_wanted(world: World) -> None:
    """Whoever stops early asks for no more."""
    for _ in range(101):
        await world.api.predictions.create_by_model(SCHNELL, NewPrediction(inputs={"prompt": "a fox"}))
    asked = len(world.witness.requests)
    listed = world.api.predictions.list()
    await anext(listed)
    await listed.aclose()
    assert len(world.witness.requests) == asked + 1
    assert len([each async for each in world.api.predictions.list()]) == 101


async def test_predictions_are_cut_by_their_creation(world: World) -> None:
    """Both bounds arrive, in UTC whatever their zone; web alone has none here."""
    made = await world.api.predictions.create_by_model(SCHNELL, NewPrediction(inputs={"prompt": "a fox"}))
    now = datetime.now(UTC)
    listed = world.api.predictions.list(created_after=now - timedelta(hours=1), created_before=now + timedelta(hours=1))
    assert [each.id async for each in listed] == [made.id]
    assert [each async for each in world.api.predictions.list(created_after=now + timedelta(hours=1))] == []
    assert [each async for each in world.api.predictions.list(web_only=True)] == []


@pytest.mark.parametrize("following", ["https://evil.example/v1/models", "//evil.example/", 7, "http://["])
async def test_the_next_page_is_at_the_same_origin(following: object) -> None:
    """It is asked with the token; what leads elsewhere ends the list with an error, not quietly."""
    page = {"next": following, "results": [{"owner": "a", "name": "b"}, {"name": "no owner"}]}
    async with scripted(web.Response(body=json.dumps(page).encode())) as server:
        api = api_at(server.url)
        listed = api.models.list()
        assert (await anext(listed)).name == "b"
        with pytest.raises(errors.ReplicateError, match="origin"):
            await anext(listed)
        await api.close()
    assert len(server.requests) == 1


async def test_a_search_asks_for_each_page_as_a_search() -> None:
    """QUERY with its text for every page; the query of ``next`` is kept as it is."""
    async with scripted(web.Response()) as server:
        first = {"next": f"{server.url}/v1/models?cursor=a%2Bb", "results": []}
        last = {"next": None, "results": [{"owner": "a", "name": "b"}]}
        server.answers = [web.Response(body=json.dumps(page).encode()) for page in (first, last)]
        api = api_at(server.url)
        assert [model.name async for model in api.models.search("flux")] == ["b"]
        await api.close()
    assert [(method, path, body) for method, path, _, body in server.requests] == [
        ("QUERY", "/v1/models", b"flux"),
        ("QUERY", "/v1/models?cursor=a%2Bb", b"flux"),
    ]
