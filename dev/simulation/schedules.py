"""A schedule: one flow in which one effect goes wrong, one kind of webhook, one end at Replicate.

Rules of this file:
1. A flow is prepared without faults. Then one message is handled and meets the fault. Then every unfinished message is
   delivered again, Replicate sends its webhooks, and the clock goes on until nothing is left.
2. No chance: a schedule's name says all about it, and running it again is the same again.
3. The clock jumps to the next moment at which anything can happen: the timer's ticks in between would find nothing.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from dev.fakes.messenger import COMMANDS, queue_of
from dev.fakes.screener import UNSAFE_IMAGE
from dev.fakes.world import KEY, World
from dev.simulation.cases import Case, End, Webhook
from dev.simulation.effects import Crash, Fault, Mode, watched
from dev.simulation.invariants import Observer, after_step
from dev.simulation.logs import Said, keep_only_what_is_read
from dev.simulation.moments import carry_commands, moments_of
from dev.simulation.promise import require
from shared import worker
from shared.core.commands.acts import AccountCommand
from shared.core.requests.digest import digest_of
from shared.core.requests.messages import GenerationRequest, PredictionEvent
from shared.ports import Envelope, Sendable
from shared.worker.account_commands import handle_command

#: After the fault everything ends within this time: a lost create (4 minutes) at each attempt, the waits of a message
#: that is deferred several times, and the 50 minutes that a missing output is waited for. Nothing here waits for the
#: six hours of giving up.
BOUND = timedelta(hours=1.5)


@dataclass(frozen=True, slots=True)
class Faced:
    """What meets the fault: a message of a queue, the same as a dead letter, or (None) the timer itself.

    ``command`` is an account command in place of a message. ``lost``: how many of its deliveries came to no end before.
    """

    message: Sendable | None
    dead: bool = False
    lost: int = 0
    command: AccountCommand | None = None

    def envelope(self, name: str, again: int = 0) -> Envelope:
        """What it comes in; ``again`` is how many more were lost."""
        digest = self.message.digest if isinstance(self.message, GenerationRequest) else ""
        return Envelope(name, lost=self.lost + again, digest=digest)


@dataclass(frozen=True, slots=True)
class Flow:
    """A flow: what comes before, and what then faces the fault.

    ``creates``: a prediction is created in it, so that its webhook can be early. ``ends``: those that differ.
    """

    name: str
    prepare: Callable[["Stage"], Awaitable[Faced]]
    creates: bool = False
    ends: tuple[End, ...] = tuple(End)


@dataclass(frozen=True, slots=True)
class Schedule:
    """One way in which it can go. ``again_last``: what died comes again after Replicate has said its part."""

    flow: Flow
    effect: int
    mode: Mode
    webhook: Webhook
    end: End
    again_last: bool = False

    def __str__(self) -> str:
        again = ", delivered again last" if self.again_last else ""
        return f"{self.flow.name}, {self.mode} effect {self.effect}{again}, {self.webhook}, {self.end}"


class Stage(Case):
    """One world, one generation of two images, one fault."""

    def __init__(self, end: End, webhook: Webhook, fault: Fault, world: World | None = None) -> None:
        super().__init__(end, webhook)
        self.world = world or World()
        self.watch = Observer(self.world)
        keep_only_what_is_read(self.world)
        self.sent: set[str] = set()
        self.late: list[PredictionEvent] = []
        #: New predictions whose life is still to come, and the webhooks of the last of them that are under way.
        self.fresh: list[str] = []
        self.arriving: list[PredictionEvent] = []
        #: When everything must have ended.
        self.until: datetime | None = None
        self.world.replicate.chunk_bytes = 5  # two chunks an image
        self.meets(fault)
        self.faced = Faced(None)
        #: How a prediction succeeds, in the way that the schedule says.
        self.makes: Callable[[Stage, str, End], object] = _pictures
        #: A message of somebody else's, that comes together with the double.
        self.rival: GenerationRequest | None = None

    def meets(self, fault: Fault) -> None:
        """From here on this is the fault."""
        self.fault = fault
        fault.strikes = self._expire_second
        fault.after_create = self._early
        fault.meanwhile = self._meanwhile

    def state(self) -> dict[str, object]:
        """All that what comes after the fault can depend on, but the end and the webhook, which are read as cases.

        The fault is over: its gate is in nobody's way any more.
        """
        return {name: part for name, part in vars(self).items() if name not in _BEFORE}

    def take_said(self) -> Said:
        """What was said since this was last asked: from here on it is part of no state."""
        telemetry: Any = self.world.telemetry
        return Said(telemetry.steps.take(), telemetry.counts.take())

    @property
    def model(self) -> str:
        """A model with a fallback where it matters."""
        return "flux-dev" if self.ends_in(End.TRANSIENT_NEXT, End.ABORTED_NEXT) else "flux-schnell"

    # What comes before.

    async def open(self) -> None:
        """An account, nothing else."""
        await self.world.open_account()

    async def ask(self) -> None:
        """The request, without a fault."""
        await self.world.ask(model=self.model, num_outputs=2)

    def request(self) -> GenerationRequest:
        """The request as a message."""
        request = GenerationRequest(key=KEY, prompt="A lighthouse at night", model=self.model, num_outputs=2)
        return replace(request, digest=digest_of(request))

    def finish(self, prediction_id: str) -> None:
        """A prediction ends: the first as the schedule says, any further one well."""
        replicate = self.world.replicate
        if replicate.predictions[prediction_id].status.finished:
            return
        if prediction_id != replicate.ids()[0]:
            self.makes(self, prediction_id, End.SUCCEEDED)
        elif self.ends_in(End.TRANSIENT, End.TRANSIENT_NEXT):
            replicate.fail(prediction_id, "Prediction interrupted; please retry (code: PA)")
        elif self.ends_in(End.CONTENT):
            replicate.fail(prediction_id, "NSFW content detected.")
        elif self.ends_in(End.CANCELED):
            replicate.cancel_by_deadline(prediction_id)
        elif self.ends_in(End.ABORTED, End.ABORTED_NEXT):
            replicate.abort(prediction_id)
        else:
            self._succeed(prediction_id)

    def _succeed(self, prediction_id: str) -> None:
        unusual = next((end for end in (End.FEWER, End.UNSAFE) if self.ends_in(end)), End.SUCCEEDED)
        self.makes(self, prediction_id, unusual)
        if self.ends_in(End.EXPIRED):
            self.world.replicate.files.clear()

    def _expire_second(self) -> None:
        files = self.world.replicate.files
        second = [uri for uri in files if uri.endswith("out-1.png")]
        if second and self.ends_in(End.EXPIRES):
            for uri in second:
                del files[uri]

    # The fault.

    async def face(self, faced: Faced) -> bool:
        """Deliver what faces the fault; whether that was the last delivery it needs."""
        self.faced = faced
        deps = watched(self.world.deps, self.fault)
        try:
            if faced.command is not None:
                self.watch.touched.add(faced.command.account_id)
                await handle_command(deps, faced.command, faced.envelope("faced"), COMMANDS)
            elif faced.message is None:
                await worker.reconcile(deps)
            elif faced.dead:
                await worker.dead_letter(deps, faced.message, raw_of(faced.message), queue_of(faced.message))
            else:
                await worker.handle(deps, faced.message, faced.envelope("faced"), queue_of(faced.message))
        except Crash:
            return False
        except Exception:  # noqa: BLE001  # the broker does not care what it was: it delivers again
            return False
        return True

    async def again(self, faced: Faced) -> None:
        """The next delivery of what died: no fault any more."""
        if faced.command is not None:
            self.watch.touched.add(faced.command.account_id)
            await handle_command(self.world.deps, faced.command, faced.envelope("again", 1), COMMANDS)
        elif faced.message is None:
            await worker.reconcile(self.world.deps)
        elif faced.dead:
            await worker.dead_letter(self.world.deps, faced.message, raw_of(faced.message), queue_of(faced.message))
        else:
            envelope = faced.envelope("again", 1)
            await self.world.deliver(raw_of(faced.message), queue_of(faced.message), envelope)

    async def _meanwhile(self, mode: Mode) -> None:
        """What others do while the handler that faces the fault stands still between two effects."""
        if mode is Mode.DOUBLE:
            await self.again(self.faced)
            if self.rival is not None:
                await self.hear(self.rival)
        elif mode is Mode.CANCEL:
            await self.world.cancel()
        else:
            # As long as a function call may last (host.json and function_app.py bound it below five minutes).
            self.world.pass_time(240)
            self.world.replicate.keep_deadlines()
            await self.world.tick()
        await self.world.pump()
        await self.news()
        after_step(self.watch, KEY.account_id)

    # Replicate's part.

    async def _early(self) -> None:
        """The whole life of the prediction before its create has returned, if the schedule's webhook is early."""
        if not self.is_sent(Webhook.EARLY):
            return
        prediction_id = self.world.replicate.ids()[-1]
        if prediction_id in self.sent:
            return  # an idempotent create was repeated: its prediction has lived already
        self.sent.add(prediction_id)
        self.world.replicate.start(prediction_id)
        await self.world.webhook(prediction_id)
        self.finish(prediction_id)
        await self.world.webhook(prediction_id)

    async def news(self) -> bool:
        """Every new prediction starts and ends, and Replicate sends its webhooks. Returns whether there was one."""
        if not self.notices():
            return False
        while self.fresh or self.arriving:
            await self.hear_next()
        return True

    def notices(self) -> bool:
        """Look for new predictions: from here on ``hear_next`` has their webhooks. Returns whether there is one."""
        self.fresh = [prediction_id for prediction_id in self.world.replicate.ids() if prediction_id not in self.sent]
        return bool(self.fresh)

    async def hear_next(self) -> None:
        """The next webhook arrives; if there is none, the next new prediction starts and ends."""
        if not self.arriving:
            self.arriving = self._life_of(self.fresh.pop(0))
        if self.arriving:
            await self.hear(self.arriving.pop(0))
            after_step(self.watch, KEY.account_id)

    def _life_of(self, prediction_id: str) -> list[PredictionEvent]:
        """A prediction starts and ends; returns its webhooks."""
        replicate = self.world.replicate
        self.sent.add(prediction_id)
        started = replicate.event(prediction_id)
        if not started.prediction.status.finished and not self.ends_in(End.ABORTED, End.ABORTED_NEXT):
            replicate.start(prediction_id)
            started = replicate.event(prediction_id)
        self.finish(prediction_id)
        return self._webhooks_of(started, replicate.event(prediction_id))

    def _webhooks_of(self, started: PredictionEvent, completed: PredictionEvent) -> list[PredictionEvent]:
        if self.is_sent(Webhook.NONE, Webhook.LATE):
            self.late += [started, completed]
            return []
        if self.is_sent(Webhook.ONCE, Webhook.EARLY):
            return [completed]
        return [started, started, completed, completed] if self.is_sent(Webhook.TWICE) else [completed, started]

    async def hear(self, message: Sendable) -> None:
        """One delivery without a fault."""
        await self.world.deliver(raw_of(message), queue_of(message), Envelope("again"))

    # The rest.

    async def settle(self) -> None:
        """Go on until nothing is left to do."""
        while await self.step():
            pass

    async def step(self) -> bool:
        """One step towards rest; False if nothing is left to do. Between two steps nothing is under way."""
        if self.fresh or self.arriving:
            await self.hear_next()
            return True
        self.until = self.until or self.world.time + BOUND
        await carry_commands(self.world)
        await self.world.pump()
        after_step(self.watch, KEY.account_id)
        return self.notices() or await self._time_goes_on() or self._last_webhooks()

    async def _time_goes_on(self) -> bool:
        """The next moment at which anything can happen; False if nothing will."""
        world, moments = self.world, list(moments_of(self.world))
        if moments:
            require(self.until and world.time < self.until, "every generation ends within its bound", world.time)
            world.time = max(world.time, min(moments))
            world.replicate.keep_deadlines()
            world.messenger.forget_ids()
            await world.tick()
        return bool(moments)

    def _last_webhooks(self) -> bool:
        """The webhooks that are late come when all is over; False if there are none."""
        self.until = None
        late, self.late = self.late, []
        if late and self.is_sent(Webhook.LATE):
            self.arriving = late
        return bool(self.arriving)


#: Parts of a stage that count until the fault is over, and the case.
_BEFORE = {"fault", "faced", "alike", "_end", "_webhook"}

_IMAGES = {
    End.SUCCEEDED: [b"image one", b"image two"],
    End.FEWER: [b"image one"],
    End.UNSAFE: [b"image one", b"image" + UNSAFE_IMAGE],
    End.EXPIRED: [b"image one", b"image two"],
    End.EXPIRES: [b"image one", b"image two"],
}


def _pictures(stage: Stage, prediction_id: str, end: End) -> None:
    stage.world.replicate.succeed(prediction_id, _IMAGES[end])


def raw_of(message: Sendable) -> bytes:
    """The message as it lies in its queue."""
    return json.dumps(message.to_json()).encode()
