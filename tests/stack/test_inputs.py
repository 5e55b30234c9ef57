"""Input images on the whole road: fetched from a stranger, screened and copied; the model gets the copy."""

import base64
import io
import struct
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import pytest_asyncio
import trustme
from aiohttp import web
from PIL import Image

from shared.core.lifecycle.generation import Closed
from shared.core.money.entries import Move
from shared.core.safety.moderation import keyed_digest
from tests.stack.pictures import HOST, Pictures, open_road_to, painted, serving
from tests.stack.road import Ground, Outcome, Road, key_of

pytestmark = pytest.mark.stack


@dataclass(frozen=True, slots=True)
class Place:
    """A road, and the picture server that its host may reach."""

    road: Road
    pictures: Pictures

    async def message(self, address: str) -> dict[str, Any]:
        """A message with this picture, for a model that takes one."""
        return await self.road.message(model="flux-dev", image_url=address)

    async def inputs(self) -> list[str]:
        """The stored inputs."""
        return [name async for name in self.road.stack.app.input_files._container.client.list_blob_names()]

    async def refused(self, outcome: Outcome, prompt: str) -> None:
        """Assert that nothing is charged, stored or created."""
        assert outcome.event["type"] == "darkroom.generation.rejected"
        assert outcome.credits == (0, 0, 0)
        assert await self.road.moves(outcome.key) == [Move.ENDED_UNOPENED]  # an entry of zero credits
        await self.road.paid_nothing(outcome)
        assert not await self.road.predictions(prompt)
        assert not [name for name in await self.inputs() if outcome.key.generation_id in name]


@pytest_asyncio.fixture(scope="module")
async def place(ground: Ground, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    """One stack for all tests of this file."""
    authority = trustme.CA()
    async with (
        serving(authority) as pictures,
        open_road_to(ground, pictures, authority, tmp_path_factory.mktemp("app")) as road,
    ):
        yield Place(road, pictures)


async def test_a_small_picture_goes_to_the_model_as_the_bytes_that_passed(place: Place) -> None:
    """Fetched once, screened, stored as an input, sent as our copy; a picture comes out, and the input is gone."""
    road, content = place.road, painted()
    message = await place.message(place.pictures.put("/small.png", content))
    outcome = await road.outcome(message)
    await road.paid_once(outcome, message["prompt"], captured=2)
    (made,) = await road.predictions(message["prompt"])
    assert made["input"]["image"] == f"data:image/png;base64,{base64.b64encode(content).decode()}"
    assert place.pictures.asked.count("/small.png") == 1
    assert len(road.log.steps(outcome.key, "input_stored")) == 1
    (output,) = outcome.event["data"]["outputs"]
    with Image.open(io.BytesIO(await road.stack.app.outputs.read_output(output["name"]))) as picture:
        picture.load()
    assert await place.inputs() == []
    prompt, seen, made_of_it = outcome.generation.screenings
    assert [each.subject for each in (prompt, seen, made_of_it)] == ["prompt", "input image", "output 1.0"]
    assert (seen.allowed, seen.screeners) == (True, ("content_safety",))
    assert seen.digest == keyed_digest(b"0123456789abcdef", content)
    assert HOST not in str(outcome.generation)


async def test_a_large_picture_cannot_be_swapped_after_screening(place: Place) -> None:
    """The model reads our copy, with the bytes that passed, whatever the stranger serves by then."""
    road, content = place.road, painted(700, noise=True)
    assert len(content) > 256 * 1024
    message = await place.message(place.pictures.put("/large.png", content))
    await road.fault("slow_start", message, seconds=3)
    await road.send(message)
    await road.log.step(key_of(message), "prediction_created")
    place.pictures.put("/large.png", painted(700, unsafe="Sexual"))
    (made,) = await road.predictions(message["prompt"])
    address = made["input"]["image"]
    assert HOST not in address
    async with httpx.AsyncClient() as model:
        assert (await model.get(address)).content == content
        assert (await model.get(address.partition("?")[0])).status_code in {403, 404, 409}
        outcome = await road.ended(key_of(message))
        await road.paid_once(outcome, message["prompt"], captured=2)
        assert (await model.get(address)).status_code == 404
    assert place.pictures.asked.count("/large.png") == 1
    assert await place.inputs() == []
    assert not [line for line in road.log.lines if "sig=" in line]


async def test_an_unsafe_picture_is_refused_and_nothing_is_charged(place: Place) -> None:
    """The reason names the category; the verdict is recorded, and the picture is stored nowhere."""
    message = await place.message(place.pictures.put("/unsafe.png", painted(unsafe="Violence")))
    outcome = await place.road.outcome(message)
    assert outcome.reason == "INPUT_REFUSED"
    assert outcome.event["data"]["reason"]["text"] == "The input image was refused by the content rules (violence)."
    await place.refused(outcome, message["prompt"])
    assert isinstance(outcome.saved, Closed)
    seen = outcome.saved.screenings[1]
    assert (seen.allowed, seen.category, seen.severities["Violence"]) == (False, "Violence", 6)


def bomb() -> bytes:
    """A small PNG that announces ten thousand megapixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))


def animation() -> bytes:
    """A picture of two frames."""
    frames = [Image.new("RGB", (60, 60), colour) for colour in ("red", "blue")]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    return buffer.getvalue()


def moved(to: str) -> web.Response:
    """An answer that redirects."""
    return web.Response(status=302, headers={"Location": to})


async def test_what_cannot_be_used_is_refused_and_nothing_else_is_asked(place: Place) -> None:
    """Redirects to loopback, to metadata and to private names, without end; bombs, and what is no single picture."""
    put, port = place.pictures.put, place.pictures.port
    put("/good.png", painted())
    addresses = [
        put("/to-loopback", moved(f"https://127.0.0.1:{port}/good.png")),
        put("/to-mapped-loopback", moved(f"https://[::ffff:127.0.0.1]:{port}/good.png")),
        put("/to-plain-http", moved(f"{place.road.stack.host_url}/api/health")),
        put("/to-metadata", moved("https://169.254.169.254/metadata/instance")),
        put("/to-mapped-metadata", moved("https://[::ffff:a9fe:a9fe]/metadata/instance")),
        put("/to-metadata-by-name", moved("https://metadata.example/metadata/instance")),
        put("/to-private-by-name", moved("https://private.example/")),
        put("/for-ever", moved("/for-ever")),
        put("/bomb.png", bomb()),
        put("/animation.gif", animation()),
        put("/page.html", b"<html>a cat</html>"),
        put("/drawing.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
        put("/broken.png", painted(400, noise=True)[:20_000]),
        put("/packed.png", web.Response(body=painted(), headers={"Content-Encoding": "gzip"})),
        f"https://{HOST}:{port}/missing.png",
        f"https://127.0.0.1:{port}/good.png",
    ]
    messages = [await place.message(address) for address in addresses]
    for message in messages:
        await place.road.send(message)
    for message, address in zip(messages, addresses, strict=True):
        outcome = await place.road.ended(key_of(message))
        assert outcome.reason == "INPUT_INVALID", address
        text = outcome.event["data"]["reason"]["text"]
        assert not [word for word in ("127.0", "169.254", "10.0", "example", str(port), "404") if word in text]
        await place.refused(outcome, message["prompt"])
    assert "/good.png" not in place.pictures.asked
    assert place.pictures.asked.count("/for-ever") == 4


async def test_a_refused_output_waits_in_quarantine_where_no_user_comes(place: Place) -> None:
    """QUARANTINE_DAYS: kept for an appeal under the name that it would have had, and not among the outputs."""
    outcome = await place.road.generate("unsafe_image", {"category": "Sexual", "severity": 6})
    assert outcome.reason == "OUTPUT_REFUSED"
    await place.road.paid_nothing(outcome)
    name = f"{outcome.key}/1-0.webp"
    app = place.road.stack.app
    refused = app.quarantine._container.client.get_blob_client(name)
    kept = await refused.get_blob_properties()
    assert kept.metadata == {"generation_id": outcome.key.generation_id, "category": "Sexual"}
    assert name not in await app.outputs.list_outputs()
    async with httpx.AsyncClient() as anybody:
        assert (await anybody.get(refused.url)).status_code in {403, 404, 409}


async def test_no_address_of_a_users_is_in_the_log(place: Place) -> None:
    """After all tests above the log has ids, and neither an address nor a prompt."""
    assert not [line for line in place.road.log.lines if HOST in line or ".png" in line]
    assert not place.road.log.failures()
