"""/delivery: the files, their deletion, the token leak, and each fault of a download."""

import io
import time

import httpx
import pytest
from PIL import Image

from replicate_simulator.markers import find_markers
from replicate_simulator_tests.world import PRO, World


@pytest.mark.parametrize(("extension", "kind"), [("webp", "image/webp"), ("jpg", "image/jpeg"), ("png", "image/png")])
async def test_an_output_is_a_real_picture(world: World, extension: str, kind: str) -> None:
    """Without a token: content type, caching, and a picture of the asked shape that stays the same."""
    url = await world.output(input={"output_format": extension, "aspect_ratio": "4:3", "megapixels": "0.25"})
    assert url.endswith(f".{extension}")
    answer = await world.http.get(url)
    assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
    assert answer.headers["cache-control"] == "public, max-age=3600"
    assert Image.open(io.BytesIO(answer.content)).size == (576, 448)
    assert (await world.http.get(url)).content == answer.content


async def test_the_same_prompt_and_seed_give_the_same_picture(world: World) -> None:
    """Two predictions with one seed agree; two outputs of one prediction differ."""
    small = {"megapixels": "0.25", "seed": 5, "num_outputs": 2}
    urls = []
    for _ in range(2):
        urls += (await world.finished((await world.create(input=small))["id"]))["output"]
    pictures = [(await world.http.get(url)).content for url in urls]
    assert pictures[:2] == pictures[2:]
    assert pictures[0] != pictures[1]


async def test_a_token_sent_to_delivery_is_a_leak(world: World) -> None:
    """It is counted and refused; the same URL without it is served."""
    url = await world.output(input={"megapixels": "0.25"})
    assert (await world.http.get(url, headers={"Authorization": "Bearer x"})).status_code == 400
    assert (await world.look("stats"))["leaks"] == 1
    assert (await world.http.get(url)).status_code == 200


async def test_everything_is_deleted_an_hour_after_the_end(world: World) -> None:
    """The file is 404, the data is gone for the API, and still known to /_sim; the row stays listed."""
    url = await world.output(input={"megapixels": "0.25"})
    await world.sim("clock", advance_s=3590)
    assert (await world.http.get(url)).status_code == 200
    await world.sim("clock", advance_s=10)
    assert (await world.http.get(url)).status_code == 404
    (listed,) = (await world.call("GET", "/v1/predictions")).json()["results"]
    assert (listed["data_removed"], listed["input"], listed["output"]) == (True, {}, None)
    (truth,) = await world.look("predictions")
    assert (truth["data_removed"], truth["output"]) == (True, [url])


async def test_nothing_is_served_before_the_end_or_at_a_guess(world: World) -> None:
    """A path that was never given out is 404."""
    url = await world.output(input={"megapixels": "0.25"})
    for guess in ("/delivery/xezq/x/out-0.webp", url.replace("out-0", "out-1")):
        assert (await world.http.get(guess)).status_code == 404


async def test_plain_pictures_are_one_picture_per_shape(world: World) -> None:
    """For load tests: other prompts and seeds give the same bytes."""
    await world.sim("pictures", mode="plain")
    urls = [await world.output(input={"prompt": prompt}) for prompt in ("a", "b")]
    first, second = [(await world.http.get(url)).content for url in urls]
    assert first == second
    assert Image.open(io.BytesIO(first)).size == (1024, 1024)


async def test_unsafe_image(world: World) -> None:
    """The marker is in the picture it was asked for, and in no other."""
    await world.sim("faults", kind="unsafe_image", category="Sexual", severity=4, index=1)
    created = await world.create(input={"num_outputs": 2, "megapixels": "0.25"})
    urls = (await world.finished(created["id"]))["output"]
    found = [find_markers(Image.open(io.BytesIO((await world.http.get(url)).content))) for url in urls]
    assert found == [{}, {"Sexual": 4}]


async def test_output_404(world: World) -> None:
    """One download fails, the next works."""
    url = await world.output(input={"megapixels": "0.25"})
    await world.sim("faults", kind="output_404")
    assert [(await world.http.get(url)).status_code for _ in range(2)] == [404, 200]


async def test_output_slow(world: World) -> None:
    """It takes its time and is whole."""
    url = await world.output(input={"megapixels": "0.25"})
    whole = (await world.http.get(url)).content
    await world.sim("faults", kind="output_slow", seconds=0.2)
    started_s = time.monotonic()
    assert (await world.http.get(url)).content == whole
    assert time.monotonic() - started_s >= 0.2


async def test_output_truncated(world: World) -> None:
    """The connection ends halfway."""
    url = await world.output(input={"megapixels": "0.25"})
    await world.sim("faults", kind="output_truncated")
    with pytest.raises(httpx.RemoteProtocolError):
        await world.http.get(url)
    assert (await world.http.get(url)).status_code == 200


@pytest.mark.parametrize("declare", [True, False])
async def test_output_oversized(world: World, declare: bool) -> None:
    """So many bytes come, announced or not; a client may leave in the middle."""
    url = await world.output(input={"megapixels": "0.25"})
    await world.sim("faults", kind="output_oversized", times=2, bytes=3_000_000, declare_length=declare)
    async with world.http.stream("GET", url) as answer:
        assert answer.headers.get("content-length") == ("3000000" if declare else None)
        assert await anext(answer.aiter_bytes())
    assert len((await world.http.get(url)).content) == 3_000_000


async def test_output_wrong_type(world: World) -> None:
    """HTML comes as an image, for the single output of flux-1.1-pro too."""
    created = await world.create(PRO)
    url = (await world.finished(created["id"]))["output"]
    await world.sim("faults", kind="output_wrong_type")
    answer = await world.http.get(url)
    assert answer.headers["content-type"] == "image/webp"
    assert answer.content.startswith(b"<!DOCTYPE html>")
