"""The simulator on a real port, a client that checks every answer against the contract, and a webhook receiver."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
from aiohttp import web

from replicate_simulator.catalog import Catalog, read_catalog
from replicate_simulator.clock import Clock
from replicate_simulator.engine import Settings, Simulator
from replicate_simulator.models import TRAINER
from replicate_simulator.server import running
from replicate_simulator.serving import listening
from replicate_simulator_tests import contract

TOKEN: Final = "r8_" + "t" * 37
SECRET: Final = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SCHNELL: Final = "/v1/models/black-forest-labs/flux-schnell/predictions"
PRO: Final = "/v1/models/black-forest-labs/flux-1.1-pro/predictions"
TRAININGS: Final = f"/v1/models/{TRAINER.name}/versions/{TRAINER.version}/trainings"
DESTINATION: Final = "local/own"
#: Models beside those of models.py: films, sounds, lists of pictures.
MODELS: Final = read_catalog((Path(__file__).parent / "models.toml").read_text(encoding="utf-8"))
#: How long a prediction waits, and then runs.
STARTS_S, RUNS_S = 0.02, 0.03
TERMINAL: Final = {"succeeded", "failed", "canceled", "aborted"}
JSON = dict[str, Any]

# The document's paths for the simulator's, without /v1.
_MODEL: Final = "/models/{model_owner}/{model_name}"
_DOCUMENTED: Final = (
    (r"/models/[^/]+/[^/]+/versions/[^/]+/trainings", f"{_MODEL}/versions/{{version_id}}/trainings"),
    (r"/models/[^/]+/[^/]+/versions/[^/]+", f"{_MODEL}/versions/{{version_id}}"),
    (r"/models/[^/]+/[^/]+/versions", f"{_MODEL}/versions"),
    (r"/models/[^/]+/[^/]+", _MODEL),
    (r"/trainings/[^/]+/cancel", "/trainings/{training_id}/cancel"),
    (r"/trainings/[^/]+", "/trainings/{training_id}"),
    (r"/models/[^/]+/[^/]+/predictions", "/models/{model_owner}/{model_name}/predictions"),
    (r"/deployments/[^/]+/[^/]+/predictions", "/deployments/{deployment_owner}/{deployment_name}/predictions"),
    (r"/predictions/[^/]+/cancel", "/predictions/{prediction_id}/cancel"),
    (r"/predictions/[^/]+", "/predictions/{prediction_id}"),
)


@dataclass(slots=True)
class World:
    """A simulator, as its client sees it."""

    url: str
    http: httpx.AsyncClient
    simulator: Simulator

    async def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Calls /v1 with the token; a success has to keep the contract."""
        headers = {"Authorization": f"Bearer {TOKEN}", **options.pop("headers", {})}
        answer = await self.http.request(method, path, headers=headers, **options)
        if answer.is_success:
            shown = _lenient(answer.json())
            assert contract.violations(shown, method.lower(), _documented(path), answer.status_code) == []
        return answer

    async def create(self, path: str = SCHNELL, *, headers: JSON | None = None, **body: Any) -> JSON:
        """Creates a prediction; `input` is completed by a prompt."""
        body["input"] = {"prompt": "a red fox", **body.get("input", {})}
        answer = await self.call("POST", path, json=body, headers=headers or {})
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def get(self, prediction_id: str) -> JSON:
        """Reads a prediction."""
        answer = await self.call("GET", f"/v1/predictions/{prediction_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def until(self, prediction_id: str, done: Callable[[JSON], bool], pause_s: float = 0.01) -> JSON:
        """Reads a prediction until it is as wanted, for two seconds."""
        async with asyncio.timeout(2):
            while True:
                seen = await self.get(prediction_id)
                if done(seen):
                    return seen
                await asyncio.sleep(pause_s)

    async def finished(self, prediction_id: str) -> JSON:
        """Reads a prediction until it is terminal, and not while it runs: each look costs as much as all else."""
        await asyncio.sleep(STARTS_S + RUNS_S)
        return await self.until(prediction_id, lambda seen: seen["status"] in TERMINAL, RUNS_S)

    async def run(self, model: str, prompt: str = "a red fox", **inputs: Any) -> JSON:
        """Runs a model to its end, by its name, or by its version where `model` has one."""
        name, _, version = model.partition(":")
        body: JSON = {"input": {"prompt": prompt, **inputs}}
        if version:
            return await self.finished((await self.create("/v1/predictions", version=version, **body))["id"])
        return await self.finished((await self.create(f"/v1/models/{name}/predictions", **body))["id"])

    async def upload(self, content: bytes, name: str = "images.zip") -> str:
        """Uploads a file and returns its address, as an input names it."""
        headers = {"Authorization": f"Bearer {TOKEN}"}
        answer = await self.http.post("/v1/files", headers=headers, files={"content": (name, content)})
        return str(answer.json()["urls"]["get"])

    async def train(self, images: str, **more: Any) -> httpx.Response:
        """Asks for a training, into a model that is there."""
        await self.sim("models", name=DESTINATION)
        body = {"destination": DESTINATION, **more, "input": {"input_images": images, **more.get("input", {})}}
        return await self.call("POST", TRAININGS, json=body)

    async def trained(self, training_id: str) -> JSON:
        """Reads a training until it is terminal, for two seconds."""
        async with asyncio.timeout(2):
            while True:
                seen: JSON = (await self.call("GET", f"/v1/trainings/{training_id}")).json()
                if seen["status"] in TERMINAL:
                    return seen
                await asyncio.sleep(RUNS_S)

    async def output(self, **body: Any) -> str:
        """Creates a prediction and returns the URL of its first output."""
        created = await self.create(**body)
        return str((await self.finished(created["id"]))["output"][0])

    async def sim(self, path: str, **body: Any) -> Any:
        """Posts to /_sim."""
        answer = await self.http.post(f"/_sim/{path}", json=body)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    async def look(self, path: str) -> Any:
        """Reads from /_sim."""
        return (await self.http.get(f"/_sim/{path}")).json()


@dataclass(slots=True)
class Receiver:
    """A webhook endpoint: keeps what comes, answers with the next of `answers`, else 200."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    bodies: list[JSON] = field(default_factory=list)
    came: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def wait_for(self, count: int) -> list[str]:
        """Waits for so many webhooks, for two seconds, and returns their statuses."""
        async with asyncio.timeout(2), self.came:
            await self.came.wait_for(lambda: len(self.bodies) >= count)
        return [body["status"] for body in self.bodies]

    async def _take(self, request: web.Request) -> web.Response:
        self.requests.append((dict(request.headers), await request.read()))
        self.bodies.append(await request.json())
        async with self.came:
            self.came.notify_all()
        status = self.answers.pop(0) if self.answers else 200
        return web.Response(status=status, headers={"Location": self.url} if status == 301 else {})


@asynccontextmanager
async def running_world(time_scale: float = 1.0, catalog: Catalog = MODELS) -> AsyncIterator[World]:
    """A simulator whose predictions take 50 ms, with the models of models.toml or of another catalog."""
    simulator = Simulator(Settings(TOKEN, start_s=STARTS_S, run_s=RUNS_S), SECRET, Clock(time_scale), catalog)
    # verify: nothing is encrypted here, and reading the certificates takes longer than most tests.
    async with running(simulator) as url, httpx.AsyncClient(base_url=url, timeout=5, verify=False) as http:
        yield World(url, http, simulator)


@asynccontextmanager
async def running_receiver() -> AsyncIterator[Receiver]:
    """A webhook endpoint on loopback."""
    receiver = Receiver()
    app = web.Application()
    app.add_routes([web.post("/hook", receiver._take)])
    async with listening(app) as listener:
        receiver.url = f"{listener.url}/hook"
        yield receiver


def _documented(path: str) -> str:
    plain = path.partition("?")[0].removeprefix("/v1")
    for pattern, name in _DOCUMENTED:
        if re.fullmatch(pattern, plain):
            return name
    return plain


def _lenient(answer: JSON) -> JSON:
    """Takes away the one thing in which real answers contradict the document: logs are null when data is removed."""
    for each in answer.get("results", [answer]):
        if each.get("data_removed"):
            assert each.pop("logs") is None
    return answer
