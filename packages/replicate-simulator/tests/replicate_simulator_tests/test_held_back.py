"""What the simulator answers as Replicate does to its own clients: held back answers, quoted searches, forms."""

import asyncio
import base64

from replicate_simulator_tests.world import TOKEN, World

LOGIN = {"Authorization": f"Bearer {TOKEN}"}
SCHNELL = "/v1/models/black-forest-labs/flux-schnell"
LLAMA = "/v1/models/meta/meta-llama-3-8b-instruct"


async def test_an_answer_that_is_held_back_comes_a_moment_before_the_end(world: World) -> None:
    """It is "processing" with the whole output, small files as data URIs, no end and no metrics."""
    answer = await world.call(
        "POST", f"{SCHNELL}/predictions", json={"input": {"prompt": "a fox"}}, headers={"Prefer": "wait=5"}
    )
    early = answer.json()
    assert (answer.status_code, answer.headers["Preference-Applied"]) == (201, "wait=5")
    assert early["status"] == "processing"
    assert {"completed_at", "metrics"} & set(early) == set()
    (inline,) = early["output"]
    head, _, body = inline.partition(",")
    done = (await world.call("GET", f"/v1/predictions/{early['id']}")).json()
    assert (done["status"], done["metrics"]["image_output_count"]) == ("succeeded", 1)
    (address,) = done["output"]
    file = await world.http.get(address.removeprefix(world.url))
    assert (head, base64.b64decode(body)) == (f"data:{file.headers['Content-Type']};base64", file.content)


async def test_a_text_that_is_held_back_is_whole(world: World) -> None:
    """The text has all its parts."""
    body = {"input": {"prompt": "foxes"}}
    early = (await world.call("POST", f"{LLAMA}/predictions", json=body, headers={"Prefer": "wait"})).json()
    done = (await world.call("GET", f"/v1/predictions/{early['id']}")).json()
    assert (early["status"], early["output"]) == ("processing", done["output"])


async def test_what_failed_is_held_back_as_failed(world: World) -> None:
    """A failure ends the wait too."""
    await world.sim("faults", kind="failed", error="list index out of range")
    body = {"input": {"prompt": "foxes"}}
    shown = (await world.call("POST", f"{SCHNELL}/predictions", json=body, headers={"Prefer": "wait"})).json()
    assert (shown["status"], shown["error"], shown["output"]) == ("failed", "list index out of range", None)


async def test_what_outlasts_the_wait_has_no_output(world: World) -> None:
    """It is answered as it stands."""
    await world.sim("run_time", start_s=60, run_s=60)
    body = {"input": {"prompt": "foxes"}}
    async with asyncio.timeout(10):
        shown = (await world.call("POST", f"{SCHNELL}/predictions", json=body, headers={"Prefer": "wait=1"})).json()
    assert (shown["status"], shown["output"]) == ("starting", None)


async def test_a_search_in_quotes_finds_what_it_finds_without(world: World) -> None:
    """Two of the clients send the query as JSON."""
    found = [
        [each["name"] for each in (await world.call("QUERY", "/v1/models", content=query)).json()["results"]]
        for query in ("flux-schnell", '"flux-schnell"')
    ]
    assert found == [["flux-schnell"], ["flux-schnell"]]
    assert (await world.call("QUERY", "/v1/models", content='"nothing of the kind"')).json()["results"] == []


async def test_metadata_may_come_field_by_field(world: World) -> None:
    """As a generated client writes an object into a form; what is no field of it is refused."""
    files = {"content": ("a.txt", b"abc", "text/plain")}
    made = await world.call("POST", "/v1/files", files=files, data={"metadata[customer]": "7", "metadata[b]": "c"})
    assert (made.status_code, made.json()["metadata"]) == (201, {"customer": "7", "b": "c"})
    refused = await world.call("POST", "/v1/files", files=files, data={"metadata[": "7"})
    assert refused.status_code == 422


async def test_a_model_of_the_catalog_has_a_readme(world: World) -> None:
    """Its name and what it is; one of one's own has the one that was written, or none."""
    answer = await world.http.get(f"{SCHNELL}/readme", headers=LOGIN)
    assert answer.text.startswith("# black-forest-labs/flux-schnell\n")
    assert (await world.call("GET", "/v1/models/nobody/nothing/readme")).status_code == 404


async def test_an_address_with_v1_twice_is_the_same(world: World) -> None:
    """The Python client 1.0 adds it to an address that has it."""
    twice = await world.http.get("/v1/v1/account", headers=LOGIN)
    assert twice.json() == (await world.call("GET", "/v1/account")).json()
    assert (await world.http.get("/v1/v1/account")).status_code == 401
