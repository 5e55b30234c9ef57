"""Approvers in the simulation: whoever is asked for an approval says yes, no or nothing, by chance.

Rules of this file:
1. They learn of a request by its event, and answer each event once or not at all, minutes later: some too late, some
   though they may not, some with yes and no. An answer is a message. It comes at least once, in any order.
2. ``at_rest`` compares what is saved with what they said. It asks nobody else.
"""

import json
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from dev.fakes.accounts import daily
from dev.fakes.messenger import COMMANDS
from dev.fakes.world import World
from dev.simulation.clockwork import Clockwork
from dev.simulation.effects import DEPENDENCIES, Crash
from dev.simulation.promise import require
from dev.simulation.weather import Weather
from shared.core.commands.acts import AccountCommand, Approve, Deny
from shared.core.commands.parsing import parse_command
from shared.core.events.approval_event import ApprovalEvent
from shared.core.events.command_event import CommandOutcome
from shared.core.keys import Key
from shared.core.lifecycle.approval import Decision
from shared.core.lifecycle.generation import AnyGeneration, Generation
from shared.core.money.limits import Effect
from shared.core.reasons import Reason
from shared.ports import Dependencies, Envelope
from shared.worker.account_commands import handle_command

#: What an account may use in a day until somebody approves more.
ASKS = replace(daily(6), effect=Effect.APPROVE)

#: An approval is waited for this long. Answers take up to half as long again.
WITHIN_S, ANSWERS_S = 1200, 1800

#: Who may approve for an account; operators may too. Mallory may not.
APPROVER = "eve"
_ANSWERERS = (APPROVER, APPROVER, "operator:kim", "operator:kim", "mallory")

#: What they say: often yes, sometimes both, and nothing.
_WORDS = (("approve",), ("approve",), ("deny",), ("approve", "deny"), ())

#: How soon an answer comes again whose handler failed, or died; and how soon while the broker is down.
_AGAIN_S, _LOCK_S, _DOWN_S = 1.0, 60.0, 5.0

Start = Callable[[str, Callable[[Dependencies], Awaitable[None]], str, Callable[[BaseException | None], None]], None]


class Waits(Protocol):
    """Counts what is on its way: nothing is at rest before it has come."""

    underway: int


@dataclass
class Approvers:
    """All approvers of one simulation. ``start`` runs a handler in one of its processes."""

    world: World
    weather: Weather
    clock: Clockwork
    waits: Waits
    start: Start
    answers: dict[str, AccountCommand] = field(default_factory=dict)
    heard: int = 0
    asked: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        limits = replace(self.world.deps.limits, approve_within_s=WITHIN_S)
        self.world.deps = replace(self.world.deps, limits=limits)

    def carry(self) -> None:
        """Hear what was published, and carry the copies of answers that were deferred."""
        messenger = self.world.messenger
        for event in messenger.approvals[self.heard :]:
            self._hear(event)
        self.heard = len(messenger.approvals)
        copies, messenger.commands = messenger.commands, []
        for copy in copies:
            wait_s = (copy.at - self.world.time).total_seconds() if copy.at else 0.0
            self._send(copy.command, copy.envelope, wait_s)

    def _hear(self, event: ApprovalEvent) -> None:
        if event.event_id in self.asked:
            return
        self.asked.add(event.event_id)
        for says in self.weather.one_of(_WORDS):
            command = _answer(event, says, self.weather.one_of(_ANSWERERS))
            self.answers[command.command_id] = command
            self._send(command, Envelope(command.command_id), self.weather.between(5, ANSWERS_S))

    def _send(self, command: AccountCommand, envelope: Envelope, wait_s: float) -> None:
        twice = self.weather.strikes("redelivered")
        for extra_s in (0, self.weather.between(0, 2)) if twice else (0,):
            self.waits.underway += 1
            self.clock.plan(wait_s + extra_s, lambda: self._deliver(command, envelope))

    def _deliver(self, command: AccountCommand, envelope: Envelope) -> None:
        if DEPENDENCIES["messenger"] in self.weather.down:
            self.clock.plan(_DOWN_S, lambda: self._deliver(command, envelope))
            return
        self.waits.underway -= 1

        def done(error: BaseException | None) -> None:
            if error is not None:
                self.weather.faults["delivered again"] += 1
                self._send(command, envelope, _LOCK_S if isinstance(error, Crash) else _AGAIN_S)

        async def walk(deps: Dependencies) -> None:
            await handle_command(deps, command, envelope, COMMANDS)

        self.start(f"answer {command.command_id}", walk, command.account_id, done)

    def at_rest(self) -> None:
        """What is saved is what was said, by whom it may be said, and what was applied is saved."""
        applied = {
            event.command_id
            for event in self.world.messenger.commanded
            if event.answer.outcome is CommandOutcome.APPLIED
        }
        saved: dict[str, Key] = {}
        for key, generation in self.world.store.saved_generations.items():
            for decision in generation.approval.decisions if generation.approval else ():
                saved[decision.command_id] = key
                said = self.answers.get(decision.command_id)
                require(said is not None and _says(said, key, decision), "a decision is what was said", decision)
            expired = generation.reason is Reason.APPROVAL_EXPIRED
            require(not expired or _pending(generation), "only what nobody has decided expires", key)
            denied = generation.approval is not None and generation.approval.denied
            require(denied == (generation.reason is Reason.APPROVAL_DENIED), "what was denied has ended so", key)
        require(applied & set(self.answers) == set(saved), "what was applied is saved", applied ^ set(saved))

    def figures(self) -> Counter[str]:
        """What became of what was asked."""
        found = self.world.store.saved_generations.values()
        opened = sum(isinstance(each, Generation) and each.approval is not None for each in found)
        ended = Counter(each.reason for each in found)
        return Counter(
            {
                "asked for an approval": len({each.event_id for each in self.world.messenger.approvals}),
                "approved and opened": opened,
                "denied": ended[Reason.APPROVAL_DENIED],
                "not decided in time": ended[Reason.APPROVAL_EXPIRED],
            }
        )


def _answer(event: ApprovalEvent, says: str, by: str) -> AccountCommand:
    fields: dict[str, object] = {
        "type": says,
        "command_id": f"{says}:{event.event_id.replace('/', '|')}",
        "by": by,
        **event.key.properties,
    }
    if says == "approve":
        fields |= {"limit_id": event.asked.limit_id, "max_credits": event.asked.credits}
    command = parse_command(json.dumps(fields).encode())
    if not isinstance(command, AccountCommand):
        raise TypeError(command.text)
    return command


def _pending(generation: AnyGeneration) -> bool:
    return generation.approval is not None and generation.approval.pending


def _says(command: AccountCommand, key: Key, decision: Decision) -> bool:
    """Whether an answer says what was saved of it, and its sender may."""
    act = command.act
    if not isinstance(act, Approve | Deny):
        return False
    most, limit_id = (act.max_credits, act.limit_id) if isinstance(act, Approve) else (None, decision.limit_id)
    about = Key(act.user_id or command.account_id, act.generation_id, command.account_id)
    same = (about, most, limit_id, command.by) == (key, decision.most_credits, decision.limit_id, decision.by)
    return same and (command.by == APPROVER or command.by.startswith("operator:"))
