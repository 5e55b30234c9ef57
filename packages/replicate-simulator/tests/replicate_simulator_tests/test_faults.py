"""Each fault of creating and running, once; then the list of faults itself."""

from typing import Any

import httpx
import pytest

from replicate_simulator_tests.world import PRO, SCHNELL, World

BODY: Any = {"input": {"prompt": "a red fox"}}


async def predictions(world: World) -> int:
    """How many predictions were really created."""
    return int((await world.look("stats"))["predictions"])


@pytest.mark.parametrize(
    ("hint", "header", "retry_after", "text"),
    [
        ("header", "7", None, "Request was throttled."),
        ("body", None, 7, "Request was throttled."),
        ("text", None, None, "Request was throttled. Your rate limit resets in ~7s."),
        ("all", "7", 7, "rate limit resets in ~7s."),
    ],
)
async def test_create_429(world: World, hint: str, header: str | None, retry_after: int | None, text: str) -> None:
    """The waiting time stands where it shall, and nowhere else; nothing is created."""
    await world.sim("faults", kind="create_429", hint=hint, seconds=7)
    answer = await world.call("POST", SCHNELL, json=BODY)
    assert answer.status_code == 429
    assert answer.headers.get("retry-after") == header
    assert answer.json().get("retry_after") == retry_after
    assert answer.json()["detail"].endswith(text)
    assert await predictions(world) == 0
    await world.create()


@pytest.mark.parametrize(
    ("kind", "status", "text"),
    [
        ("create_401", 401, "Invalid or expired API token."),
        ("create_402", 402, "You have insufficient credit"),
        ("create_422", 422, "- input: prompt is required"),
    ],
)
async def test_create_refused(world: World, kind: str, status: int, text: str) -> None:
    """The real body of the refusal; nothing is created."""
    await world.sim("faults", kind=kind)
    answer = await world.call("POST", SCHNELL, json=BODY)
    assert (answer.status_code, answer.json()["status"]) == (status, status)
    assert answer.json()["detail"].startswith(text)
    assert await predictions(world) == 0


@pytest.mark.parametrize(("kind", "created"), [("create_5xx_before", 0), ("create_5xx_after", 1)])
async def test_create_5xx(world: World, kind: str, created: int) -> None:
    """Both answer with the same HTML page; only one has created something, and says so to nobody but /_sim."""
    await world.sim("faults", kind=kind, status=520)
    answer = await world.call("POST", SCHNELL, json=BODY)
    assert (answer.status_code, answer.headers["content-type"]) == (520, "text/html; charset=utf-8")
    assert await predictions(world) == created
    assert [each["answered"] for each in await world.look("predictions")] == [False] * created


async def test_create_timeout_after(world: World) -> None:
    """The connection ends without an answer; the prediction lives and succeeds."""
    await world.sim("faults", kind="create_timeout_after", seconds=0.05)
    with pytest.raises(httpx.TransportError):
        await world.call("POST", SCHNELL, json=BODY)
    (truth,) = await world.look("predictions")
    assert truth["answered"] is False
    assert (await world.finished(truth["id"]))["status"] == "succeeded"


async def test_get_5xx(world: World) -> None:
    """A read fails, the list fails, then both work; a fault for a prompt leaves the list alone."""
    one = f"/v1/predictions/{(await world.create())['id']}"
    await world.sim("faults", kind="get_5xx", times=2, status=500)
    assert [(await world.call("GET", path)).status_code for path in (one, "/v1/predictions")] == [500, 500]
    await world.sim("faults", kind="get_5xx", match={"prompt_contains": "fox"})
    assert [(await world.call("GET", path)).status_code for path in ("/v1/predictions", one, one)] == [200, 502, 200]


async def test_get_404_and_get_empty(world: World) -> None:
    """Of a prediction that is there: Replicate's own 404, a load balancer's, and an answer without the output."""
    one = f"/v1/predictions/{(await world.create())['id']}"
    await world.sim("faults", kind="get_404")
    await world.sim("faults", kind="get_404", plain=True)
    await world.sim("faults", kind="get_empty")
    own, plain, empty, whole = [await world.call("GET", one) for _ in range(4)]
    assert (own.status_code, own.json()["status"]) == (404, 404)
    assert (plain.status_code, plain.text) == (404, "default backend - 404")
    assert (empty.status_code, empty.json()["output"]) == (200, None)
    assert whole.status_code == 200


@pytest.mark.parametrize(
    ("fault", "status", "words"),
    [
        ({"kind": "create_403"}, 403, "Cloudflare"),
        ({"kind": "create_403", "page": False}, 403, '"detail"'),
        ({"kind": "create_404"}, 404, "default backend - 404"),
        ({"kind": "create_422_webhook"}, 422, '"field": "webhook"'),
    ],
)
async def test_what_is_the_operators_trouble(world: World, fault: dict[str, Any], status: int, words: str) -> None:
    """Nothing is created."""
    await world.sim("faults", **fault)
    answer = await world.call("POST", SCHNELL, json=BODY)
    assert (answer.status_code, words in answer.text) == (status, True)
    assert await predictions(world) == 0


FAILURES = [
    "Prediction interrupted; please retry (code: PA)",
    "Prediction timed out",
    "Director: unexpected error handling prediction (E9828)",
    "E6716: timeout starting prediction",
    "The input or output was flagged as sensitive. Please try again with different inputs. (E005) (abc)",
    "NSFW content detected. Try running it again, or try a different prompt.",
    "CUDA out of memory. Tried to allocate 2.00 GiB",
    "Insufficient provider credit (E001)",
]


@pytest.mark.parametrize("error", FAILURES)
async def test_failed(world: World, error: str) -> None:
    """A prediction fails with the given text, and has no output."""
    await world.sim("faults", kind="failed", error=error)
    done = await world.finished((await world.create())["id"])
    assert (done["status"], done["error"], done["output"]) == ("failed", error, None)
    assert "started_at" in done


async def test_failed_before_start(world: World) -> None:
    """A boot that fails leaves no started_at."""
    await world.sim("faults", kind="failed", error="E9243", before_start=True)
    done = await world.finished((await world.create())["id"])
    assert (done["status"], "started_at" in done) == ("failed", False)


async def test_nsfw_partial(world: World) -> None:
    """It succeeds with fewer outputs, says so in its logs, and the dropped file is not there."""
    await world.sim("faults", kind="nsfw_partial", drop=2)
    done = await world.finished((await world.create(input={"num_outputs": 4}))["id"])
    assert (done["status"], len(done["output"]), done["metrics"]["image_output_count"]) == ("succeeded", 2, 2)
    assert done["logs"].endswith("NSFW content detected in image 2\nNSFW content detected in image 3\n")
    assert (await world.http.get(done["output"][0].replace("out-0", "out-2"))).status_code == 404


async def test_nsfw_all(world: World) -> None:
    """It fails with the open FLUX text."""
    await world.sim("faults", kind="nsfw_all")
    done = await world.finished((await world.create())["id"])
    assert (done["status"], done["output"]) == ("failed", None)
    assert done["error"] == "All generated images contained NSFW content. Try running it again with a different prompt."


async def test_slow_start_stuck_and_abort(world: World) -> None:
    """A cold boot takes its seconds; a stuck run never ends; an abort ends before the start."""
    for kind in ("slow_start", "stuck", "abort"):
        await world.sim("faults", kind=kind, match={"prompt_contains": kind})
    slow, stuck, aborted = [
        (await world.create(input={"prompt": kind}))["id"] for kind in ("slow_start", "stuck", "abort")
    ]
    assert (await world.finished(aborted))["status"] == "aborted"
    assert (await world.get(slow))["status"] == "starting"
    await world.sim("clock", advance_s=31)
    assert (await world.get(slow))["status"] == "succeeded"
    assert (await world.get(stuck))["status"] == "processing"


async def test_a_fault_hits_the_prompt_it_means_and_is_used_up(world: World) -> None:
    """Another prompt passes; the right one is hit so many times; the list shows what is left."""
    await world.sim("faults", kind="create_402", times=2, match={"prompt_contains": "castle"})
    await world.create()
    for left in (1, 0):
        answer = await world.call("POST", PRO, json={"input": {"prompt": "a castle"}})
        assert answer.status_code == 402
        assert [each["times"] for each in await world.look("faults")] == ([left] if left else [])
    await world.create(input={"prompt": "a castle"})


async def test_a_fault_for_ever_ends_when_cleared(world: World) -> None:
    """Times -1 hits until DELETE."""
    await world.sim("faults", kind="create_402", times=-1)
    for _ in range(3):
        assert (await world.call("POST", SCHNELL, json=BODY)).status_code == 402
    assert (await world.http.delete("/_sim/faults")).status_code == 204
    await world.create()


@pytest.mark.parametrize(
    "bad",
    [
        {"kind": "earthquake"},
        {"kind": []},
        {},
        {"kind": "stuck", "times": 0},
        {"kind": "stuck", "seconds": 1},
        {"kind": "create_429", "hint": "smoke"},
        {"kind": "create_429", "seconds": -1},
        {"kind": "create_5xx_after", "status": 200},
        {"kind": "failed", "error": 7},
        {"kind": "unsafe_image", "severity": 5},
        {"kind": "webhook_lost", "event": "end"},
        {"kind": "stuck", "match": {"prompt": "x"}},
    ],
)
async def test_an_invalid_fault_is_refused(world: World, bad: dict[str, Any]) -> None:
    """A wrong kind, parameter or match is 400 with a reason, and no fault is added."""
    answer = await world.http.post("/_sim/faults", json=bad)
    assert answer.status_code == 400
    assert answer.json()["detail"]
    assert await world.look("faults") == []
