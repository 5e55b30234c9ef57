"""The running simulator: the account's predictions, a task for each that is alive, and the counters.

Rules: a prediction changes only through `predictions.py`; `settle` brings one up to the clock and is called before
every look at it. What a fault does to a prediction is decided when the prediction is created.
"""

import asyncio
import json
import random
import re
import secrets
import string
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final

from aiohttp import web

from dev.replicate import predictions
from dev.replicate.clock import Clock
from dev.replicate.faults import PREDICTION_KINDS, FaultList
from dev.replicate.library import Library
from dev.replicate.models import PictureFormat, picture_format
from dev.replicate.pictures import Scene, render
from dev.replicate.predictions import Event, Plan, Prediction
from dev.replicate.schemas import Order
from dev.replicate.webhooks import Letter, Postman

_ALPHABET: Final = string.ascii_lowercase + string.digits
_ALL_NSFW: Final = "All generated images contained NSFW content. Try running it again with a different prompt."


@dataclass(slots=True)
class Settings:
    """What may be changed while the simulator runs; times in simulated seconds."""

    token: str
    start_s: float = 0.3
    run_s: float = 0.5
    plain_pictures: bool = False
    #: About how large a plain PNG is; 0: as small as it comes.
    picture_bytes: int = 0


@dataclass(slots=True)
class Record:
    """A prediction and what only the simulator knows of it."""

    number: int
    prediction: Prediction
    seed: int
    faults: Mapping[str, Mapping[str, Any]]
    #: Whether the answer to the create request was sent.
    answered: bool = True
    letters: list[Letter] = field(default_factory=list)
    held_letters: list[Letter] = field(default_factory=list)

    @property
    def prompt(self) -> str:
        """The prompt of its input."""
        return str(self.prediction.order.input.get("prompt", ""))

    @property
    def trains(self) -> bool:
        """Whether it is a training."""
        return self.prediction.order.target.model.makes == "version"


class Simulator:
    """One Replicate account. To be made and used on one event loop."""

    def __init__(self, settings: Settings, webhook_secret: str, clock: Clock) -> None:
        self.settings = settings
        self.clock = clock
        self.postman = Postman(clock, webhook_secret)
        self.faults = FaultList()
        self.library = Library(clock)
        #: Where this simulator is reached; known once its port is open.
        self.base_url = ""
        #: All predictions, oldest first: a record's number is its place here.
        self.records: list[Record] = []
        self.requests: Counter[str] = Counter()
        #: Downloads that carried an Authorization header.
        self.leaks = 0
        self._by_id: dict[str, Record] = {}
        self._outputs: dict[str, tuple[Record, int]] = {}
        self._lives: dict[str, asyncio.Task[None]] = {}
        # One worker: two cores are shared with the rest of the stack, and equal pictures are then painted once.
        self._painter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="painter")

    def create(self, order: Order, outputs: tuple[str, ...] | None = None) -> Record:
        """Creates a prediction; it lives from now on.

        Args:
            order: what was asked.
            outputs: what it will have made; None: pictures or a text, as its model does.
        """
        prompt = str(order.input.get("prompt", ""))
        taken = ((kind, self.faults.take((kind,), prompt)) for kind in PREDICTION_KINDS)
        faults = {kind: fault.params for kind, fault in taken if fault is not None}
        given_seed = order.input.get("seed")
        seed = random.randrange(2**31) if given_seed is None else int(given_seed)
        paths = _output_paths(order)
        if outputs is None:
            pictures = tuple(f"{self.base_url}{path}" for path in paths)
            outputs = text_of(order) if order.target.model.makes == "text" else pictures
        plan = _plan(self.settings, faults, seed, outputs)
        prediction = Prediction(_new_id(26), order, plan, self.clock.now())
        record = Record(len(self.records), prediction, seed, faults)
        self.records.append(record)
        self._by_id[prediction.id] = record
        self._outputs |= {path: (record, index) for index, path in enumerate(paths)}
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
        """Brings a prediction up to the clock and sends what it has to tell."""
        record.prediction, events = predictions.advance(record.prediction, self.clock.now())
        self._tell(record, events)

    def cancel(self, record: Record) -> None:
        """Cancels a prediction for its user."""
        record.prediction, events = predictions.cancel(record.prediction, self.clock.now())
        self._tell(record, events)
        self._end_life(record)

    def shown(self, record: Record) -> dict[str, Any]:
        """Returns the prediction as JSON, as the API shows it."""
        return predictions.view(record.prediction, self.base_url)

    async def ended(self, record: Record, wait_s: float) -> None:
        """Returns when the prediction has come to its end, or after so many real seconds."""
        life = self._lives.get(record.prediction.id)
        if life is not None:
            await asyncio.wait([life], timeout=wait_s)

    async def picture(self, record: Record, index: int) -> tuple[bytes, PictureFormat]:
        """Returns an output: it is painted when it is fetched first."""
        form = picture_format(record.prediction.order.target.model, record.prediction.order.input)
        unsafe = record.faults.get("unsafe_image")
        marker = None
        if unsafe is not None and unsafe["index"] in {None, index}:
            marker = (unsafe["category"], unsafe["severity"])
        scene = Scene(record.prompt, record.seed, index, marker)
        if self.settings.plain_pictures:
            scene = Scene("", 0, 0, marker, plain=True, size_bytes=self.settings.picture_bytes)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._painter, render, scene, form), form

    @property
    def alive(self) -> list[Record]:
        """The predictions that have not come to their end."""
        for record in self.records:
            self.settle(record)
        return [record for record in self.records if not record.prediction.is_terminal]

    async def come_to_rest(self, wait_s: float) -> dict[str, int]:
        """Waits up to so many real seconds until nothing is under way, then ends the rest without telling anyone.

        Returns:
            What had to be ended: faults, predictions (canceled, without a webhook), rounds of webhooks.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                while under_way := {*self._lives.values(), *self.postman.under_way}:
                    await asyncio.wait(under_way)
        alive = self.alive
        ended = {"faults": len(self.faults.waiting), "predictions": len(alive)}
        self.faults.waiting.clear()
        for record in alive:
            record.prediction, _ = predictions.cancel(record.prediction, self.clock.now())
            self._end_life(record)
        return {**ended, "webhooks": await self.postman.drop()}

    async def close(self) -> None:
        """Ends all tasks."""
        lives = list(self._lives.values())
        for life in lives:
            life.cancel()
        await asyncio.gather(*lives, return_exceptions=True)
        await self.postman.close()
        self._painter.shutdown()

    async def _live(self, record: Record) -> None:
        """Lets a prediction come to its end; its deletion is seen when someone looks."""
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

    def _tell(self, record: Record, events: tuple[Event, ...]) -> None:
        letters = [letter for event in events if (letter := self._letter(event)) is not None]
        record.letters += letters
        if "webhook_reordered" in record.faults:
            record.held_letters += [letter for letter in letters if letter.event != "completed"]
            letters = [letter for letter in letters if letter.event == "completed"]
            if letters:
                letters += record.held_letters
        if letters:
            self.postman.deliver(letters, record.faults)

    def _letter(self, event: Event) -> Letter | None:
        order = event.prediction.order
        if order.webhook is None or event.name not in order.events:
            return None
        body = json.dumps(predictions.view(event.prediction, self.base_url)).encode()
        return Letter(event.name, order.webhook, body)


#: Where an application keeps its simulator.
SIMULATOR: Final = web.AppKey("simulator", Simulator)


def _plan(settings: Settings, faults: Mapping[str, Mapping[str, Any]], seed: int, urls: tuple[str, ...]) -> Plan:
    """Returns how a prediction will go, with what its faults do to it."""
    plan = Plan(settings.start_s, settings.run_s, urls, logs=f"Using seed: {seed}\n")
    if "slow_start" in faults:
        plan = replace(plan, start_s=faults["slow_start"]["seconds"])
    if "stuck" in faults:
        plan = replace(plan, run_s=None)
    if "nsfw_partial" in faults:
        plan = _without_nsfw(plan, int(faults["nsfw_partial"]["drop"]))
    if "nsfw_all" in faults:
        plan = replace(plan, error=_ALL_NSFW)
    if "failed" in faults:
        plan = replace(plan, error=faults["failed"]["error"], boots=not faults["failed"]["before_start"])
    if "abort" in faults:
        plan = replace(plan, error=None, boots=False)
    return plan


def _without_nsfw(plan: Plan, drop: int) -> Plan:
    """Takes the last outputs away, but never the first one: a prediction without any has failed."""
    kept = max(1, len(plan.outputs) - drop)
    lines = (f"NSFW content detected in image {index}\n" for index in range(kept, len(plan.outputs)))
    return replace(plan, outputs=plan.outputs[:kept], logs=plan.logs + "".join(lines))


def text_of(order: Order) -> tuple[str, ...]:
    """Returns what a language model answers: the prompt with a few words before it, in pieces of a word each."""
    answer = f"Here is what I know of it:\n{order.input['prompt']}"
    return tuple(re.findall(r"\s*\S+", answer)[: int(order.input.get("max_tokens", 512))])


def _output_paths(order: Order) -> list[str]:
    """Returns new, unguessable paths for the pictures that an order asks for."""
    if order.target.model.makes != "pictures":
        return []
    count = int(order.input.get("num_outputs", 1)) if order.target.model.array else 1
    extension = picture_format(order.target.model, order.input).extension
    folder = f"/delivery/xezq/{_new_id(40)}"
    return [f"{folder}/out-{index}.{extension}" for index in range(count)]


def _new_id(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))
