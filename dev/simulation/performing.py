"""How schedules are performed: each of a flow, from an empty world to rest, with every invariant on the way.

Rules of this file:
1. ``perform`` walks one schedule from the start. ``Decider`` decides every schedule of a flow, and walks no way twice.
2. What goes on is a function of the state and of the end and webhook, as far as they are read. So schedules that have
   come to one state, and read none in which they differ until rest, are decided together. States are compared whole
   (digests.py); what was read is recorded (``Stage.alike``).
3. Only what has held every promise is remembered: what breaks one ends the run.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from dev.fakes.world import KEY
from dev.simulation.digests import Digests
from dev.simulation.effects import Fault, Mode, modes_of, run
from dev.simulation.invariants import after_step, at_rest
from dev.simulation.schedules import End, Faced, Flow, Schedule, Stage, Webhook
from dev.simulation.snapshots import Snapshot

Cases = frozenset[tuple[End, Webhook]]


@dataclass(slots=True)
class Moment:
    """A stage between two deliveries. ``done``: what has faced the fault needs no delivery any more."""

    stage: Stage
    faced: Faced
    done: bool = False

    def in_case_of(self, schedule: Schedule) -> "Moment":
        """The same, with the end and the webhook of this schedule."""
        self.stage.in_case(schedule.end, schedule.webhook)
        return self


async def prepared(schedule: Schedule) -> Moment:
    """All that comes before the fault, from an empty world on."""
    stage = Stage(schedule.end, schedule.webhook, Fault())
    await stage.open()
    return Moment(stage, await schedule.flow.prepare(stage))


async def meet(moment: Moment, schedule: Schedule) -> None:
    """The fault."""
    moment.stage.meets(Fault(schedule.effect, schedule.mode))
    moment.done = await moment.stage.face(moment.faced)
    after_step(moment.stage.watch, KEY.account_id)


async def repeat(moment: Moment) -> None:
    """The next delivery of what died."""
    await moment.stage.again(moment.faced)
    moment.done = True


async def rest(moment: Moment) -> None:
    """All that comes then; what died is delivered after Replicate's part if it was not before."""
    stage = moment.stage
    if not moment.done:
        await stage.world.pump()
        await stage.news()
        await repeat(moment)
    await stage.settle()
    at_rest(stage.watch)


async def perform(schedule: Schedule) -> Stage:
    """Run one schedule from an empty world to rest, with every invariant on the way; returns the stage."""
    moment = await prepared(schedule)
    await meet(moment, schedule)
    if not moment.done and not schedule.again_last:
        await repeat(moment)
    await rest(moment)
    return moment.stage


@dataclass(eq=False, slots=True)
class Node:
    """A state that schedules come to, and what is known of what comes then, by the cases for which it is known."""

    done: bool
    kept: Snapshot[Moment]
    live: Moment | None
    repeated: "list[tuple[Cases, Node]]" = field(default_factory=list)
    held: list[tuple[Cases, Schedule]] = field(default_factory=list)

    def moment(self) -> Moment:
        """The moment itself, for the first who goes on from it, and a copy for each other."""
        moment, self.live = self.live or self.kept.copy(), None
        return moment


@dataclass(frozen=True, slots=True)
class Met:
    """How a fault was met, in these cases: the effects up to its end, which of them went wrong, and the state then."""

    cases: Cases
    effects: tuple[str, ...]
    struck: str
    node: Node


@dataclass(frozen=True, slots=True)
class Decided:
    """A schedule that has kept every promise: what went wrong in it, and the one that was walked: it, or its equal."""

    struck: str
    walked: Schedule


class Decider:
    """Decides the schedules of one flow."""

    def __init__(self) -> None:
        self._digests = Digests()
        self._nodes: dict[bytes, Node] = {}
        self._prepared: list[tuple[Cases, Snapshot[Moment]]] = []
        self._met: dict[tuple[int, Mode], list[Met]] = {}

    def decide(self, schedule: Schedule) -> Decided:
        """Walk the schedule as far as nobody has; Broken if a promise is."""
        met = self.met(schedule)
        node = met.node
        if not (node.done or schedule.again_last):
            node = self._repeated(node, schedule)
        for cases, walked in node.held:
            if (schedule.end, schedule.webhook) in cases:
                return Decided(met.struck, walked)
        moment = node.moment().in_case_of(schedule)
        run(rest(moment))
        node.held.append((moment.stage.alike, schedule))
        return Decided(met.struck, schedule)

    def met(self, schedule: Schedule) -> Met:
        """How this schedule's fault is met."""
        known = self._met.setdefault((schedule.effect, schedule.mode), [])
        for met in known:
            if (schedule.end, schedule.webhook) in met.cases:
                return met
        moment, before = self._before(schedule)
        run(meet(moment, schedule))
        fault, alike = moment.stage.fault, moment.stage.alike & before
        known.append(Met(alike, tuple(fault.names), fault.struck, self._node(moment)))
        return known[-1]

    def _before(self, schedule: Schedule) -> tuple[Moment, Cases]:
        for cases, kept in self._prepared:
            if (schedule.end, schedule.webhook) in cases:
                return kept.copy().in_case_of(schedule), cases
        moment = run(prepared(schedule))
        cases = moment.stage.alike
        self._prepared.append((cases, Snapshot(moment)))
        return moment.in_case_of(schedule), cases

    def _repeated(self, node: Node, schedule: Schedule) -> Node:
        for cases, after in node.repeated:
            if (schedule.end, schedule.webhook) in cases:
                return after
        moment = node.moment().in_case_of(schedule)
        run(repeat(moment))
        after = self._node(moment)
        node.repeated.append((moment.stage.alike, after))
        return after

    def _node(self, moment: Moment) -> Node:
        """The node of this state, the same for the same."""
        faced = None if moment.done else moment.faced
        digest = self._digests.of((moment.stage, faced))
        if digest not in self._nodes:
            self._nodes[digest] = Node(moment.done, Snapshot(moment), moment)
        return self._nodes[digest]


#: The webhooks that come before what died is delivered again, if that comes last.
_TELLING = (Webhook.ONCE, Webhook.TWICE, Webhook.DISORDERED)


def schedules(flow: Flow, decider: Decider) -> Iterator[Schedule]:
    """Every schedule of a flow: each effect of it, however the webhook comes and the prediction ends."""
    for end in flow.ends:
        for webhook in Webhook:
            if webhook is Webhook.EARLY and not flow.creates:
                continue
            whole = Schedule(flow, 0, Mode.CRASH_BEFORE, webhook, end)
            yield whole
            for number, name in enumerate(decider.met(whole).effects, start=1):
                for mode in modes_of(name):
                    schedule = replace(whole, effect=number, mode=mode)
                    yield schedule
                    if mode in (Mode.CRASH_BEFORE, Mode.CRASH_AFTER) and webhook in _TELLING:
                        yield replace(schedule, again_last=True)
