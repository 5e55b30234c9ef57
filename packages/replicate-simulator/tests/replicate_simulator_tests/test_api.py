"""/v1 over a real socket; every successful answer is held against the OpenAPI document where there is a copy."""

from typing import Any

import httpx
import pytest

from replicate_simulator.models import MODELS
from replicate_simulator_tests import contract
from replicate_simulator_tests.world import JSON, PRO, SCHNELL, SECRET, TOKEN, World


@pytest.mark.parametrize(
    ("authorization", "body"),
    [
        (None, {"detail": "Authorization header required"}),
        (
            f"Token {TOKEN}",
            {"title": "Unauthenticated", "detail": "You did not pass a valid authentication token", "status": 401},
        ),
        (
            "Bearer r8_wrong",
            {"title": "Authentication required", "detail": "Invalid or expired API token.", "status": 401},
        ),
    ],
)
async def test_without_the_token_everything_is_401(
    world: World, authorization: str | None, body: dict[str, Any]
) -> None:
    """Each kind of missing token has its real body; nothing is created."""
    headers = {} if authorization is None else {"Authorization": authorization}
    for method, path in (("POST", SCHNELL), ("GET", "/v1/predictions"), ("GET", "/v1/account")):
        answer = await world.http.request(method, path, headers=headers, json={"input": {"prompt": "x"}})
        assert (answer.status_code, answer.json()) == (401, body)
    assert (await world.look("stats"))["predictions"] == 0


async def test_account_and_secret(world: World) -> None:
    """The token's health check, and the signing secret."""
    assert (await world.call("GET", "/v1/account")).json()["type"] == "organization"
    assert (await world.call("GET", "/v1/webhooks/default/secret")).json() == {"key": SECRET}


@pytest.mark.parametrize(
    ("path", "version", "shown"),
    [
        (SCHNELL, None, "hidden"),
        ("/v1/predictions", "black-forest-labs/flux-schnell", "hidden"),
        ("/v1/predictions", MODELS["black-forest-labs/flux-dev"].version, MODELS["black-forest-labs/flux-dev"].version),
        ("/v1/deployments/acme/flux-schnell/predictions", None, None),
    ],
)
async def test_all_three_ways_to_create(world: World, path: str, version: str | None, shown: str | None) -> None:
    """By model, by version, by deployment: 201 and starting, then processing, then succeeded with a list."""
    body: JSON = {} if version is None else {"version": version}
    created = await world.create(path, input={"seed": 0, "num_outputs": 2}, **body)
    assert (created["status"], created["output"], created["logs"]) == ("starting", None, "")
    assert created["urls"]["get"] == f"{world.url}/v1/predictions/{created['id']}"
    assert created.get("deployment") == ("acme/flux-schnell" if "deployments" in path else None)
    assert created["version"] == (shown or f"dp-{MODELS['black-forest-labs/flux-schnell'].version}")
    done = await world.finished(created["id"])
    assert (done["status"], len(done["output"]), done["logs"]) == ("succeeded", 2, "Using seed: 0\n")
    assert done["input"] == {"prompt": "a red fox", "seed": 0, "num_outputs": 2}
    assert done["metrics"]["image_count"] == done["metrics"]["image_output_count"] == 2
    assert done["metrics"]["predict_time"] == pytest.approx(0.03)


async def test_flux_pro_gives_one_uri(world: World) -> None:
    """Its output is a string."""
    created = await world.create(PRO)
    output = (await world.finished(created["id"]))["output"]
    assert isinstance(output, str)
    assert output.startswith(f"{world.url}/delivery/")


async def test_the_webhook_is_echoed_only_when_asked(world: World) -> None:
    """`webhook` and `webhook_events_filter` are in the object if they were in the request."""
    plain = await world.create()
    assert "webhook" not in plain
    asked = await world.create(webhook="https://127.0.0.1:9/x?job=1", webhook_events_filter=["start", "completed"])
    assert (asked["webhook"], asked["webhook_events_filter"]) == ("https://127.0.0.1:9/x?job=1", ["start", "completed"])


@pytest.mark.parametrize(
    ("path", "content", "status", "title"),
    [
        (SCHNELL, b"{", 400, "Bad request"),
        (SCHNELL, b"[]", 400, "Bad request"),
        (SCHNELL, b'{"input": {"prompt": "x", "seed": NaN}}', 400, "Bad request"),
        (SCHNELL, b"[" * 100_000, 400, "Bad request"),
        (SCHNELL, b'{"input": {"prompt": "x", "seed": 1e999}}', 422, "Input validation failed"),
        (SCHNELL, b"{}", 422, "Input validation failed"),
        (SCHNELL, b'{"input": 7}', 422, "Input validation failed"),
        (SCHNELL, b'{"input": {"prompt": "x"}, "version": "x"}', 422, "Input validation failed"),
        ("/v1/predictions", b'{"input": {"prompt": "x"}, "version": "x"}', 422, "Invalid version or not permitted"),
        ("/v1/models/luma/ray/predictions", b'{"input": {"prompt": "x"}}', 404, "Not found"),
        ("/v1/deployments/acme/ray/predictions", b'{"input": {"prompt": "x"}}', 404, "Not found"),
    ],
)
async def test_bad_requests_are_problems_and_create_nothing(
    world: World, path: str, content: bytes, status: int, title: str
) -> None:
    """Whatever is wrong: status, problem+json, no prediction."""
    answer = await world.call("POST", path, content=content)
    assert (answer.status_code, answer.json()["title"]) == (status, title)
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert (await world.look("stats"))["predictions"] == 0


async def test_a_bad_cancel_after_is_422(world: World) -> None:
    """The header is checked with the body."""
    answer = await world.call("POST", SCHNELL, json={"input": {"prompt": "x"}}, headers={"Cancel-After": "4s"})
    assert (answer.status_code, answer.json()["invalid_fields"][0]["field"]) == (422, "Cancel-After")


async def test_cancel_after_aborts_in_the_queue_and_cancels_a_run(world: World) -> None:
    """The deadline is shown; before the start it aborts, during the run it cancels."""
    await world.sim("run_time", start_s=100, run_s=100)
    queued = await world.create(headers={"Cancel-After": "50"})
    running = await world.create(headers={"Cancel-After": "2m30s"})
    assert queued["deadline"] > queued["created_at"]
    await world.sim("clock", advance_s=60)
    aborted = await world.get(queued["id"])
    assert (aborted["status"], "started_at" in aborted) == ("aborted", False)
    assert (await world.get(running["id"]))["status"] == "starting"
    await world.sim("clock", advance_s=50)
    assert (await world.get(running["id"]))["status"] == "processing"
    await world.sim("clock", advance_s=50)
    canceled = await world.get(running["id"])
    assert (canceled["status"], canceled["metrics"]["total_time"]) == ("canceled", 150)


async def test_cancel_ends_a_run_and_leaves_an_end_alone(world: World) -> None:
    """A cancel is 200 with the prediction; after the end it changes nothing; an unknown id is 404."""
    done = await world.create()
    await world.finished(done["id"])
    assert (await world.call("POST", f"/v1/predictions/{done['id']}/cancel")).json()["status"] == "succeeded"
    await world.sim("faults", kind="stuck")
    stuck = await world.create()
    await world.until(stuck["id"], lambda seen: seen["status"] == "processing")
    canceled = (await world.call("POST", f"/v1/predictions/{stuck['id']}/cancel")).json()
    assert (canceled["status"], canceled["output"]) == ("canceled", None)
    for method, path in (("GET", "/v1/predictions/nobody"), ("POST", "/v1/predictions/nobody/cancel")):
        assert (await world.call(method, path)).status_code == 404


async def test_the_list_is_paged_by_a_hundred_newest_first(world: World) -> None:
    """`next` and `previous` are absolute; pages hold still while new predictions come."""
    ids = [(await world.create())["id"] for _ in range(205)]
    first = (await world.call("GET", "/v1/predictions")).json()
    assert [each["id"] for each in first["results"]] == ids[:-101:-1]
    assert (first["previous"], first["next"].startswith(f"{world.url}/v1/predictions?cursor=")) == (None, True)
    await world.create()
    second = (await world.call("GET", first["next"].removeprefix(world.url))).json()
    third = (await world.call("GET", second["next"].removeprefix(world.url))).json()
    assert [each["id"] for each in second["results"] + third["results"]] == ids[-101::-1]
    assert third["next"] is None
    back = (await world.call("GET", third["previous"].removeprefix(world.url))).json()
    assert [each["id"] for each in back["results"]] == [each["id"] for each in second["results"]]


async def test_the_list_can_be_cut_by_creation(world: World) -> None:
    """`created_after` is inclusive, `created_before` exclusive, both survive paging; nonsense is refused."""
    await world.create()
    await world.sim("clock", advance_s=100)
    between = (await world.look("stats"))["now"]
    newer = await world.create()

    async def listed(**query: str) -> list[str]:
        answer = await world.call("GET", f"/v1/predictions?{httpx.QueryParams(query)}")
        return [each["id"] for each in answer.json()["results"]]

    assert await listed(created_after=between) == [newer["id"]]
    assert await listed(created_after=newer["created_at"]) == [newer["id"]]
    assert newer["id"] not in await listed(created_before=between)
    assert await listed(created_after=between, created_before=between) == []
    assert await listed(source="web") == []
    assert (await world.call("GET", "/v1/predictions?created_after=soon")).status_code == 422
    assert (await world.call("GET", "/v1/predictions?cursor=x")).status_code == 400


@contract.needs_document
def test_the_contract_can_be_broken() -> None:
    """The validator sees a missing field, a wrong type, a wrong enum, a bad time and a wrong status."""
    broken = {"id": 7, "status": "done", "created_at": "soon", "urls": {}}
    found = contract.violations(broken, "get", "/predictions/{prediction_id}", 200)
    for part in ("model is missing", "7 is no string", "'done' is not in the enum", "no date", "web is missing"):
        assert any(part in each for each in found), part
    assert contract.violations({}, "get", "/account", 404) == ["status 404 is not among ['200']"]
