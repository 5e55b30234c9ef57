"""Hypothesis plays the world: acts in any order, every promise after each act, and rest in the end."""

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from dev.fakes.messenger import EVENTS, REQUESTS
from dev.fakes.screener import UNSAFE_IMAGE
from dev.fakes.world import World
from dev.simulation.effects import Crash, Fault, Mode, run, watched
from dev.simulation.invariants import Observer, after_step, at_rest
from dev.simulation.promise import Broken
from shared import worker
from shared.core.keys import Key
from shared.core.provider.prediction import CreateOutcome, CreateRefused, DeferReason, NotCreated, OutcomeUnknown
from shared.core.reasons import Reason
from shared.core.requests.messages import CancelRequest, Check, GenerationRequest, Message, PredictionEvent
from shared.ports import Envelope

pytestmark = [pytest.mark.long, pytest.mark.timeout(400)]  # a busy machine may take long over what is long

KEYS = st.sampled_from([Key(user, name) for user in ("ada", "bob") for name in ("one", "two", "three")])

#: What a delivery meets: nothing (0), or a fault at one of its first effects.
FAULTS = st.one_of(
    st.just((0, Mode.CRASH_BEFORE)),
    st.tuples(st.integers(1, 16), st.sampled_from((Mode.CRASH_BEFORE, Mode.CRASH_AFTER, Mode.REPLY_LOST, Mode.FAILS))),
)

ANSWERS: st.SearchStrategy[tuple[CreateOutcome, bool]] = st.sampled_from(
    [
        (NotCreated(DeferReason.THROTTLED, 30), False),
        (OutcomeUnknown("timed out"), True),
        (OutcomeUnknown("timed out"), False),
        (CreateRefused(Reason.PROVIDER_REFUSED, "The model did not accept these settings."), False),
    ]
)


class Play(RuleBasedStateMachine):
    """Two users, six generations, and every act that can happen to them."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(credits=6)
        self.watch = Observer(self.world)
        self.unfinished: list[Message] = []

    @initialize()
    def accounts(self) -> None:
        """Both users have six credits."""
        run(self.world.open_account("ada"))
        run(self.world.open_account("bob"))

    def deliver(self, message: Message, fault: tuple[int, Mode]) -> None:
        """Deliver one message; if it dies or raises, it is delivered again later."""
        deps = watched(self.world.deps, Fault(*fault))
        queue = REQUESTS if isinstance(message, GenerationRequest | CancelRequest) else EVENTS
        try:
            run(worker.handle(deps, message, Envelope(f"m{len(self.watch.world.telemetry.steps)}"), queue))
        except (Crash, Exception):  # noqa: BLE001  # the broker does not care what it was
            self.unfinished.append(message)

    @rule(
        key=KEYS,
        model=st.sampled_from(["flux-schnell", "flux-dev"]),
        outputs=st.integers(1, 2),
        seed=st.sampled_from([None, 7]),
        fault=FAULTS,
    )
    def ask(self, key: Key, model: str, outputs: int, seed: int | None, fault: tuple[int, Mode]) -> None:
        """Send a request, for the first or the tenth time."""
        request = GenerationRequest(key=key, prompt=f"A lighthouse, {key}", model=model, num_outputs=outputs, seed=seed)
        self.deliver(request, fault)

    @rule(key=KEYS, fault=FAULTS)
    def cancel(self, key: Key, fault: tuple[int, Mode]) -> None:
        """Send a cancel, whether or not the generation exists."""
        self.deliver(CancelRequest(key), fault)

    @rule(key=KEYS, fault=FAULTS)
    def check(self, key: Key, fault: tuple[int, Mode]) -> None:
        """Send a check, whether or not it is due."""
        self.deliver(Check(key), fault)

    @rule(key=KEYS)
    def dead_letter(self, key: Key) -> None:
        """Handle a check of this generation that was dead-lettered after ten deliveries."""
        run(worker.dead_letter(self.world.deps, Check(key), b"{}", EVENTS))

    @rule(answer=ANSWERS)
    def next_create(self, answer: tuple[CreateOutcome, bool]) -> None:
        """The next create gets this answer."""
        self.world.replicate.answer_next_create_with(answer[0], really_created=answer[1])

    @precondition(lambda self: self.world.replicate.running)
    @rule(data=st.data(), end=st.sampled_from(["start", "one", "two", "unsafe", "none", "PA", "NSFW", "cancel"]))
    def replicate(self, data: st.DataObject, end: str) -> None:
        """A prediction moves on, and nothing is reported yet."""
        replicate = self.world.replicate
        prediction_id = data.draw(st.sampled_from([each.prediction_id for each in replicate.running]))
        images: dict[str, list[bytes]] = {
            "one": [b"a"], "two": [b"a", b"b"], "unsafe": [b"a", UNSAFE_IMAGE], "none": []
        }  # fmt: skip
        if end == "start":
            replicate.start(prediction_id)
        elif end in images:
            replicate.succeed(prediction_id, images[end])
        elif end == "cancel":
            replicate.cancel_by_deadline(prediction_id)
        else:
            replicate.fail(prediction_id, end if end == "NSFW" else "code: PA")

    @precondition(lambda self: self.world.replicate.made_for)
    @rule(data=st.data(), fault=FAULTS)
    def webhook(self, data: st.DataObject, fault: tuple[int, Mode]) -> None:
        """Replicate reports the state of any of its predictions once more."""
        prediction_id = data.draw(st.sampled_from(self.world.replicate.ids()))
        event: PredictionEvent = self.world.replicate.event(prediction_id)
        self.deliver(event, fault)

    @precondition(lambda self: self.unfinished)
    @rule(fault=FAULTS)
    def again(self, fault: tuple[int, Mode]) -> None:
        """Redeliver a message whose handler crashed."""
        self.deliver(self.unfinished.pop(0), fault)

    @rule(seconds=st.sampled_from([1, 31, 60, 240, 3700]))
    def time_passes(self, seconds: int) -> None:
        """The timer runs, Replicate ends what is over its deadline, and sent messages are delivered."""
        self.world.replicate.keep_deadlines()
        self.world.messenger.forget_ids()
        run(self.world.tick(seconds))

    @rule()
    def carry(self) -> None:
        """Deliver the sent messages."""
        run(self.world.pump())

    @invariant()
    def promises_hold(self) -> None:
        """Check the promises after every act."""
        _assert_holds(lambda: after_step(self.watch, "ada", "bob"))

    def teardown(self) -> None:
        """Stop all trouble and check that everything comes to rest."""
        self.world.replicate._answers.clear()
        for message in self.unfinished:
            self.deliver(message, (0, Mode.CRASH_BEFORE))
        for _ in range(600):
            self.world.replicate.keep_deadlines()
            self.world.messenger.forget_ids()
            run(self.world.tick(60))
            if not (self.world.index.rows or self.world.messenger.scheduled or self.world.replicate.running):
                break
        _assert_holds(lambda: at_rest(self.watch))


def _assert_holds(look: Any) -> None:
    """Raise a broken promise as an assertion, so that Hypothesis shrinks the story."""
    try:
        look()
    except Broken as broken:
        raise AssertionError(str(broken)) from broken


# About eight seconds; the health check would complain of a busy machine.
Play.TestCase.settings = settings(
    max_examples=500, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
TestPlay = Play.TestCase
