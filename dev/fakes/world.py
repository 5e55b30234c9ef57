"""The World: the dependencies as fakes, a clock that a test moves, and the carrying of messages.

Rules of this file:
1. Time stands still until a test moves it; ``sleep`` moves it too, so nothing really waits.
2. ``pump`` carries every sent message, and every scheduled one that is due, until none is left: as the broker
   and the triggers do. A message whose handler raises is delivered again, and dead-lettered after ``DELIVERIES`` times.
3. ``books_balance`` is what must hold at any moment, whatever happened.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from dev.fakes.app_windows import FakeAppWindows
from dev.fakes.archives import FakeArchives
from dev.fakes.blobs import FakeBlobs
from dev.fakes.catalogs import REAL, plans_of
from dev.fakes.commands import FakeCommands
from dev.fakes.destinations import FakeDestinations
from dev.fakes.images import FakeImages
from dev.fakes.index import FakeIndex
from dev.fakes.inputs import FakeInputs
from dev.fakes.messenger import EVENTS, REQUESTS, FakeMessenger, Sent
from dev.fakes.moved import FakeMovedAccounts, FakeNights
from dev.fakes.provider import FakeReplicate
from dev.fakes.screener import FakeScreener
from dev.fakes.signing import fake_names_key, fake_signer
from dev.fakes.store import FakeStore
from dev.fakes.switches import FakeSwitches
from dev.fakes.telemetry import FakeTelemetry
from dev.fakes.waiting import FakeWaitingList
from shared import worker
from shared.core.catalog.catalog import Catalog
from shared.core.events.generation_event import GenerationEvent
from shared.core.keys import Key
from shared.core.lifecycle.attempt import Timing
from shared.core.lifecycle.generation import AnyGeneration, Generation
from shared.core.lifecycle.state import State
from shared.core.money.account import Account, moved
from shared.core.money.credits import SUMS
from shared.core.money.entries import Move
from shared.core.money.plans import Plans
from shared.core.provider.guarantees import REPLICATE
from shared.core.provider.prediction import Prediction
from shared.core.requests.messages import Message
from shared.core.requests.parsing import parse_event, parse_request
from shared.core.safety.moderation import Category, Policy
from shared.ports import Dependencies, Envelope, Limits

CATALOG = REAL
START = datetime(2026, 11, 21, 12, tzinfo=UTC)
KEY = Key("ada", "one")

#: What a message of the app's comes in.
FROM_THE_APP = Envelope("app")

#: maxDeliveryCount of the queues.
DELIVERIES = 10


class World:
    """One user's world by default: ada has ``credits`` on the premium plan."""

    def __init__(self, credits: int = 10, catalog: Catalog = CATALOG, plans: Plans | None = None) -> None:  # noqa: A002  # the app's word
        self.time = START
        self.store = FakeStore()
        self.index = FakeIndex()
        self.moved = FakeMovedAccounts()
        self.nights = FakeNights()
        self.replicate = FakeReplicate(self.now)
        self.images = FakeImages()
        self.destinations = FakeDestinations()
        self.screener = FakeScreener()
        self.inputs = FakeInputs()
        self.blobs = FakeBlobs(now=self.now)
        self.commands = FakeCommands(self.store)
        self.switches = FakeSwitches()
        self.waiting = FakeWaitingList()
        self.app_windows = FakeAppWindows()
        self.messenger = FakeMessenger()
        self.telemetry = FakeTelemetry()
        self.dead: list[tuple[Sent, Exception]] = []
        self._seeds = iter(range(1_000_000, 9_000_000))
        self.deps = self._dependencies(catalog, plans or plans_of(catalog))
        self._credits = credits
        #: A catalogue as this world has it.
        self.of_catalog: Callable[[Catalog], Catalog] = _as_it_is

    def _dependencies(self, catalog: Catalog, plans: Plans) -> Dependencies:
        return Dependencies(
            store=self.store,
            index=self.index,
            moved=self.moved,
            nights=self.nights,
            providers={REPLICATE: self.replicate},
            images=self.images,
            archives=FakeArchives(),
            destinations=self.destinations,
            screener=self.screener,
            inputs=self.inputs,
            outputs=self.blobs,
            input_files=self.blobs,
            uploads=self.blobs,
            quarantine=self.blobs,
            dead_letters=self.blobs,
            proofs=self.blobs,
            signer=fake_signer(),
            names_key=fake_names_key(),
            commands=self.commands,
            switches=self.switches,
            waiting=self.waiting,
            app_windows=self.app_windows,
            messenger=self.messenger,
            telemetry=self.telemetry,
            catalog=catalog,
            plans=plans,
            policy=Policy("test", dict.fromkeys(Category, 4)),
            timing=Timing(),
            limits=Limits(),
            now=self.now,
            new_seed=self._new_seed,
            chance=lambda: 0.5,
            sleep=self.sleep,
        )

    def _new_seed(self) -> int:
        return next(self._seeds)

    async def open_account(self, account_id: str = "ada", amount: int | None = None) -> None:
        """Grant an account its credits, on the premium plan."""
        granted = self._credits if amount is None else amount
        await worker.grant(self.deps, account_id, granted, grant_id="welcome")
        await worker.set_plan(self.deps, account_id, "premium", worker.Command(command_id="welcome"))

    def now(self) -> datetime:
        """The world's time."""
        return self.time

    async def sleep(self, seconds: float) -> None:
        """Time passes while a handler waits."""
        self.time += timedelta(seconds=seconds)

    def pass_time(self, seconds: float) -> None:
        """Time passes."""
        self.time += timedelta(seconds=seconds)

    # Messages.

    async def ask(self, key: Key = KEY, **fields: Any) -> None:
        """The app sends a request; flux-schnell unless a model is named."""
        body = {
            **key.in_message,
            "prompt": "A lighthouse at night",
            "model": "flux-schnell",
        }
        await self.deliver(json.dumps(body | fields).encode(), REQUESTS)

    async def cancel(self, key: Key = KEY) -> None:
        """The app sends a cancel."""
        body = {"type": "cancel", **key.in_message}
        await self.deliver(json.dumps(body).encode(), REQUESTS)

    async def webhook(self, prediction_id: str) -> None:
        """Replicate sends the webhook of a prediction as it is now."""
        await self.deliver(json.dumps(self.replicate.event(prediction_id).to_json()).encode(), EVENTS)

    async def deliver(self, raw: bytes, queue: str, envelope: Envelope = FROM_THE_APP) -> None:
        """One delivery of one message."""
        arrived = envelope if envelope.enqueued_at else replace(envelope, enqueued_at=self.time)
        await worker.handle(self.deps, read(raw, queue), arrived, queue)

    async def pump(self, rounds: int = 100) -> None:
        """Carry everything that was sent, and what is due of what was scheduled, until nothing is left."""
        for _ in range(rounds):
            waiting = self.messenger.take() + self.messenger.take_due(self.time)
            if not waiting:
                return
            for sent in waiting:
                await self.carry(sent)
        raise AssertionError("the messages never end")

    async def carry(self, sent: Sent) -> None:
        """Deliver one message as the broker does: again after an exception, and in the end to the dead letters."""
        raw = json.dumps(sent.message.to_json()).encode()
        envelope = replace(sent.envelope, enqueued_at=self.time)
        for delivery in range(1, DELIVERIES + 1):
            try:
                await self.deliver(raw, sent.queue, envelope)
            except Exception as error:  # noqa: BLE001  # the broker does not care what it was
                if delivery == DELIVERIES:
                    self.dead.append((sent, error))
                    await worker.dead_letter(self.deps, read(raw, sent.queue), raw, sent.queue, envelope.digest)
            else:
                return

    async def tick(self, seconds: float = 0) -> int:
        """Time passes, the timer fires, and its checks are carried; returns how many checks there were."""
        self.pass_time(seconds)
        checks = await worker.reconcile(self.deps)
        await self.pump()
        return checks

    async def settle(self, hours: float = 14, step_s: float = 60) -> None:
        """Tick until nothing is open; AssertionError if something still is after ``hours``."""
        deadline = self.time + timedelta(hours=hours)
        await self.pump()
        while self.index.rows or self.messenger.scheduled:
            assert self.time < deadline, f"still open after {hours} h: {list(self.index.rows)}"
            await self.tick(step_s)

    # Looking.

    def generation(self, key: Key = KEY) -> Generation:
        """The generation as it is saved. AssertionError if it has not opened; see ``saved``."""
        found = self.saved(key)
        assert isinstance(found, Generation), f"{key} has not opened: {found.state}"
        return found

    def saved(self, key: Key = KEY) -> AnyGeneration:
        """What is saved under a key, opened or not."""
        return self.store.saved_generations[key]

    def account(self, account_id: str = "ada") -> Account:
        """The account as it is saved."""
        return self.store.saved_accounts[account_id]

    def balances(self, account_id: str = "ada") -> tuple[int, int, int]:
        """Available, held, captured."""
        account = self.account(account_id)
        return account.available, account.held, account.captured

    @property
    def events(self) -> list[GenerationEvent]:
        """The events that the app in front received."""
        return self.messenger.published

    def prediction(self) -> Prediction:
        """The one prediction there is."""
        return self.replicate.predictions[self.replicate.only_id]

    def books_balance(self) -> None:
        """What must hold at any moment: money, holds, ledger, ends, outputs."""
        for account_id, account in self.store.saved_accounts.items():
            replay, head = Account(account_id=account_id, zone=account.zone), ""
            for entry in (entry for entry in self.store.entries if entry.account_id == account_id):
                assert (entry.seq, entry.previous) == (replay.seq + 1, head), account_id
                replay, head = moved(replay, entry), entry.digest
            assert [getattr(account, name) for name in SUMS] == [getattr(replay, name) for name in SUMS], account_id
            assert (account.buckets, account.usage, account.head) == (replay.buckets, replay.usage, head), account_id
            mine = [each for each in self._opened() if each.key.account_id == account_id]
            assert account.held == sum(each.held_credits for each in mine if not each.state.ended), account_id
            kept = sum(each.captured_credits - each.refunded_credits for each in mine)
            assert account.captured == kept, account_id
        for generation in self._opened():
            self._generation_is_sound(generation)
        for key in self.store.saved_generations.keys() - {each.key for each in self._opened()}:
            assert not {Move.HOLD, Move.RESOLVE} & self.store.entries_of(key).keys(), key
            posted = Move.ENDED_UNOPENED in self.store.entries_of(key)
            assert not posted or self.saved(key).state.ended, key
        self._outputs_are_sound()

    def _opened(self) -> list[Generation]:
        return [each for each in self.store.saved_generations.values() if isinstance(each, Generation)]

    def _generation_is_sound(self, generation: Generation) -> None:
        key = generation.key
        moves = self.store.entries_of(key)
        assert (Move.HOLD in moves) == (generation.held_credits > 0), key
        assert (Move.RESOLVE in moves) == (generation.held_credits > 0 and generation.state.ended), key
        assert bool(generation.outputs) == (generation.state is State.SUCCEEDED), key
        if generation.state is State.SUCCEEDED:
            assert generation.captured_credits == generation.attempt.unit_credits * len(generation.outputs), key
        else:
            assert generation.captured_credits == 0, key

    def _outputs_are_sound(self) -> None:
        """Every output in an event is stored and passed screening."""
        for event in self.events:
            for output in event.outputs:
                assert output.name in self.blobs.outputs, event.key

    def at_rest(self) -> None:
        """What must hold when nothing is left to do, beyond what holds always."""
        self.books_balance()
        assert not self.index.rows, "something is still open"
        assert not self.replicate.running, "a prediction still costs money"
        named = {output.name for event in self.events for output in event.outputs}
        assert set(self.blobs.outputs) == named, "a stored output that no event names"
        for key, generation in self.store.saved_generations.items():
            assert generation.state.ended, key
            assert len({event.event_id for event in self.events if event.key == key}) == 1, key


def _as_it_is(catalog: Catalog) -> Catalog:
    return catalog


@lru_cache(4096)
def read(raw: bytes, queue: str) -> Message:
    """The message in ``raw``, as the trigger of this queue reads it."""
    return parse_request(raw)[0] if queue == REQUESTS else parse_event(raw)


def facts(event: GenerationEvent) -> Mapping[str, Any]:
    """The data of an event."""
    data: Mapping[str, Any] = event.to_json()["data"]
    return data
