"""The running simulator: the account's predictions, a task for each that has not ended, and the counters.

Rules: a prediction changes only through `predictions.py`. `settle` brings it up to the clock, and is called before
every look at it. What a fault does to a prediction is decided when the prediction is created.
"""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final

from aiohttp import web

from replicate_simulator import predictions
from replicate_simulator.catalog import Catalog
from replicate_simulator.clock import Clock
from replicate_simulator.faults import PREDICTION_KINDS, FaultList
from replicate_simulator.fetching import Reader
from replicate_simulator.library import Library
from replicate_simulator.outages import Outage
from replicate_simulator.outputs import content_of, made_by, new_id
from replicate_simulator.pictures import Scene
from replicate_simulator.plans import plan_of
from replicate_simulator.predictions import Event, Prediction
from replicate_simulator.schemas import Order
from replicate_simulator.serving import Listener
from replicate_simulator.webhooks import Sender, Webhook


@dataclass(slots=True)
class Settings:
    """What may be changed while the simulator runs; times in simulated seconds."""

    token: str
    #: Whose account it is: the owner of its models and deployments.
    username: str = "local"
    start_s: float = 0.3
    run_s: float = 0.5
    plain_pictures: bool = False
    #: About how large a plain PNG is; 0: as small as it comes.
    picture_bytes: int = 0
    #: How large a film, a sound or a training's weights is at least; 0: as small as it comes.
    media_bytes: int = 0

    @property
    def account(self) -> dict[str, str]:
        """The account as the API shows it."""
        return {
            "type": "organization",
            "username": self.username,
            "name": f"{self.username}, simulated",
            "github_url": f"https://github.com/{self.username}",
        }

    def owns(self, name: str) -> bool:
        """Whether a model or a deployment, owner/name, is the account's own."""
        return name.startswith(f"{self.username}/")


@dataclass(slots=True)
class Record:
    """A prediction, and what the API does not show of it."""

    number: int
    prediction: Prediction
    seed: int
    faults: Mapping[str, Mapping[str, Any]]
    #: Whether the answer to the create request was sent.
    answered: bool = True
    webhooks: list[Webhook] = field(default_factory=list)
    waiting_webhooks: list[Webhook] = field(default_factory=list)

    @property
    def prompt(self) -> str:
        """The prompt of its input."""
        return str(self.prediction.order.input.get("prompt", ""))

    @property
    def model(self) -> str:
        """The model's owner/name."""
        return self.prediction.order.target.model.name

    @property
    def trains(self) -> bool:
        """Whether it is a training."""
        return self.prediction.trains


class Simulator:
    """One Replicate account. It is made and used on one event loop.

    It runs the models that are built in (models.py), and those of a catalog (catalog.py) where one is given.
    """

    def __init__(self, settings: Settings, webhook_secret: str, clock: Clock, catalog: Catalog | None = None) -> None:
        self.settings = settings
        self.clock = clock
        self.sender = Sender(clock, webhook_secret)
        self.faults = FaultList()
        self.library = Library(clock, catalog or Catalog())
        self.reader = Reader(self.library, lambda: self.base_url)
        #: What keeps the whole account from working, or did.
        self.outage: Outage | None = None
        #: The port it is reached at, where it can be shut.
        self.listener: Listener | None = None
        #: Where this simulator is reached; known once its port is open.
        self.base_url = ""
        #: All predictions, oldest first: a record's number is its place here.
        self.records: list[Record] = []
        self.requests: Counter[str] = Counter()
        #: Downloads that carried an Authorization header.
        self.leaks = 0
        self._by_id: dict[str, Record] = {}
        self._outputs: dict[str, tuple[Record, int]] = {}
        self._trainings: list[Record] = []
        self._lives: dict[str, asyncio.Task[None]] = {}
        # One worker: two cores are shared with the rest of the stack, and equal pictures are then painted once.
        self._painter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="painter")

    def create(self, order: Order, unreadable: str | None = None) -> Record:
        """Creates a prediction, whose life begins.

        Args:
            order: what was asked.
            unreadable: why the model cannot read a file that its input names (fetching.py); the prediction will fail.
        """
        prompt, model = str(order.input.get("prompt", "")), order.target.model.name
        taken = ((kind, self.faults.take((kind,), prompt, model)) for kind in PREDICTION_KINDS)
        faults = {kind: fault.params for kind, fault in taken if fault is not None}
        given_seed = order.input.get("seed")
        seed = random.randrange(2**31) if given_seed is None else int(given_seed)
        made = made_by(order, self.base_url, faults.get("unsafe_text"))
        plan = plan_of(order, seed, made.outputs, (self.settings.start_s, self.settings.run_s), faults)
        if unreadable is not None and plan.boots:
            plan = replace(plan, error=plan.error or unreadable)
        prediction = Prediction(new_id(26), order, plan, self.clock.now())
        record = Record(len(self.records), prediction, seed, faults)
        self.records.append(record)
        self._by_id[prediction.id] = record
        if record.trains:
            self._trainings.append(record)
        self._outputs |= {path: (record, index) for path, index in made.files.items()}
        life = asyncio.create_task(self._live(record))
        self._lives[prediction.id] = life
        life.add_done_callback(lambda _: self._lives.pop(prediction.id))
        return record

    def find(self, prediction_id: str) -> Record | None:
        """Returns the prediction of this id, as it is now."""
        record = self._by_id.get(prediction_id)
        if record is not None:
            self.settle(record)
        return record

    def find_output(self, path: str) -> tuple[Record, int] | None:
        """Returns whose output a delivery path is, and its place, if it is there to be fetched."""
        found = self._outputs.get(path)
        if found is None:
            return None
        record, index = found
        self.settle(record)
        prediction = record.prediction
        there = prediction.outputs is not None and index < len(prediction.outputs) and not prediction.data_removed
        return found if there else None

    def settle(self, record: Record) -> None:
        """Brings a prediction up to the clock, and sends the webhooks that are due by then."""
        record.prediction, events = predictions.advance(record.prediction, self.clock.now())
        if record.trains and events and record.prediction.outputs is not None:
            self.library.add_trained(record.prediction.outputs[0])
        self._send_webhooks(record, events)

    def settle_trainings(self) -> None:
        """Gives the models the versions that trainings have made by now."""
        for record in self._trainings:
            self.settle(record)

    def cancel(self, record: Record) -> None:
        """Cancels a prediction for its user."""
        record.prediction, events = predictions.cancel(record.prediction, self.clock.now())
        self._send_webhooks(record, events)
        self._end_life(record)

    def shown(self, record: Record) -> dict[str, Any]:
        """Returns the prediction as JSON, as the API shows it."""
        return predictions.view(record.prediction, self.base_url)

    def training_shown(self, record: Record) -> dict[str, Any]:
        """Returns the training as JSON, as the API shows it."""
        return predictions.training_view(record.prediction, self.base_url)

    async def ended(self, record: Record, wait_s: float) -> None:
        """Returns when the prediction has come to its end, or after so many real seconds."""
        life = self._lives.get(record.prediction.id)
        if life is not None:
            await asyncio.wait([life], timeout=wait_s)

    async def file(self, record: Record, index: int) -> bytes:
        """Returns an output that is a file: it is made when it is fetched first."""
        unsafe, settings, order = record.faults.get("unsafe_image"), self.settings, record.prediction.order
        size_bytes = settings.picture_bytes if order.target.model.modality == "image" else settings.media_bytes
        marker = None
        if unsafe is not None and unsafe["index"] in {None, index}:
            marker = (unsafe["category"], unsafe["severity"])
        model = order.target.model.name
        scene = Scene(record.prompt, record.seed, index, marker, size_bytes=size_bytes, model=model)
        if settings.plain_pictures:
            scene = Scene("", 0, 0, marker, plain=True, size_bytes=size_bytes)
        return await asyncio.get_running_loop().run_in_executor(self._painter, content_of, order, scene)

    @property
    def alive(self) -> list[Record]:
        """The predictions that have not come to their end."""
        for record in self.records:
            self.settle(record)
        return [record for record in self.records if not record.prediction.is_terminal]

    async def come_to_rest(self, wait_s: float) -> dict[str, int]:
        """Waits up to so many real seconds until nothing is under way, then ends the rest without a webhook.

        Returns:
            How many had to be ended: faults, predictions, rounds of webhooks.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                while under_way := {*self._lives.values(), *self.sender.under_way}:
                    await asyncio.wait(under_way)
        alive = self.alive
        ended = {"faults": len(self.faults.waiting), "predictions": len(alive)}
        self.faults.waiting.clear()
        for record in alive:
            record.prediction, _ = predictions.cancel(record.prediction, self.clock.now())
            self._end_life(record)
        return {**ended, "webhooks": await self.sender.drop()}

    async def close(self) -> None:
        """Ends all tasks."""
        lives = list(self._lives.values())
        for life in lives:
            life.cancel()
        await asyncio.gather(*lives, return_exceptions=True)
        await self.sender.close()
        await self.reader.close()
        self._painter.shutdown()

    async def _live(self, record: Record) -> None:
        """Brings a prediction to its end; the deletion of its data is computed when it is looked at."""
        while not record.prediction.is_terminal:
            due = predictions.next_change(record.prediction)
            if due is None:  # stuck: only its user can end it
                return
            await self.clock.sleep_until(due)
            self.settle(record)

    def _end_life(self, record: Record) -> None:
        life = self._lives.get(record.prediction.id)
        if life is not None:
            life.cancel()

    def _send_webhooks(self, record: Record, events: tuple[Event, ...]) -> None:
        webhooks = [webhook for event in events if (webhook := self._webhook(record, event)) is not None]
        record.webhooks += webhooks
        if "webhook_reordered" in record.faults:
            record.waiting_webhooks += [webhook for webhook in webhooks if webhook.event != "completed"]
            webhooks = [webhook for webhook in webhooks if webhook.event == "completed"]
            if webhooks:
                webhooks += record.waiting_webhooks
        if webhooks:
            self.sender.deliver(webhooks, record.faults)

    def _webhook(self, record: Record, event: Event) -> Webhook | None:
        order = event.prediction.order
        if order.webhook is None or event.name not in order.events:
            return None
        view = predictions.training_view if event.prediction.trains else predictions.view
        shown = view(event.prediction, self.base_url)
        if "webhook_empty" in record.faults:
            shown["output"] = None
        return Webhook(event.name, order.webhook, json.dumps(shown).encode())


#: Where an application keeps its simulator.
SIMULATOR: Final = web.AppKey("simulator", Simulator)
