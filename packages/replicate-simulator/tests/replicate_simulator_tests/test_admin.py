"""/_sim: the switches and their answers."""

import pytest

from replicate_simulator_tests.world import SCHNELL, TOKEN, Receiver, World


async def test_stats_count_what_happened(world: World, receiver: Receiver) -> None:
    """Requests per endpoint, predictions by status, webhooks."""
    created = await world.create(webhook=receiver.url)
    await world.finished(created["id"])
    await world.sim("quiet", wait_s=1)
    await world.http.get("/nowhere")
    stats = await world.look("stats")
    assert stats["requests"]["POST /v1/models/{owner}/{name}/predictions"] == 1
    assert stats["requests"]["GET /v1/predictions/{id}"] >= 1
    assert stats["requests"]["GET unknown"] == 1
    assert (stats["predictions"], stats["alive"], stats["statuses"]) == (1, 0, {"succeeded": 1})
    assert (stats["webhooks_sent"], stats["webhooks_delivered"], stats["webhooks_in_flight"]) == (2, 2, 0)


async def test_the_truth_about_a_prediction(world: World) -> None:
    """Its seed, its faults and whether its creation was answered."""
    await world.sim("faults", kind="slow_start", seconds=9)
    created = await world.create(input={"seed": 3})
    (truth,) = await world.look("predictions")
    assert (truth["id"], truth["seed"], truth["answered"], truth["faults"]) == (
        created["id"],
        3,
        True,
        {"slow_start": {"seconds": 9}},
    )


async def test_run_time(world: World) -> None:
    """Predictions created after the switch take the time that it sets."""
    assert await world.sim("run_time", run_s=40) == {"start_s": 0.02, "run_s": 40}
    created = await world.create()
    await world.sim("clock", advance_s=39)
    assert (await world.get(created["id"]))["status"] == "processing"
    await world.sim("clock", advance_s=2)
    assert (await world.finished(created["id"]))["metrics"]["predict_time"] == 40


async def test_a_rotated_token_ends_the_old_one(world: World) -> None:
    """The old token is 401 at once, the new one works."""
    await world.sim("token", token="r8_new")
    assert (await world.call("POST", SCHNELL, json={"input": {"prompt": "x"}})).status_code == 401
    answer = await world.http.get("/v1/account", headers={"Authorization": "Bearer r8_new"})
    assert answer.status_code == 200
    await world.sim("token", token=TOKEN)


async def test_quiet_ends_everything_without_a_word(world: World, receiver: Receiver) -> None:
    """Faults are removed, predictions canceled and webhooks dropped; the answer counts them."""
    await world.sim("faults", kind="stuck")
    await world.sim("faults", kind="webhook_late", seconds=600)
    await world.sim("faults", kind="get_5xx", times=-1)
    stuck = await world.create(webhook=receiver.url, webhook_events_filter=["completed"])
    assert await world.sim("quiet") == {"ended": {"faults": 1, "predictions": 1, "webhooks": 0}}
    assert (await world.get(stuck["id"]))["status"] == "canceled"
    await world.sim("faults", kind="webhook_late", seconds=600)
    late = await world.create(webhook=receiver.url, webhook_events_filter=["completed"])
    await world.finished(late["id"])
    assert await world.sim("quiet", wait_s=0.05) == {"ended": {"faults": 0, "predictions": 0, "webhooks": 1}}
    assert receiver.bodies == []
    assert await world.sim("quiet", wait_s=5) == {"ended": {"faults": 0, "predictions": 0, "webhooks": 0}}


async def test_quiet_waits_for_what_ends_by_itself(world: World, receiver: Receiver) -> None:
    """With time to wait nothing has to be ended, and every webhook has come."""
    for _ in range(3):
        await world.create(webhook=receiver.url)
    assert await world.sim("quiet", wait_s=3) == {"ended": {"faults": 0, "predictions": 0, "webhooks": 0}}
    assert len(receiver.bodies) == 6


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("run_time", {"run_s": -1}),
        ("run_time", []),
        ("clock", {"advance_s": "1h"}),
        ("pictures", {"mode": "cubist"}),
        ("webhook-secret", {"secret": "x"}),
        ("webhook-secret", {}),
        ("token", {"token": ""}),
    ],
)
async def test_nonsense_is_refused(world: World, path: str, body: object) -> None:
    """The answer is 400 with a reason."""
    answer = await world.http.post(f"/_sim/{path}", json=body)
    assert answer.status_code == 400
    assert answer.json()["detail"]
