"""Pictures that kill the worker that decodes them: real workers, killed by SIGKILL, repeatedly."""

import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
import trustme

from dev import process
from dev.app import App
from dev.stack import ROOT
from shared.adapters.net.tls import tls_context
from shared.core.lifecycle.state import State
from shared.worker.wariness import LOST_DELIVERIES
from tests.stack.pictures import OwnApp, Pictures, painted, serving
from tests.stack.road import Ground, HostLog, Road, key_of, set_out

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]

#: The widths of pictures that are too much for a worker: of an input, of what is made at 16:9, and of one that is so
#: even when it is decoded alone.
DEADLY, DEADLY_MADE, ALWAYS_DEADLY = 334, 1344, 333

#: How long a message of a dead worker's is locked, so that the test does not wait for long.
LOCK_S = 3


class Mortal(OwnApp):
    """A stack whose host dies and is restarted, as the platform does it."""

    host: process.Child
    deaths = 0

    async def _start_host(self) -> process.Child:
        self.host = await super()._start_host()
        return self.host

    async def live_until(self, road: Road, generation_id: str) -> None:
        """Restart the host whenever it has died, until the event is published; count its deaths."""
        self.deaths = 0
        while generation_id not in road.app.events:
            try:
                await road.app.event(generation_id, 0.5)
            except TimeoutError:
                if self.host.process.returncode is not None:
                    self.deaths += 1
                    await self._start_host()


@dataclass(frozen=True, slots=True)
class Place:
    """A road on a stack that dies, and a stranger's pictures."""

    road: Road
    stack: Mortal
    pictures: Pictures


@pytest_asyncio.fixture(scope="module")
async def place(ground: Ground, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    """One stack for all tests of this file. At the end of each its host lives."""
    authority, folder = trustme.CA(), tmp_path_factory.mktemp("app")
    log = HostLog()
    for name, source in (
        ("host.json", ROOT / "host.json"),
        ("function_app.py", Path(__file__).with_name("deadly_app.py")),
    ):
        shutil.copy(source, folder / name)
    authority.cert_pem.write_to_path(folder / "authority.pem")
    async with serving(authority) as pictures:
        overrides = {"PICTURES_PORT": str(pictures.port), "PICTURES_CA": str(folder / "authority.pem")}
        # As in production, where a check (a message of its own) does not come every few seconds.
        overrides["CHECK_AFTER_S"] = "120"
        overrides |= {"DEADLY_WIDTHS": f"{DEADLY},{DEADLY_MADE}", "DEADLY_EVEN_ALONE": str(ALWAYS_DEADLY)}
        running = Mortal(ground, folder, overrides, log.read, LOCK_S)
        async with (
            running as stack,
            App(stack) as app,
            httpx.AsyncClient(base_url=stack.replicate_url, timeout=10, verify=tls_context()) as replicate,
            httpx.AsyncClient(base_url=stack.content_safety_url, timeout=10, verify=tls_context()) as safety,
        ):
            await set_out(replicate)
            yield Place(Road(stack, app, log, replicate, safety), running, pictures)


async def test_an_input_that_ends_workers_is_refused_after_three(place: Place) -> None:
    """Nothing is charged or created, and the fourth worker lives."""
    road = place.road
    message = await road.message(model="flux-dev", image_url=place.pictures.put("/deadly.png", painted(ALWAYS_DEADLY)))
    await road.send(message)
    await place.stack.live_until(road, message["generation_id"])
    outcome = await road.ended(key_of(message))
    assert place.stack.deaths == LOST_DELIVERIES
    assert outcome.reason == "INPUT_INVALID"
    assert outcome.credits == (0, 0, 0)
    await road.paid_nothing(outcome)
    assert not await road.predictions(message["prompt"])
    assert place.pictures.asked.count("/deadly.png") == LOST_DELIVERIES


async def test_an_input_that_ends_a_worker_is_decoded_alone(place: Place) -> None:
    """After one death it is decoded in a process of its own, is sound, and goes to the model."""
    road = place.road
    message = await road.message(model="flux-dev", image_url=place.pictures.put("/heavy.png", painted(DEADLY)))
    await road.send(message)
    await place.stack.live_until(road, message["generation_id"])
    outcome = await road.ended(key_of(message))
    assert place.stack.deaths == 1
    await road.paid_once(outcome, message["prompt"], captured=2)


async def test_an_output_that_ends_workers_is_decoded_alone_and_paid_once(place: Place) -> None:
    """It is screened and stored by a worker that lives, because it was paid for."""
    road = place.road
    message = await road.message(aspect_ratio="16:9")
    await road.send(message)
    await place.stack.live_until(road, message["generation_id"])
    outcome = await road.ended(key_of(message))
    assert outcome.generation.state is State.SUCCEEDED
    assert place.stack.deaths >= 1
    (output,) = outcome.event["data"]["outputs"]
    assert output["width"] == DEADLY_MADE
    assert len(await road.predictions(message["prompt"])) == 1
    await road.paid_once(outcome, message["prompt"], captured=1)
