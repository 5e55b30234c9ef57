"""The files that inputs name: read before a prediction runs, and what cannot be read fails it."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
import pytest_asyncio
from aiohttp import web

from replicate_simulator.serving import listening
from replicate_simulator_tests.world import World

PNG = b"\x89PNG\r\n\x1a\n" + bytes(300)
TAR = bytes(257) + b"ustar\x0000" + bytes(200)
DEV = "black-forest-labs/flux-dev"
FLUX_2 = "black-forest-labs/flux-2-pro"
MUSICGEN = "meta/musicgen:671ac645ce5e552cc63a54a2bbff63fcf798043055d2dac5fc9e36a837eedcfb"


@dataclass
class Shelf:
    """A server of files on loopback, and what it was asked for."""

    url: str = ""
    asked: list[str] = field(default_factory=list)

    async def give(self, request: web.Request) -> web.Response:
        """A picture; or a status for a path that is one."""
        self.asked.append(request.path)
        name = request.path.strip("/")
        return web.Response(status=int(name)) if name.isdecimal() else web.Response(body=PNG)


@asynccontextmanager
async def running_shelf() -> AsyncIterator[Shelf]:
    """A server of files."""
    shelf, app = Shelf(), web.Application()
    app.add_routes([web.get("/{name}", shelf.give)])
    async with listening(app) as listener:
        shelf.url = listener.url
        yield shelf


@pytest_asyncio.fixture
async def shelf() -> AsyncIterator[Shelf]:
    """A fresh server of files."""
    async with running_shelf() as shelf:
        yield shelf


async def test_a_file_that_is_there_is_read(world: World, shelf: Shelf) -> None:
    """From a server on loopback, of the Files API, and inline: each prediction succeeds."""
    inline = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    for address in (f"{shelf.url}/fox.png", await world.upload(PNG), inline):
        assert (await world.run(DEV, image=address))["status"] == "succeeded"
    assert shelf.asked == ["/fox.png"]


async def test_an_address_elsewhere_is_believed(world: World) -> None:
    """Nothing here leaves the machine."""
    assert (await world.run(DEV, image="https://pictures.invalid/fox.png"))["status"] == "succeeded"


@pytest.mark.parametrize(
    ("name", "error"),
    [("404", "404 Client Error: Not Found"), ("403", "403 Client Error: Forbidden"), ("500", "500 Server")],
)
async def test_a_file_that_is_not_given_fails_the_prediction(world: World, shelf: Shelf, name: str, error: str) -> None:
    """It was created, and then failed with the text that names the address."""
    done = await world.run(DEV, image=f"{shelf.url}/{name}")
    assert done["status"] == "failed"
    assert done["error"].startswith(error)
    assert done["error"].endswith(f"for url: {shelf.url}/{name}")


async def test_nobody_at_an_address_fails_the_prediction(world: World) -> None:
    """No connection is a failure of the prediction, not of the request."""
    done = await world.run(DEV, image="http://127.0.0.1:9/fox.png")
    assert (done["status"], "ClientConnectorError" in done["error"]) == ("failed", True)


async def test_a_file_of_the_files_api_that_is_gone_fails_the_prediction(world: World) -> None:
    """Deleted after a day, as Replicate deletes it."""
    address = await world.upload(PNG)
    await world.sim("clock", advance_s=24 * 3600 + 1)
    done = await world.run(DEV, image=address)
    assert (done["status"], done["error"]) == ("failed", f"404 Client Error: Not Found for url: {address}")


async def test_a_file_of_another_kind_fails_the_prediction(world: World) -> None:
    """A page is no picture and a picture no sound."""
    page, picture = await world.upload(b"<html></html>"), await world.upload(PNG)
    assert (await world.run(DEV, image=page))["error"] == "cannot identify image file"
    assert (await world.run(MUSICGEN, input_audio=picture))["error"] == "unable to read audio file"
    assert (await world.run(DEV, image="data:image/png;base64,%%%"))["error"] == "cannot identify image file"


async def test_every_file_of_a_list_is_read(world: World, shelf: Shelf) -> None:
    """One that is missing fails them all."""
    good, gone = f"{shelf.url}/fox.png", f"{shelf.url}/404"
    assert (await world.run(FLUX_2, input_images=[good, good]))["status"] == "succeeded"
    assert (await world.run(FLUX_2, input_images=[good, gone]))["status"] == "failed"
    assert shelf.asked == ["/fox.png"] * 3 + ["/404"]


@pytest.mark.parametrize(
    ("content", "status"),
    [(b"PK\x03\x04zip", "succeeded"), (b"\x1f\x8bgz", "succeeded"), (TAR, "succeeded"), (PNG, "failed")],
)
async def test_a_training_reads_its_archive(world: World, content: bytes, status: str) -> None:
    """An archive is a zip or a tar; with a picture the training fails."""
    created = (await world.train(await world.upload(content))).json()
    done = await world.trained(created["id"])
    assert done["status"] == status
    assert done["error"] == (None if status == "succeeded" else "File is not a zip file")


async def test_a_fault_of_its_own_comes_first(world: World) -> None:
    """What was to happen to a prediction is not covered by a missing file."""
    await world.sim("faults", kind="failed", error="E9243", before_start=True)
    await world.sim("faults", kind="abort", match={"prompt_contains": "fox"})
    done = await world.run(DEV, "a fox", image="http://127.0.0.1:9/fox.png")
    assert (done["status"], done["error"]) == ("aborted", None)
    await world.sim("faults", kind="failed", error="E9243")
    assert (await world.run(DEV, image="http://127.0.0.1:9/fox.png"))["error"] == "E9243"
